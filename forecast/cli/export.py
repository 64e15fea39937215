"""``forecast export``: the network of a saved model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from forecast.cli.options import check_targets, force_option, json_option, quiet_option
from forecast.cli.sections import Verb, option, section
from forecast.cli.values import word
from forecast.errors import ParameterError

format_options = section(
    "Export",
    option(
        "--format",
        type=word("onnx", "savedmodel"),
        default="onnx",
        help="onnx: one file; savedmodel: a folder for TensorFlow.",
    ),
)
out_option = section(
    "Output", option("--out", metavar="PATH", help="NAME.onnx or NAME.savedmodel here if not given.")
)


@click.command(cls=Verb, short_help="Write the network as ONNX or SavedModel.")
@click.argument("model", metavar="MODEL")
@format_options
@out_option
@force_option
@json_option
@quiet_option
def export(model: str, format: str, out: str | None, force: bool, as_json: bool, quiet: bool) -> None:
    """Write the network of MODEL for other programs: raw values in, raw values out.

    What was written is read back, and must forecast the same windows the same. Quantiles are the network's own; their
    calibration stays in MODEL.
    """
    from forecast.cli.opening import load_model, open_model
    from forecast.cli.session import settle

    settle(quiet)
    path = Path(out) if out is not None else Path(f"{Path(model).stem}.{format}")
    if format == "savedmodel" and force:
        raise ParameterError("--force replaces files only; remove the folder, or pass --out another name.")
    check_targets([path], force)
    open_model(model)
    forecaster = load_model(model)
    forecaster.export(path, format)
    _say(forecaster, path, format, as_json)


def _say(forecaster: Any, path: Path, format: str, as_json: bool) -> None:
    network = forecaster.fitted_.network
    model, spec = network.model, network.spec
    inputs = {name: ["batch", *tensor.shape[1:]] for name, tensor in model.input.items()}
    output = ["batch", *model.output_shape[1:]]
    if as_json:
        from forecast.cli.tables import print_json

        print_json(
            {
                "format": format,
                "file": str(path),
                "inputs": inputs,
                "output": {"forecast": output},
                "quantiles": spec.quantiles,
            }
        )
        return
    for name, shape in inputs.items():
        click.echo(f"input     {name} ({', '.join(map(str, shape))}), {model.input[name].dtype}")
    levels = f", quantiles {', '.join(f'{q:g}' for q in spec.quantiles)}" if spec.quantiles else ""
    click.echo(f"output    forecast ({', '.join(map(str, output))}){levels}")
    click.echo(f"{format:<9} {path}")
