"""Streams: whatever comes in whatever parts, forecasts are those of the whole table read anew."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import forecast
from forecast.errors import DamagedModelFile, ForecastWarning, InputError, ModelFileError
from tests.tables import shops

BASE = {"horizon": 3, "context": 8, "season": 7, "preset": "fast", "units": 4, "epochs": 1}
ROWS, NEW = 60, 12
KINDS = {
    "carried": {"stateful": True, "tbptt": 16},
    "carried, seasonal, calendar": {"stateful": True, "anchor": "period", "calendar": True, "cell": "lstm"},
    "carried, a distribution": {"stateful": True, "head": "normal", "quantiles": (0.1, 0.9)},
    "carried, a point": {"stateful": True, "quantiles": ()},
    "windows": {"model": "rnn", "calendar": True, "lags": (7,)},
    "windows, embedded": {"model": "rnn", "embed": ("series",), "short": "pad"},
}


def table() -> pd.DataFrame:
    found = shops(ROWS, 3, covariates=True)
    found.loc[ROWS - 4 : ROWS - 3, "sold"] = np.nan
    return found[["shop", "day", "sold"]]


def newer(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame.groupby("shop").cumcount(ascending=False) < NEW].reset_index(drop=True)


def older(frame: pd.DataFrame) -> pd.DataFrame:
    return frame[frame.groupby("shop").cumcount(ascending=False) >= NEW].reset_index(drop=True)


@pytest.fixture(scope="module")
def fits():
    """Fit each kind once, when it is asked for."""
    made = {}

    def fit(kind: str):
        if kind not in made:
            made[kind] = forecast.Forecaster(**BASE, **KINDS[kind], id="shop", time="day").fit(older(table()))
        return made[kind]

    return fit


def from_the_start(forecaster, frame: pd.DataFrame) -> pd.DataFrame:
    """Forecast behind a whole table, without any state of training."""
    fitted = forecaster.fitted_
    plain = forecast.Forecaster()
    plain.fitted_ = replace(fitted, network=replace(fitted.network, standing=None))
    plain.choices_, plain.from_arrays_ = (), False
    return plain.predict(frame, method="network")


def close(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    assert found["day"].tolist() == expected["day"].tolist()
    assert found["shop"].tolist() == expected["shop"].tolist()
    names = [name for name in expected if name == "forecast" or name.startswith("q0")]
    np.testing.assert_allclose(found[names], expected[names], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_stream_forecasts_as_the_whole_table_does(fits, kind):
    model = fits(kind)
    stream = model.stream()
    assert stream.engine == ("state" if kind.startswith("carried") else "window")
    close(stream.forecast(), model.predict(method="network"))
    found = stream.update(newer(table()))
    close(found, from_the_start(model, table()))
    assert (found["origin"] < found["day"]).all() and stream.passed_over == 0
    # What was read before changes nothing.
    assert len(stream.update(table())) == 0 and stream.passed_over == len(table())
    close(stream.forecast(), found)


@pytest.fixture(scope="module")
def expected(fits):
    return from_the_start(fits("carried"), table())


@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_any_parts_in_any_order_of_series_are_the_whole(fits, expected, data):
    stream, rows = fits("carried").stream(), newer(table())
    left = dict(iter(rows.groupby("shop")))
    while left:
        name = data.draw(st.sampled_from(sorted(left)))
        count = data.draw(st.integers(1, len(left[name])))
        again = data.draw(st.integers(0, 2))
        part = rows[(rows["shop"] == name) & (rows["day"] <= left[name]["day"].iloc[count - 1])]
        stream.update(part.tail(count + again))
        left[name] = left[name].iloc[count:]
        left = {name: part for name, part in left.items() if len(part)}
    close(stream.forecast(), expected)


@pytest.mark.parametrize("kind", ["carried", "windows"])
def test_every_row_is_forecast_behind_if_asked(fits, kind):
    model, rows = fits(kind), newer(table())
    found = model.stream().update(rows, every=True)
    observed = rows.dropna()
    assert found.groupby(["shop", "origin"]).size().eq(3).all()
    assert len(found) == 3 * len(observed)
    for day in observed["day"].unique()[[1, -3]]:
        known = table()[table()["day"] <= day]
        wanted = from_the_start(model, known)
        have = found[found["origin"] == day].reset_index(drop=True)
        close(have, wanted[wanted["shop"].isin(have["shop"])])


@pytest.mark.parametrize("kind", ["carried", "carried, seasonal, calendar", "windows"])
def test_a_push_is_an_update(fits, kind):
    rows = newer(table()).pivot(index="day", columns="shop", values="sold")
    pushed, updated = fits(kind).stream(), fits(kind).stream()
    # Series end on different days: bring them to one first.
    last = max(updated.times)
    for stream in (pushed, updated):
        stream.update(table()[table()["day"] < last])
    assert pushed.ids == ("s0", "s1", "s2")
    for day, values in rows[rows.index >= last].iterrows():
        values = values.fillna(20.0)
        found = pushed.push(values.to_numpy())
        frame = pd.DataFrame({"shop": values.index, "day": day, "sold": values.to_numpy()})
        close_to = updated.update(frame)
        assert found.shape == (3, 3, 1, len(pushed.levels))
        np.testing.assert_allclose(
            found[:, :, 0, pushed.levels.index(0.1)].reshape(-1), close_to["q0.1"], rtol=1e-9
        )
    with pytest.raises(InputError, match="3 series of 1 targets"):
        pushed.push([1.0, 2.0])


def test_a_single_series_is_read_in_plain_numbers(fits):
    frame = table()[table()["shop"] == "s1"].drop(columns="shop")
    model = forecast.Forecaster(**BASE, stateful=True).fit(frame[:40])
    stream = model.stream()
    for value in frame["sold"][40:]:
        found = stream.push(float(value))
    expected = from_the_start(model, frame)
    np.testing.assert_allclose(found[0, :, 0, 1], expected["forecast"], rtol=1e-6)


def test_a_stream_goes_on_from_a_file_that_another_process_may_read(fits, tmp_path):
    for kind in ("carried", "windows"):
        model, rows = fits(kind), newer(table())
        model.save(tmp_path / "m.forecast")
        stream, half = model.stream(), len(rows) // 2
        stream.update(rows[:half])
        stream.save(tmp_path / "s.forecast")
        again = forecast.load(tmp_path / "m.forecast").stream(tmp_path / "s.forecast")
        pd.testing.assert_frame_equal(again.update(rows[half:]), stream.update(rows[half:]))
        assert again.times.equals(stream.times)
    with pytest.raises(InputError, match="another model"):
        fits("carried, a point").stream(tmp_path / "s.forecast")
    with pytest.raises(InputError, match="no state of a stream"):
        fits("carried").stream(tmp_path / "m.forecast")
    with pytest.raises(ModelFileError):
        fits("carried").stream(tmp_path / "none.forecast")


def test_a_damaged_state_is_refused(fits, tmp_path):
    from forecast.modelfile import ModelFile, write_model

    path = tmp_path / "s.forecast"
    fits("carried").stream().save(path)
    file = ModelFile(path)
    numbers = file.numbers()
    for name in ("state memory", "offsets", "scales"):
        write_model(path, None, file.description, {k: v for k, v in numbers.items() if k != name})
        with pytest.raises(DamagedModelFile):
            fits("carried").stream(path)
    for name, values in numbers.items():
        if name.startswith("state "):
            write_model(path, None, file.description, numbers | {name: values[:1]})
            with pytest.raises(DamagedModelFile):
                fits("carried").stream(path)


@pytest.mark.parametrize("name", ["new", "a first"])
def test_series_may_be_new(fits, name):
    model, rows = fits("carried"), newer(table())
    stream = model.stream()
    fresh = rows[rows["shop"] == "s2"].assign(shop=name)
    found = stream.update(pd.concat([rows[rows["shop"] == "s0"], fresh]))
    assert set(found["shop"]) == {"s0", name} and stream.ids[-1] == name
    expected = from_the_start(model, pd.concat([table(), fresh]))
    same = found[found["shop"] == name].reset_index(drop=True)
    wanted = expected[expected["shop"] == name].reset_index(drop=True)
    np.testing.assert_allclose(same["forecast"], wanted["forecast"], rtol=1e-6)
    everything = stream.forecast()
    assert everything["shop"].drop_duplicates().tolist() == list(stream.ids)
    again = everything[everything["shop"] == name]
    np.testing.assert_array_equal(again["forecast"], same["forecast"])
    # All series at once, in an order of ids that is not theirs here.
    both = stream.update(
        pd.concat([rows[rows["shop"] != "s0"], fresh.assign(day=fresh["day"] + pd.Timedelta("12D"))])
    )
    assert set(both["shop"]) == {"s1", "s2", name}
    # The others stand where they stood.
    close(
        both[both["shop"] != name].reset_index(drop=True),
        from_the_start(model, table()).query("shop != 's0'"),
    )


def test_rows_that_are_missing_count_as_missing_values(fits):
    model, rows = fits("carried"), newer(table())
    holes = rows.drop(index=rows.index[[2, 3, 15]])
    stream = model.stream()
    for _, row in holes.iterrows():
        stream.update(row.to_frame().T.astype(rows.dtypes.to_dict()))
    close(stream.forecast(), from_the_start(model, pd.concat([older(table()), holes])))


def test_a_long_gap_begins_anew_and_a_wrong_time_is_refused(fits):
    model, rows = fits("carried"), newer(table())
    stream = model.stream()
    late = rows.assign(day=rows["day"] + pd.Timedelta("40D"))
    close(stream.update(late), from_the_start(model, late))
    before = stream.forecast()
    far = rows.assign(day=rows["day"] + pd.Timedelta("80000D"))
    with pytest.raises(InputError, match=r"steps behind .* correct its time"):
        stream.update(far)
    between = rows.assign(day=rows["day"] + pd.Timedelta("50D5h"))
    with pytest.raises(InputError, match="between two steps"):
        stream.update(between)
    pd.testing.assert_frame_equal(stream.forecast(), before)


def test_columns_known_ahead_are_waited_for():
    frame = shops(ROWS, 2, covariates=True)
    options = BASE | {"known_future": ("promo",), "past_only": ("visits",), "static": ("town", "area")}
    for kind in ({"stateful": True}, {"model": "rnn"}):
        model = forecast.Forecaster(**options, **kind, id="shop", time="day").fit(older(frame))
        rows, stream = newer(frame), model.stream()
        with pytest.warns(ForecastWarning, match="'promo' must be known 3 rows ahead"):
            assert len(stream.update(rows)) == 0
        ahead = [
            pd.DataFrame({"shop": name, "day": part["day"].max() + pd.to_timedelta(np.arange(1, 4), "D")})
            for name, part in rows.groupby("shop")
        ]
        statics = rows.groupby("shop")[["town", "area"]].first().reset_index()
        future = pd.concat(ahead).merge(statics, on="shop").assign(promo=[0.0, 1.0, 1.0] * 2, sold=np.nan)
        future["visits"] = np.nan
        assert len(stream.update(future)) == 0
        expected = from_the_start(model, pd.concat([frame, future]))
        close(stream.forecast(), expected)
        with pytest.raises(InputError, match="columns beside its targets"):
            stream.push(np.zeros(2))
        # Behind each row with what is known of the rows after that one.
        behind = model.stream().update(pd.concat([rows, future]), every=True)
        part = rows[rows["shop"] == "s0"]
        for cut in (-6, -2):
            day = part["day"].iloc[cut]
            known = pd.concat([frame, future]).assign(
                sold=lambda t, day=day: t["sold"].where(t["day"] <= day),
                visits=lambda t, day=day: t["visits"].where(t["day"] <= day),
            )
            have = behind[(behind["origin"] == day) & (behind["shop"] == "s0")].reset_index(drop=True)
            close(have, from_the_start(model, known[known["shop"] == "s0"]))


def test_models_of_arrays_have_no_stream():
    values = shops(60, 1)["sold"].to_numpy()
    model = forecast.Forecaster(**BASE, stateful=True).fit(np.zeros((60, 1)), values)
    with pytest.raises(InputError, match="fit a table"):
        model.stream()
