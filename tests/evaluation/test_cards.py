"""Definition cards: complete for every metric, and read from the docstrings."""

from dataclasses import fields, replace

import pytest

from forecast.errors import ForecastError, ParameterError
from forecast.evaluation import cards as module
from forecast.evaluation import metrics
from forecast.evaluation.cards import Card, card_of, cards


@pytest.mark.parametrize("name", metrics.METRICS)
def test_every_metric_has_a_complete_card(name):
    card = card_of(name)
    assert card.name == name
    for field in fields(Card):
        text = getattr(card, field.name)
        assert text and text == text.strip() and "``" not in text and "  " not in text, field.name
    assert card.formula in card.definition
    assert any(sign in card.formula for sign in ("mean", "sum", "/"))
    low, high = card.range.split(",")[0].split(" to ")
    assert float(low) < float(high)
    assert "better" in card.better or "best" in card.better
    # Where nothing returns the same number, the card says why.
    assert card.agrees != "none" or "no function of scikit-learn" in card.differs
    # Sections with their examples and arguments are not part of a card.
    assert not any(mark in str(card) for mark in (">>>", "Args:", "Example:", "Unit:", "Returns:"))


def test_no_metric_is_without_a_card():
    assert [card.name for card in cards()] == list(metrics.METRICS)
    assert len(cards()) == 19


def test_a_card_holds_what_the_docstring_says():
    card = card_of("mape")
    assert card.definition == "Mean absolute percentage error, `mean 100 |y - f| / |y|`."
    assert card.formula == "mean 100 |y - f| / |y|"
    assert (card.unit, card.range, card.better) == ("per cent", "0 to inf", "lower is better")
    assert card.zeros.startswith("one zero actual makes it inf")
    # A line that goes on in the next one is joined; the docstring has a break between these words.
    assert "scikit-learn divides by a tiny number" in card.differs
    assert card_of("mase").constant == "a scale of zero makes it NaN: there is no yardstick"
    assert card_of("width").missing.startswith("no actual is involved")
    assert card_of("rmse").definition.count(".") == 2


def test_what_a_docstring_does_not_say_is_what_holds_for_all():
    one, other = card_of("mae"), card_of("pinball")
    assert one.missing == other.missing and "NaN" in one.missing
    assert one.zeros == other.zeros and one.constant == other.constant
    assert any("left out" in sentence for sentence in module.CONTRACT)


def test_names_may_be_spelt_freely():
    assert [card.name for card in cards(["RMSSE", "smape-100", "Weighted-Quantile-Loss"])] == [
        "rmsse",
        "smape_100",
        "weighted_quantile_loss",
    ]


@pytest.mark.parametrize(
    ("word", "nearest"),
    [("maes", "mae"), ("rmssee", "rmsse"), ("crps", "crps_quantile"), ("wikler", "winkler")],
)
def test_an_unknown_name_gets_the_nearest_one(word, nearest):
    with pytest.raises(ParameterError, match=f"no metric '{word}'.*Did you mean '{nearest}'") as caught:
        cards(["mae", word])
    assert caught.value.exit_code == 2
    with pytest.raises(ParameterError, match=r"no metric 'xyzxyz'; metrics are mae, .*, msis\.$"):
        cards(["xyzxyz"])


def test_without_docstrings_the_card_says_so(monkeypatch):
    def bare(actual, forecast):
        raise AssertionError

    monkeypatch.setitem(module.METRICS, "mae", bare)
    with pytest.raises(ForecastError, match="run without -OO"):
        card_of("mae")


def test_cards_do_not_change():
    with pytest.raises(AttributeError):
        card_of("mae").unit = "metres"
    assert replace(card_of("mae"), unit="metres") != card_of("mae")
