"""``forecast info``: what a model file holds, read without starting Keras."""

from __future__ import annotations

from typing import Any

import click

from forecast.cli.options import json_option


@click.command(short_help="Show a model's columns, sizes, training and versions.")
@click.argument("model", metavar="[MODEL]", required=False)
@json_option
def info(model: str | None, as_json: bool) -> None:
    """Show what MODEL expects, how it was trained, and with which versions; without MODEL, this program."""
    from forecast.cli.tables import print_json

    if model is None:
        about = _about()
        print_json(about) if as_json else click.echo("\n".join(f"{k:<12} {v}" for k, v in about.items()))
        return
    from forecast.modelfile import ModelFile

    described = ModelFile(model).description
    if as_json:
        print_json(described)
        return
    if described.get("kind") == "baseline":
        click.echo(f"{model}: the baseline {described['parameters']['method']}")
        click.echo("\n".join(_columns(described)))
        return
    for title, lines in (
        ("Columns", _columns(described)),
        ("Sizes", _sizes(described)),
        ("Training", _training(described)),
        ("Comparison on held-out rows", _comparison(described)),
        ("Versions", [f"{k:<16} {v}" for k, v in described["versions"].items()]),
    ):
        click.echo(click.style(title, bold=True))
        click.echo("\n".join(f"  {line}" for line in lines))


def _columns(described: dict[str, Any]) -> list[str]:
    columns, horizon = described["contract"]["columns"], described["setting"]["horizon"]
    needed = {
        "time": "every row",
        "id": "every row",
        "target": "history; empty ahead",
        "known_future": f"history and the {horizon} rows ahead",
        "past_only": "history",
        "static": "every row",
    }
    lines = []
    for role, when in needed.items():
        names = columns[role]
        for name in [names] if isinstance(names, str) else names or ():
            lines.append(f"{name:<16} {role.replace('_', '-'):<13} to supply at prediction: {when}")
    return lines


def _sizes(described: dict[str, Any]) -> list[str]:
    from forecast.data.frequency import Step

    setting, shapes, parameters = described["setting"], described["shapes"], described["parameters"]
    step = Step(**described["contract"]["step"])
    series = len(described["history"]["ids"])
    network = "own network" if described["own_network"] else (
        f"{parameters['cell']}, {parameters['layers']} layer(s) of {parameters['units']} units"
        + (", bidirectional" if parameters["bidirectional"] else "")
    )
    levels = ", ".join(f"{q:g}" for q in described["wanted"]) or "none"
    return [
        f"context {setting['context']} rows -> horizon {setting['horizon']} rows, step {step} ({step.words}), "
        f"season {setting['season']}",
        f"{series:,} series, {described['rows']:,} rows; targets {shapes['targets']}, known-future "
        f"{shapes['known_future']}, past-only {shapes['past_only']}, static {shapes['static']} wide",
        f"network: {network}; quantiles {levels}, {'calibrated' if described['calibrated'] else 'not calibrated'}",
    ]


def _training(described: dict[str, Any]) -> list[str]:
    record = described["record"]
    history = record["history"]
    lines = [f"{len(history)} epochs in {record['seconds']:.1f} s, stopped by {record['stopped']}"]
    if history and record["best_epoch"]:
        best = history[record["best_epoch"] - 1]
        loss = best.get("val_loss", best["loss"])
        lines.append(f"best epoch {record['best_epoch']}: {'val_loss' if 'val_loss' in best else 'loss'} {loss:.4g}")
    return lines + [f"{choice['what']}: {choice['value']}  [{choice['flag']}]" for choice in described["choices"]]


def _comparison(described: dict[str, Any]) -> list[str]:
    if described["comparison"] is None:
        return ["none: no rows were held out"]
    import pandas as pd

    from forecast.cli.tables import comparison_lines
    from forecast.evaluation.comparison import verdict

    table = pd.DataFrame(described["comparison"]["columns"])
    table.attrs = described["comparison"]["attrs"]
    return [*comparison_lines(table), verdict(table)]


def _about() -> dict[str, str]:
    """Versions of this program and its foundations, found without importing them."""
    import platform
    from importlib import metadata

    from forecast import __version__

    found = {"forecast": __version__, "python": platform.python_version()}
    for name in ("tensorflow", "keras", "numpy", "pandas", "scikit-learn", "jax", "torch"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    owners = metadata.packages_distributions().get("forecast", [])
    others = sorted({owner for owner in owners if owner != "keras-forecast"})
    if others:
        found["clash"] = f"{', '.join(others)} installs a package named forecast too; uninstall it"
    return found
