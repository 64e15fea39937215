"""Options of the verbs that train: sizes, network, training, quantiles."""

from __future__ import annotations

from typing import Any

from forecast.cli.sections import option, section
from forecast.cli.values import (
    MOST_ROWS,
    levels,
    mapping,
    names,
    numbers,
    numbers_or_auto,
    positive,
    seconds,
    setting,
    share,
    whole,
    word,
    words_or_auto,
)
from forecast.errors import ParameterError

size_options = section(
    "Sizes (found if not given)",
    option("--horizon", type=whole(1, MOST_ROWS), metavar="ROWS", help="Rows ahead to forecast."),
    option("--context", type=whole(1, MOST_ROWS), metavar="ROWS", help="Rows the network sees."),
    option("--step", metavar="STEP", help="Between rows: h, 15min, D, W, MS … or a whole number."),
    option("--season", type=whole(1, MOST_ROWS), metavar="ROWS", help="Rows of a season; 1: none."),
    option(
        "--holdout",
        type=whole(0, MOST_ROWS),
        metavar="ROWS",
        help="Last rows kept for the comparison; 0: none.",
    ),
    option(
        "--validation",
        type=whole(1, MOST_ROWS),
        metavar="ROWS",
        help="Rows before those, to choose and to stop by.",
    ),
    option(
        "--short",
        type=word("error", "drop", "pad"),
        help="Series shorter than a window; found if not given.",
    ),
    option("--snap", is_flag=True, help="Round jittering times to the step."),
)

ARCHITECTURES = (
    "segment",
    "esrnn",
    "rnn",
    "stateful",
    "seq2seq",
    "autoregressive",
    "dense",
    "linear",
    "conv",
    "transformer",
)
HEADS = ("quantiles", "normal", "student", "lognormal", "negative_binomial", "mixture")

network_options = section(
    "Network",
    option(
        "--model",
        type=word("auto", *ARCHITECTURES),
        default="auto",
        metavar="NAME",
        help=f"{', '.join(ARCHITECTURES)}; found if not given.",
    ),
    option("--cell", type=word("rnn", "lstm", "gru"), default="gru", help="Kind of recurrent layer."),
    option(
        "--units", type=whole(1, 4096), metavar="N", help="Width of its layers; its usual one if not given."
    ),
    option("--layers", type=whole(1, 16), metavar="N", help="Its layers; its usual number if not given."),
    option("--bidirectional", is_flag=True, help="Read the context in both directions (rnn)."),
    option(
        "--dropout",
        type=share(),
        metavar="SHARE",
        help="Dropped between layers; its usual share if not given.",
    ),
    option(
        "--recurrent-dropout", type=share(), default=0.0, metavar="SHARE", help="Dropped between steps (rnn)."
    ),
    option(
        "--activation",
        type=word("tanh", "relu", "leaky_relu"),
        default="tanh",
        help="Of the recurrent layers (rnn).",
    ),
    option(
        "--start",
        type=word("orthogonal", "identity"),
        default="orthogonal",
        help="First recurrent weights (rnn).",
    ),
    option(
        "--stateful",
        is_flag=True,
        help="Carry the state through whole series, so that it can be streamed (rnn).",
    ),
    option(
        "--tbptt",
        type=whole(1, 100_000),
        metavar="N",
        help="Rows through which gradients go back in it; 256 if not given.",
    ),
    option(
        "--model-options",
        type=setting(),
        multiple=True,
        callback=mapping,
        metavar="NAME=VALUE",
        help="Of the architecture, such as segment=24 or attention=luong; repeated.",
    ),
    option(
        "--anchor",
        type=word("auto", "last", "mean", "season", "period", "difference", "none"),
        default="auto",
        help="Level that forecasts start from; found if not given.",
    ),
    option(
        "--scale",
        type=word("auto", "window", "training"),
        default="auto",
        help="Divide by the spread of each window or of the training rows; found if not given.",
    ),
    option(
        "--target-transform",
        type=word("auto", "none", "log", "power", "asinh"),
        default="auto",
        help="Of the targets, undone in the forecast; found if not given.",
    ),
    option("--positive/--no-positive", default=None, help="Cut forecasts off at zero; found if not given."),
    option(
        "--independent/--joint",
        default=True,
        help="Targets each alone (the default), or informing each other.",
    ),
    option("--skip/--no-skip", default=None, help="Linear path from context to horizon; found if not given."),
    option(
        "--head",
        type=word(*HEADS),
        default="quantiles",
        help="What is forecast: quantiles or a distribution.",
    ),
)

covariate_options = section(
    "Beside the columns",
    option(
        "--calendar",
        type=words_or_auto(),
        default=False,
        metavar="auto|NAMES",
        help="Calendar features: auto by the step, or hour_of_day,day_of_week …",
    ),
    option("--holidays", metavar="COUNTRY", help="Holidays as a feature: DE, DE-BY, US …"),
    option(
        "--lags", type=numbers_or_auto(), default=(), metavar="auto|ROWS", help="Earlier values: 24,168 …"
    ),
    option(
        "--embed",
        type=names(),
        default=(),
        metavar="WHAT",
        help="series, categories: learn a vector for each.",
    ),
)

training_options = section(
    "Training",
    option("--preset", type=word("fast", "good", "best"), default="good", help="How much work a fit may be."),
    option("--ensemble", type=whole(1, 64), metavar="N", help="Networks whose mean forecasts; by preset."),
    option("--snapshots", is_flag=True, help="Networks of --ensemble are snapshots of one training."),
    option("--steps", type=whole(1), metavar="N", help="Optimiser steps; found if not given."),
    option("--epochs", type=whole(1), metavar="N", help="Passes over the windows, in place of --steps."),
    option("--batch-size", type=whole(1), metavar="N", help="Windows a step; found if not given."),
    option("--learning-rate", type=positive(), metavar="RATE", help="Highest rate; found if not given."),
    option(
        "--sampling", type=word("rows", "series"), help="What is drawn equally often; found if not given."
    ),
    option("--patience", type=whole(1), default=10, metavar="N", help="Epochs without gain before stopping."),
    option(
        "--clip",
        type=positive(or_none=True),
        default=1.0,
        metavar="NORM",
        help="Largest gradient norm, or none.",
    ),
    option(
        "--averaging",
        type=share(),
        metavar="SHARE",
        help="Momentum of the mean of the weights, on long runs.",
    ),
    option(
        "--weight-decay",
        type=positive(),
        metavar="SHARE",
        help="Of the rate by which a step shrinks kernels (AdamW).",
    ),
    option(
        "--loss",
        type=word("auto", "mae", "mse", "mixed", "mase", "smape", "owa", "likelihood", "crps"),
        default="auto",
        help="Found if not given; mae, mse, mixed, mase need --quantiles none.",
    ),
    option(
        "--horizons",
        type=numbers(),
        default=(),
        metavar="ROWS",
        help="Horizons that the loss serves alike: 24,48,96; the last is --horizon.",
    ),
    option("--seed", type=whole(0), default=0, metavar="N", help="Of weights and order."),
)

refit_option = section(
    "Training",
    option("--refit/--no-refit", default=True, help="Train on with the rows kept back (the default)."),
)

budget_option = section(
    "Training",
    option("--budget", type=seconds(), metavar="TIME", help="Of training at most: 90s, 10m, 2h."),
)

quantile_options = section(
    "Forecast",
    option(
        "--quantiles", type=levels(), default="0.1,0.9", metavar="LEVELS", help="Of the intervals, or none."
    ),
    option(
        "--calibrate/--no-calibrate",
        default=True,
        help="Make quantiles hold on unseen windows (the default).",
    ),
)

method_option = section(
    "Forecast",
    option(
        "--method",
        default="network",
        metavar="METHOD",
        help="Who forecasts: network, best, auto (their weighted mean), or a baseline.",
    ),
)


def check_loss(options: dict[str, Any]) -> None:
    """Refuse a loss that does not go with what is forecast.

    Raises:
        ParameterError: It says which flag to pass with it.
    """
    loss, quantiles = options["loss"], options["quantiles"]
    if options["head"] == "quantiles" and quantiles and loss in ("mae", "mse", "mixed", "mase"):
        raise ParameterError(f"--loss {loss} forecasts no quantiles; pass --quantiles none with it.")
    if (options["head"] == "quantiles") == (loss in ("likelihood", "crps")) and loss != "auto":
        raise ParameterError(f"--loss {loss} does not go with --head {options['head']}.")
