"""``forecast info``: what a model file holds, read without starting Keras."""

from __future__ import annotations

from typing import Any

import click

from forecast.cli.options import json_option
from forecast.cli.sections import Verb
from forecast.errors import ParameterError


@click.command(cls=Verb, short_help="Show a model's columns, sizes, training and versions.")
@click.argument("model", metavar="[MODEL]", required=False)
@json_option
def info(model: str | None, as_json: bool) -> None:
    """Show what MODEL expects, how it was trained, and with which versions; without MODEL, this program."""
    from forecast.cli.session import printable
    from forecast.cli.tables import print_json

    if model is None:
        about = _about()
        print_json(about) if as_json else click.echo("\n".join(f"{k:<12} {v}" for k, v in about.items()))
        return
    from forecast.modelfile import ModelFile

    file = ModelFile(model)
    if as_json:
        print_json(file.description)
        return
    try:
        sections = _sections(file.description)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, ParameterError) as error:
        raise file.damaged("its description makes no sense") from error
    for title, lines in sections.items():
        click.echo(click.style(title, bold=True))
        click.echo("\n".join(f"  {printable(line)}" for line in lines))


def _sections(described: dict[str, Any]) -> dict[str, list[str]]:
    versions = [f"{name:<16} {version}" for name, version in described["versions"].items()]
    if described["kind"] == "baseline":
        return {
            "Method": [str(described["parameters"]["method"])],
            "Columns": _columns(described),
            "Versions": versions,
        }
    if described["kind"] in ("classifier", "labeler"):
        return _labels(described) | {"Versions": versions}
    if described["kind"] == "detector":
        return {
            "Columns": _named(described["contract"]["columns"]),
            "Detector": _watching(described),
            "Versions": versions,
        }
    return {
        "Columns": _columns(described),
        "Sizes": _sizes(described),
        "Training": _training(described),
        "Comparison on held-out rows": _comparison(described),
        **_health(described),
        "Versions": versions,
    }


def _health(described: dict[str, Any]) -> dict[str, list[str]]:
    """Tell how far back gradients reached, if that was measured."""
    from forecast.training.gradients import health_of

    healths = [health_of(health) for health in described.get("health", [])]
    return {"Gradients": [line for health in healths for line in str(health).splitlines()]} if healths else {}


def _named(columns: dict[str, Any]) -> list[str]:
    """Name the columns of each role that has any."""
    width = max(10, *(len(role) + 2 for role, names in columns.items() if names))
    return [
        f"{role:<{width}}{', '.join(names) if isinstance(names, list) else names}"
        for role, names in columns.items()
        if names
    ]


def _watching(described: dict[str, Any]) -> list[str]:
    """Say how a detector looks at rows, and how often it may alarm."""
    chain, errors = described["chain"], described["errors"]
    rows = 1 / chain["rate"]
    found = [
        f"method    {described['parameters']['method']}, p-values {chain['engine']['name']}",
        f"alarms    1 in {rows:,.0f} rows asked for, an alarm holds back smaller ones for {chain['hold']} rows",
        f"series    {len(described['history']['ids']):,}",
    ]
    if errors is not None:
        if "recipe" in errors:
            return [*found, _made_again(errors["recipe"])]
        spec = errors["blocks"][0][0]["spec"]
        horizons = ", ".join(str(h) for h in errors["horizons"])
        found.append(f"network   context {spec['context']} rows, mean of the next {horizons} rows")
    return found


def _made_again(recipe: dict[str, Any]) -> str:
    ways = "both ways" if recipe["bidirectional"] else "one way"
    rows, code = recipe["spec"]["rows"], recipe["code"]
    return f"network   {recipe['cell']} {ways} of {recipe['units']} units, windows of {rows} rows, code of {code}"


def _labels(described: dict[str, Any]) -> dict[str, list[str]]:
    """Say what a classifier or a labeler reads and decides between."""
    columns = described["columns"] or {"features": [f"{described['spec']['width']} channels of arrays"]}
    decided = ", ".join(str(name) for name in described["classes"])
    comparison = ["none: nothing was held out"]
    if described["told"] is not None:
        import pandas as pd

        from forecast.cli.labels import method_lines

        table = pd.DataFrame(described["told"]["comparison"]["columns"])
        table.attrs = described["told"]["comparison"]["attrs"]
        comparison = method_lines(table)
    return {
        "Columns": _named(columns),
        "Classes": [f"{decided}; of each {'row' if described['kind'] == 'labeler' else 'sequence'}"],
        "Training": [
            f"{described['rows']:,} rows of {described['sequences']:,} sequences",
            *_training(described),
        ],
        "Comparison on what was held out": comparison,
    }


def _columns(described: dict[str, Any]) -> list[str]:
    from forecast.data.columns import Columns

    roles = described["contract"]["columns"].items()
    given: dict[str, Any] = {
        role: tuple(names) if isinstance(names, list) else names for role, names in roles
    }
    columns = Columns(**given)
    found = columns.needed(described["setting"]["horizon"])
    width = max(len(name) for name, _, _ in found)
    return [f"{name:<{width}}  {role:<12}  needed to predict: {when}" for name, role, when in found]


def _sizes(described: dict[str, Any]) -> list[str]:
    from forecast.data.step import Step
    from forecast.modelfile import network_words

    setting, spec = described["setting"], described["spec"]
    step = Step(**described["contract"]["step"])
    season = f"season {setting['season']} rows" if setting["season"] > 1 else "no season"
    levels = ", ".join(f"{q:g}" for q in described["wanted"]) or "none"
    kinds = ("targets", "known_future", "past_only", "static")
    inputs = [f"{spec[kind]} {kind.replace('_', '-')}" for kind in kinds if spec[kind]]
    return [
        f"context   {setting['context']} rows, horizon {setting['horizon']} rows, {season}, step {step} ({step.words})",
        f"trained   {described['rows']:,} rows of {len(described['history']['ids']):,} series",
        f"inputs    {', '.join(inputs)}",
        f"network   {network_words(described['architecture'], spec)}",
        f"quantiles {levels}, {'calibrated' if described['calibrated'] else 'not calibrated'}",
    ]


_END = {
    "epochs": "all epochs done",
    "patience": "stopped as the loss no longer fell",
    "budget": "stopped by the budget",
    "interrupted": "stopped by the user",
}


def _training(described: dict[str, Any]) -> list[str]:
    record = described["record"]
    history = record["history"]
    lines = [
        f"{len(history)} epochs in {record['seconds']:.1f} s; {_END.get(record['stopped'], record['stopped'])}"
    ]
    if record.get("halved"):
        lines.append(f"loss not finite in epoch {record['halved']}: gone on at half the rate")
    if history and record["best_epoch"]:
        best = history[record["best_epoch"] - 1]
        loss = best.get("val_loss", best["loss"])
        name = "val_loss" if "val_loss" in best else "loss"
        lines.append(f"best epoch {record['best_epoch']}: {name} {loss:.4g}")
    choices = described["choices"]
    width = max((len(choice["what"]) for choice in choices), default=0) + 1
    return lines + [f"{choice['what'] + ':':<{width}} {choice['value']}" for choice in choices]


def _comparison(described: dict[str, Any]) -> list[str]:
    if described["comparison"] is None:
        return ["none: no rows were held out"]
    import pandas as pd

    from forecast.cli.tables import comparison_lines
    from forecast.evaluation.comparison import verdict

    table = pd.DataFrame(described["comparison"]["columns"])
    table.attrs = described["comparison"]["attrs"]
    return [*comparison_lines(table), verdict(table)]


def _kernel() -> str:
    """Say what runs recurrent layers on a CPU."""
    from forecast.models.native import choice, library

    why = choice.why_not()
    return f"native, {library.level()}" if why is None else f"that of Keras; the native one is {why}"


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
    found["kernel"] = _kernel()
    owners = metadata.packages_distributions().get("forecast", [])
    others = sorted({owner for owner in owners if owner != "keras-forecast"})
    if others:
        found["clash"] = f"{', '.join(others)} installs a package named forecast too; uninstall it"
    return found
