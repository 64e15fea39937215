"""Options of the verbs that train: sizes, network, training, quantiles."""

from __future__ import annotations

from typing import Any

from forecast.cli.sections import option, section
from forecast.cli.values import MOST_ROWS, levels, positive, seconds, share, whole, word
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
        "--short",
        type=word("error", "drop", "pad"),
        help="Series shorter than a window; found if not given.",
    ),
    option("--snap", is_flag=True, help="Round jittering times to the step."),
)

network_options = section(
    "Network",
    option("--cell", type=word("rnn", "lstm", "gru"), default="gru", help="Kind of recurrent layer."),
    option("--units", type=whole(1, 4096), default=64, metavar="N", help="Width of each recurrent layer."),
    option("--layers", type=whole(1, 16), default=1, metavar="N", help="Recurrent layers."),
    option("--bidirectional", is_flag=True, help="Read the context in both directions."),
    option("--dropout", type=share(), default=0.0, metavar="SHARE", help="Dropped between layers."),
    option("--recurrent-dropout", type=share(), default=0.0, metavar="SHARE", help="Dropped between steps."),
    option(
        "--activation",
        type=word("tanh", "relu", "leaky_relu"),
        default="tanh",
        help="Of the recurrent layers.",
    ),
    option(
        "--start",
        type=word("orthogonal", "identity"),
        default="orthogonal",
        help="First recurrent weights.",
    ),
    option(
        "--anchor",
        type=word("last", "mean", "season", "none"),
        default="last",
        help="Level taken from each window.",
    ),
    option(
        "--independent/--joint",
        default=True,
        help="Targets each alone (the default), or informing each other.",
    ),
    option("--skip/--no-skip", default=None, help="Linear path from context to horizon; found if not given."),
)

training_options = section(
    "Training",
    option("--epochs", type=whole(1), metavar="N", help="Passes over the windows; found if not given."),
    option("--batch-size", type=whole(1), metavar="N", help="Windows a step."),
    option("--learning-rate", type=positive(), default=3e-3, metavar="RATE", help="Highest rate."),
    option("--patience", type=whole(1), default=10, metavar="N", help="Epochs without gain before stopping."),
    option(
        "--clip",
        type=positive(or_none=True),
        default=1.0,
        metavar="NORM",
        help="Largest gradient norm, or none.",
    ),
    option(
        "--loss",
        type=word("auto", "mae", "mse", "mixed"),
        default="auto",
        help="All but auto need --quantiles none.",
    ),
    option("--seed", type=whole(0), default=0, metavar="N", help="Of weights and order."),
)

refit_option = section(
    "Training",
    option("--refit/--no-refit", default=True, help="Train again with the held-out rows (the default)."),
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
    """Refuse a point loss with quantiles.

    Raises:
        ParameterError: It says which flag to pass with it.
    """
    if options["loss"] != "auto" and options["quantiles"]:
        raise ParameterError(
            f"--loss {options['loss']} forecasts no quantiles; pass --quantiles none with it."
        )
