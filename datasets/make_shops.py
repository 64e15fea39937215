"""Make shops.csv: six invented shops with the untidiness of real sales tables.

Run ``python make_shops.py [FILE]``; the same bytes come out every time. Only ``random.random()`` is drawn on,
because Python guarantees its sequence across versions; figures are rounded to whole numbers.

What is in it, on purpose: ragged starts, single missing rows, one shop closed for nine days (no rows),
blank sales and footfall cells, a counter out of order for three weeks, promotions and holidays known 28 days
beyond the last sales, a past-only column (footfall) that says more about the level than the sales do, and two
columns that never change within a shop.
"""

from __future__ import annotations

import csv
import math
import random
import sys
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

SEED = 20240630
LAST_SALES = date(2024, 6, 30)
KNOWN_AHEAD = 28
HEADER = ("date", "shop", "sales", "promo", "holiday", "footfall", "region", "floor_area")

# Monday to Sunday, as a multiple of an average day.
WEEK = (0.82, 0.80, 0.86, 0.94, 1.18, 1.42, 0.98)

# Bank holidays in England from July 2022 to July 2024.
HOLIDAYS = {
    date(2022, 8, 29), date(2022, 9, 19), date(2022, 12, 26), date(2022, 12, 27), date(2023, 1, 2),
    date(2023, 4, 7), date(2023, 4, 10), date(2023, 5, 1), date(2023, 5, 8), date(2023, 5, 29),
    date(2023, 8, 28), date(2023, 12, 25), date(2023, 12, 26), date(2024, 1, 1), date(2024, 3, 29),
    date(2024, 4, 1), date(2024, 5, 6), date(2024, 5, 27),
}  # fmt: skip


@dataclass(frozen=True)
class Shop:
    """One invented shop and what drives its trade.

    Args:
        name: Its id.
        region: Static text.
        floor_area: Static number, square metres.
        start: First day with sales.
        visitors: Footfall of an average day at the start.
        growth: Relative growth of the footfall in a year.
        summer: Share by which footfall is higher in mid-July than on average.
        lift: Share by which a promotion raises sales.
        closed: First and last day of a time without rows.
        blind: First and last day of a time with a broken visitor counter.
    """

    name: str
    region: str
    floor_area: int
    start: date
    visitors: float
    growth: float
    summer: float
    lift: float
    closed: tuple[date, date] | None = None
    blind: tuple[date, date] | None = None


SHOPS = (
    Shop("Ashby", "city", 240, date(2022, 7, 1), 620, 0.06, -0.04, 0.30),
    Shop("Bexley", "city", 410, date(2022, 7, 1), 980, -0.05, -0.06, 0.45,
         closed=(date(2023, 9, 11), date(2023, 9, 19))),
    Shop("Cromer", "coast", 120, date(2022, 10, 17), 260, 0.03, 0.55, 0.20),
    Shop("Dawlish", "coast", 165, date(2023, 2, 6), 330, 0.10, 0.45, 0.25,
         blind=(date(2024, 1, 8), date(2024, 1, 28))),
    Shop("Ely", "country", 95, date(2023, 8, 1), 180, 0.00, 0.05, 0.35),
    Shop("Frome", "country", 140, date(2024, 3, 1), 210, 0.40, 0.08, 0.40),
)  # fmt: skip


def main(target: Path) -> None:
    """Write the table to ``target``."""
    source = random.Random(SEED)
    rows = [row for shop in SHOPS for row in shop_rows(shop, source)]
    with target.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(rows)


def shop_rows(shop: Shop, source: random.Random) -> list[tuple[object, ...]]:
    """Return one shop's rows from its first day of sales to the last day known ahead."""
    promotions = promotion_days(shop, source)
    rows, level, day = [], 0.0, shop.start
    while day <= LAST_SALES + timedelta(days=KNOWN_AHEAD):
        # A slow common level: yesterday's level matters, so memory pays.
        level = 0.93 * level + 0.045 * normal(source)
        footfall = expected_footfall(shop, day) * math.exp(level + 0.03 * normal(source))
        sales = sales_of(shop, footfall, day in promotions, day) * math.exp(0.07 * normal(source))
        lost_row, lost_sales, lost_footfall = (source.random() for _ in range(3))
        future = day > LAST_SALES
        if future or not (within(day, shop.closed) or (lost_row < 0.006 and day != shop.start)):
            blank_sales = future or lost_sales < 0.008
            blank_footfall = future or lost_footfall < 0.01 or within(day, shop.blind)
            rows.append(
                (
                    day.isoformat(),
                    shop.name,
                    "" if blank_sales else round(sales),
                    int(day in promotions),
                    int(day in HOLIDAYS),
                    "" if blank_footfall else round(footfall),
                    shop.region,
                    shop.floor_area,
                )
            )
        day += timedelta(days=1)
    return rows


def promotion_days(shop: Shop, source: random.Random) -> set[date]:
    """Return the days of promotions: a week, from a Thursday, every three to seven weeks."""
    days: set[date] = set()
    day = shop.start + timedelta(days=(3 - shop.start.weekday()) % 7)
    while day <= LAST_SALES + timedelta(days=KNOWN_AHEAD):
        day += timedelta(weeks=3 + int(5 * source.random()))
        days |= {day + timedelta(days=i) for i in range(7)}
    return days


def expected_footfall(shop: Shop, day: date) -> float:
    """Return the visitors expected on ``day``: growth, season, weekday and holidays."""
    years = (day - shop.start).days / 365.25
    angle = 2 * math.pi * (day.timetuple().tm_yday - 197) / 365.25
    season = 1 + shop.summer * math.cos(angle) + 0.35 * advent(day)
    eve = 1.2 if day + timedelta(days=1) in HOLIDAYS else 1.0
    # Holidays empty the city and fill the coast.
    open_holiday = 1.25 if shop.region == "coast" else 0.45
    holiday = open_holiday if day in HOLIDAYS else eve
    return shop.visitors * (1 + shop.growth) ** years * season * WEEK[day.weekday()] * holiday


def advent(day: date) -> float:
    """Return how far the rush before Christmas has come: 0 until 25 November, 1 on 23 December."""
    done = (day - date(day.year, 11, 25)).days / 28
    return min(max(done, 0.0), 1.0) if day < date(day.year, 12, 25) else 0.0


def sales_of(shop: Shop, footfall: float, promoted: bool, day: date) -> float:
    """Return the takings expected from ``footfall`` visitors, in pounds."""
    basket = 3.1 + 0.002 * shop.floor_area + (0.25 if day.weekday() >= 5 else 0.0)
    return footfall * basket * (1 + shop.lift * promoted)


def within(day: date, span: tuple[date, date] | None) -> bool:
    """Tell whether ``day`` lies in ``span``, both ends included."""
    return span is not None and span[0] <= day <= span[1]


def normal(source: random.Random) -> float:
    """Return a standard normal number (Box and Muller's method)."""
    radius = math.sqrt(-2 * math.log(1 - source.random()))
    return radius * math.cos(2 * math.pi * source.random())


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("shops.csv"))
