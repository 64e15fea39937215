"""The parts of a report about how the model was made: choices, network and training."""

from __future__ import annotations

from dataclasses import asdict

from forecast.modelfile import network_words
from forecast.report.html import Block, Facts, Grid, Section, Text, grid, picture
from forecast.report.plots import plot_history
from forecast.reporting.material import Material
from forecast.reporting.wording import level, many, number

_ENDED = {
    "epochs": "all epochs were done",
    "patience": "it stopped as the loss no longer fell",
    "budget": "the time budget was spent",
    "interrupted": "the user stopped it",
}


def choices_section(material: Material) -> Section:
    """Tell what was chosen, by whom, and the sizes that follow."""
    choices = material.model.choices_
    blocks: list[Block] = [Facts(_sizes(material))]
    if choices:
        rows = [(choice.what, choice.value, choice.why, choice.flag) for choice in choices]
        blocks.append(
            grid(
                ("what", "chosen", "because", "changed by"),
                rows,
                words=4,
                caption="Chosen by the program, from the table",
            )
        )
    else:
        blocks.append(Text("Nothing was left for the program to choose.", quiet=True))
    return Section("choices", "Choices", tuple(blocks))


def _sizes(material: Material) -> tuple[tuple[str, str], ...]:
    fitted, model = material.fitted, material.model
    network = fitted.network
    setting, spec = fitted.setting, network.spec
    held = many(setting.holdout, "row")
    quantiles = ", ".join(level(q) for q in fitted.wanted) or "none: a point forecast"
    calibrated = "calibrated on rows not trained on" if fitted.network.shift is not None else "not calibrated"
    return (
        ("context", f"{many(setting.context, 'row')} seen"),
        ("horizon", f"{many(setting.horizon, 'row')} ahead"),
        ("held out", f"{held} of each series, for the comparison" if setting.holdout else "none"),
        (
            "validation",
            f"{many(setting.validation, 'row')} of each series, for the best epoch and the calibration",
        ),
        ("quantiles", f"{quantiles}; {calibrated}" if spec.quantiles else quantiles),
        ("network", network_words(asdict(network.architecture), asdict(spec))),
        ("weights", f"{model.model_.count_params():,}"),
        ("forecasts by", material.method),
        ("seed", str(model.seed)),
    )


def training_section(material: Material) -> Section:
    """Tell how training went and draw the losses."""
    network, history = material.fitted.network, material.model.history_
    record, architecture = network.record, network.architecture
    if history.empty:
        return Section("training", "Training", (Text("The network was not trained."),))
    ended = _ENDED.get(record.stopped, record.stopped)
    told = f"{many(len(history), 'epoch')} in {record.seconds:.1f} seconds; {ended}."
    if record.halved:
        told += f" In epoch {record.halved} the loss became non-finite: training went on at half the rate."
    members = len(architecture.options.get("members", ()))
    if members:
        told += f" They are those of {many(members, 'network')}, trained one after the other."
    elif record.best_epoch and "val_loss" in history:
        loss = history.loc[history["epoch"] == record.best_epoch, "val_loss"].min()
        told += f" The weights of epoch {record.best_epoch} were kept: validation loss {number(loss)}."
    setting = material.fitted.setting
    if material.model.refit and (setting.holdout or setting.validation) and record.stopped != "interrupted":
        told += " Training then went on with the rows that were kept back, without a validation."
    figure = plot_history(history, title="")
    drawn = picture(figure, "Training and validation loss by epoch", "Loss by epoch; lower is better.")
    return Section("training", "Training", (Text(told), drawn, _losses(material)))


def _losses(material: Material) -> Grid:
    history = material.model.history_
    shown = [
        name for name in ("epoch", "steps", "loss", "val_loss", "learning_rate", "seconds") if name in history
    ]
    rows = [
        [f"{row[name]:.0f}" if name in ("epoch", "steps") else number(row[name], 3) for name in shown]
        for row in history.to_dict("records")
    ]
    return grid(
        [name.replace("_", " ") for name in shown], rows, words=0, caption="Losses in figures", folded=True
    )
