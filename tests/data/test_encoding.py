"""Static covariates: what training saw decides, and prediction tables may hold less or more."""

from __future__ import annotations

import dataclasses

import numpy as np
import pandas as pd
import pytest

from forecast.data.encoding import StaticEncoder, fit_static, numbers_of
from forecast.errors import InputError, ParameterError

SHOPS = pd.DataFrame({"area": [10.0, 30.0, 20.0], "town": ["Ulm", "Bonn", "Ulm"], "rank": [1, 2, 3]})


def test_numbers_are_standardised_and_text_is_one_column_a_category():
    encoder = fit_static(SHOPS)
    spread = np.sqrt(200 / 3)
    expected = [[-10 / spread, -np.sqrt(1.5), 0, 1], [10 / spread, 0, 1, 0], [0, np.sqrt(1.5), 0, 1]]
    np.testing.assert_allclose(encoder.encode(SHOPS), expected, rtol=1e-6, atol=1e-7)
    assert encoder.encode(SHOPS).dtype == np.float32
    assert encoder.width == 4
    assert [name for name, *_ in encoder.numbers] == ["area", "rank"]
    assert encoder.categories == (("town", ("Bonn", "Ulm")),)


def test_a_table_without_static_columns_has_no_features():
    nothing = pd.DataFrame(index=range(3))
    assert fit_static(nothing) == StaticEncoder()
    assert fit_static(nothing).encode(nothing).shape == (3, 0)


def test_other_series_are_encoded_by_what_training_learned():
    encoder = fit_static(SHOPS)
    new = pd.DataFrame({"town": ["Kiel", "Ulm"], "rank": [2, 2], "area": [np.nan, 1e300]})
    encoded = encoder.encode(new)
    assert encoded[0].tolist() == [0, 0, 0, 0]
    assert encoded[1, 2:].tolist() == [0, 1] and encoded[1, 0] == 1e6
    assert np.isfinite(encoded).all()


@pytest.mark.parametrize("values", [[0.1] * 3, [5.0] * 3, [np.nan] * 3, [1e308] * 3, [0.0] * 3])
def test_a_column_without_spread_is_zero_for_its_own_value_and_never_divided_by_rounding(values):
    frame = pd.DataFrame({"area": values})
    encoder = fit_static(frame)
    assert encoder.numbers[0][2] == 1.0
    np.testing.assert_allclose(encoder.encode(frame), 0.0, atol=1e-6)


def test_enormous_numbers_have_a_finite_spread():
    frame = pd.DataFrame({"area": [1.7e308, -1.7e308]})
    assert np.isfinite(fit_static(frame).numbers[0][1:]).all()
    assert fit_static(frame).encode(frame).tolist() == [[1.0], [-1.0]]


def test_missing_text_is_a_category_of_its_own():
    frame = pd.DataFrame({"town": pd.Series(["Ulm", None, np.nan, ""], dtype=object)})
    encoder = fit_static(frame)
    assert encoder.categories == (("town", ("", "Ulm")),)
    assert encoder.encode(frame).tolist() == [[0, 1], [1, 0], [1, 0], [1, 0]]


@pytest.mark.parametrize("dtype", [object, "string", "category"])
def test_every_kind_of_text_column_encodes_alike(dtype):
    frame = pd.DataFrame({"town": pd.Series(["Ulm", "Bonn"], dtype=object).astype(dtype)})
    assert fit_static(frame) == fit_static(frame.astype(object))
    assert fit_static(frame).encode(frame).tolist() == [[0, 1], [1, 0]]


def test_categories_that_read_as_numbers_are_found_again():
    """A table of the shops 1 and 007 alone has a column of numbers where training had text."""
    encoder = fit_static(pd.DataFrame({"code": ["1", "007", "x", "2.50"]}))
    assert encoder.categories[0][1] == ("007", "1", "2.50", "x")
    given = pd.DataFrame({"code": [1.0, 7.0, 2.5, 8.0, np.nan]})
    assert encoder.encode(given).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 1, 0], [0] * 4, [0] * 4]
    assert encoder.encode(pd.DataFrame({"code": [7]})).tolist() == [[1, 0, 0, 0]]


def test_numbers_that_became_text_are_refused():
    with pytest.raises(InputError, match="Static column 'area' held numbers in training and holds text now"):
        fit_static(SHOPS).encode(SHOPS.assign(area=["big", "small", "big"]))


def test_too_many_categories_are_refused():
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(1_001)]})
    with pytest.raises(
        ParameterError, match=r"'name' has 1,001 categories, more than 1,000; leave it out .*--static"
    ):
        fit_static(frame)
    assert fit_static(frame.iloc[:1_000]).width == 1_000


def test_encoders_survive_being_written_as_plain_values():
    encoder = fit_static(SHOPS)
    plain = dataclasses.asdict(encoder)
    again = StaticEncoder(plain["numbers"], plain["categories"])
    np.testing.assert_array_equal(again.encode(SHOPS), encoder.encode(SHOPS))


def test_the_table_is_not_changed():
    before = SHOPS.copy(deep=True)
    fit_static(SHOPS).encode(SHOPS)
    pd.testing.assert_frame_equal(SHOPS, before)


# ---------------------------------------------------------------- codes for embeddings


def test_codes_count_known_categories_from_one_and_the_rest_is_zero():
    frame = pd.DataFrame({"town": ["Ulm", None, "Bonn"], "kind": ["a", "b", "a"], "area": [1.0, 2.0, 3.0]})
    encoder = fit_static(frame)
    codes = encoder.codes(frame)
    assert codes.dtype == np.int32
    assert codes.tolist() == [[2, 1], [0, 2], [1, 1]] and encoder.sizes == (3, 3)
    new = pd.DataFrame({"area": [9.0] * 3, "kind": ["c", "b", ""], "town": ["Kiel", "Ulm", np.nan]})
    assert encoder.codes(new).tolist() == [[0, 0], [2, 2], [0, 0]]


def test_embedded_text_is_left_out_of_the_encoded_columns():
    encoder = fit_static(SHOPS, embedded=True)
    np.testing.assert_array_equal(encoder.encode(SHOPS), fit_static(SHOPS[["area", "rank"]]).encode(SHOPS))
    assert encoder.width == 2 and encoder.sizes == (3,)
    assert encoder.codes(SHOPS).tolist() == fit_static(SHOPS).codes(SHOPS).tolist() == [[2], [1], [2]]
    assert StaticEncoder(**dataclasses.asdict(encoder)) == encoder


def test_embedded_columns_may_have_any_number_of_categories():
    frame = pd.DataFrame({"name": [f"n{i:05}" for i in range(5_000)]})
    encoder = fit_static(frame, embedded=True)
    assert encoder.sizes == (5_001,) and encoder.encode(frame).shape == (5_000, 0)
    assert encoder.codes(frame)[:, 0].tolist() == list(range(1, 5_001))


def test_categories_that_read_as_numbers_have_the_same_codes():
    encoder = fit_static(pd.DataFrame({"code": ["1", "007", "x", None]}))
    assert encoder.codes(pd.DataFrame({"code": [7.0, 1.0, np.nan, 8.0]})).tolist() == [[1], [2], [0], [0]]


def test_tables_without_text_columns_have_no_codes():
    encoder = fit_static(SHOPS[["area"]])
    assert encoder.codes(SHOPS).shape == (3, 0) and encoder.codes(SHOPS).dtype == np.int32
    assert encoder.sizes == ()


def test_a_column_of_missing_text_has_one_code():
    frame = pd.DataFrame({"town": pd.Series([None, None], dtype=object)})
    assert fit_static(frame).sizes == (1,) and fit_static(frame).codes(frame).tolist() == [[0], [0]]


@pytest.mark.parametrize(
    ("ids", "known", "numbers"),
    [
        (("b", "z", "a"), ("a", "b"), [2, 0, 1]),
        ((7, 8), (8, 9), [0, 1]),
        ((None,), (None,), [1]),
        ((1,), ("1",), [0]),
        ((), ("a",), []),
        (("a",), (), [0]),
    ],
)
def test_numbers_of_ids(ids, known, numbers):
    found = numbers_of(ids, known)
    assert found.tolist() == numbers and found.dtype == np.int32
