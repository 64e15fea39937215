"""Eight pumps whose flow goes wrong four times each, and when: what `forecast detect --labels` is shown on.

python benchmarks/labelled_pumps.py FOLDER    writes pumps.csv and events.csv there
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd

ROWS, PUMPS = 2_000, 8


def main(folder: str) -> None:
    """Write both tables."""
    times = pd.date_range("2024-01-01", periods=ROWS, freq="h")
    tables, events = [], []
    for number in range(PUMPS):
        rng = np.random.default_rng(number)
        hours = np.arange(ROWS)
        flow = 40 + 8 * np.sin(2 * np.pi * (hours + 3 * number) / 24) + rng.normal(size=ROWS)
        name = f"pump {number + 1}"
        # One event in each eighth of the second half: a spike, a jam, a leak, a day that comes late.
        for kind, begin in enumerate(rng.integers(1_020, 1_200, 4) + 240 * np.arange(4)):
            rows = (1, 8, 12, 12)[kind]
            place = slice(begin, begin + rows)
            flow[place] = (
                flow[place] + 7.0,
                np.full(rows, flow[begin - 1]),
                flow[place] - 5.0,
                flow[begin - 12 : begin - 12 + rows],
            )[kind]
            events.append({"pump": name, "start": times[begin], "end": times[begin + rows - 1]})
        tables.append(pd.DataFrame({"pump": name, "time": times, "flow": flow.round(2)}))
    Path(folder).mkdir(parents=True, exist_ok=True)
    pd.concat(tables).to_csv(Path(folder) / "pumps.csv", index=False)
    pd.DataFrame(events).to_csv(Path(folder) / "events.csv", index=False)


if __name__ == "__main__":
    main(sys.argv[1])
