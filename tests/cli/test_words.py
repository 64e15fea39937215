"""Help, versions, and refusals of mistyped words: one line, exit code 2, and a suggestion."""

from __future__ import annotations

import inspect

import pytest

from forecast.cli import VERBS, commands
from forecast.cli.fit import fit

ONLY_IN_PYTHON = {"network", "optimizer", "callbacks", "verbose"}
# What belongs to the file that is read, or to the files that are written.
ONLY_ON_THE_COMMAND_LINE = {
    *("table", "out", "force", "resume", "diagnose", "as_json", "quiet", "help"),
    *("layout", "delimiter", "decimal", "encoding", "header", "lenient"),
}


def test_without_words_the_help_is_shown(run):
    result = run()
    assert result.code == 0
    assert "Usage: forecast" in result.out
    assert result.err == ""
    for verb in VERBS:
        assert f"\n  {verb} " in result.out


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_ways_to_ask_for_help(run, words):
    assert run(*words) == run()


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(run, verb):
    result = run(verb, "--help")
    assert result.code == 0
    assert result == run("help", verb)
    command = commands.get_command(None, verb)
    for parameter in command.params:
        shown = parameter.opts[0] if parameter.opts[0].startswith("--") else parameter.human_readable_name
        assert shown in result.out
        if shown.startswith("--"):
            assert parameter.help, f"{shown} is not explained"
    assert all(len(line) <= 80 for line in result.out.splitlines())


def test_help_of_fit_is_in_sections(run):
    titles = [line for line in run("fit", "--help").out.splitlines() if line.endswith(":") and line[0] != " "]
    assert titles == [
        "Columns (found if not given; none: there is none):",
        "Sizes (found if not given):",
        "Network:",
        "Beside the columns:",
        "Training:",
        "Forecast:",
        "Reading TABLE:",
        "Output:",
        "Help:",
    ]


def test_version(run):
    import forecast

    assert run("--version").out == f"forecast, version {forecast.__version__}\n"


def test_flags_are_the_arguments_of_the_estimator():
    from forecast import Forecaster

    flags = {parameter.name for parameter in fit.params}
    arguments = set(inspect.signature(Forecaster).parameters)
    assert flags - arguments == ONLY_ON_THE_COMMAND_LINE - {"help"}
    assert arguments - flags == ONLY_IN_PYTHON


def test_flags_have_the_defaults_of_the_estimator():
    from forecast import Forecaster

    flags = fit.make_context("fit", ["a.csv"]).params
    for name, parameter in inspect.signature(Forecaster).parameters.items():
        if name in ONLY_IN_PYTHON:
            continue
        if parameter.default in (None, ()):
            assert flags[name] in (None, ()), name
        else:
            assert flags[name] == parameter.default, name
            assert type(flags[name]) is type(parameter.default), name


def test_flags_are_spelt_as_the_arguments():
    for parameter in fit.params:
        if parameter.name not in ("table", "as_json", "header"):
            assert "--" + parameter.name.replace("_", "-") in parameter.opts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fti"], "Did you mean 'fit'?"),
        (["predcit", "x"], "Did you mean 'predict'?"),
        (["xyz"], f"There is no verb 'xyz'; verbs are {', '.join(VERBS)}. See"),
        (["data.csv"], "Did you mean `forecast fit data.csv`?"),
        (["data.parquet"], "Did you mean `forecast fit data.parquet`?"),
        (["sales.forecast"], "Did you mean `forecast predict sales.forecast`?"),
        (["--versoin"], "There is no option --versoin. Did you mean '--version'?"),
        (["fit"], "TABLE is missing. See `forecast fit --help`."),
        (["predict"], "MODEL is missing. See `forecast predict --help`."),
        (["evaluate", "m.forecast"], "TABLE is missing."),
        (["fit", "a.csv", "b.csv"], "unexpected extra argument (b.csv)"),
        (
            ["fit", "a.csv", "--horizn", "3"],
            "no option --horizn. Did you mean '--horizon'? See `forecast fit --help`.",
        ),
        (["fit", "a.csv", "--zzz"], "There is no option --zzz. See"),
        (["fit", "a.csv", "--horizon"], "'--horizon' requires an argument. See `forecast fit --help`."),
        (["fit", "a.csv", "--cell", "gruu"], "'gruu' is not one of rnn, lstm, gru. Did you mean 'gru'?"),
        (["fit", "a.csv", "--activation", "leaky-relu"], "Did you mean 'leaky_relu'?"),
        (["fit", "a.csv", "--duplicates", "avg"], "'avg' is not one of error, first, last, mean, sum."),
        (["fit", "a.csv", "--method", "holtwinters"], "Did you mean 'holt-winters'?"),
        (
            ["fit", "a.csv", "--method", "best", "--holdout", "0"],
            "--method best needs a comparison; leave out --holdout 0.",
        ),
        (["fit", "a.csv", "--loss", "mae"], "pass --quantiles none with it"),
        (["fit", "a.csv", "--horizon", "0"], "'--horizon': '0' is not a whole number from 1 to 1,000,000."),
        (["fit", "a.csv", "--horizon", "2.5"], "'2.5' is not a whole number"),
        (["fit", "a.csv", "--units", "9999"], "'9999' is not a whole number from 1 to 4,096."),
        (["fit", "a.csv", "--epochs", "-1"], "'-1' is not a whole number of at least 1."),
        (["fit", "a.csv", "--dropout", "1"], "'1' is not a number of at least 0 and below 1."),
        (["fit", "a.csv", "--learning-rate", "nan"], "'nan' is not a positive number."),
        (["fit", "a.csv", "--clip", "0"], "'0' is not a positive number or none."),
        (
            ["fit", "a.csv", "--quantiles", "10,90"],
            "'10,90' is not a list of numbers between 0 and 1 such as",
        ),
        (["fit", "a.csv", "--quantiles", "0.1,0.1"], "'0.1,0.1' is not a list of numbers between 0 and 1"),
        (["fit", "a.csv", "--target", "a,,b"], "'a,,b' is not a list of column names such as a,b."),
        (["fit", "a.csv", "--out", "b.csv"], "Pass --out b."),
        (
            ["fit", "a.forecast"],
            "a.forecast is a model where a table is expected; `forecast predict a.forecast`",
        ),
        (["predict", "m.forecast", "--json", "--out", "a.csv"], "--json prints to stdout; leave out --out."),
        (["predict", "m.forecast", "--out", "a.xlsx"], "--out a.xlsx: the name must end in one of .csv"),
        (["plot", "m.forecast", "--out", "a.jpg"], "give a name that ends in .png"),
        (["plot", "m.forecast", "--training", "--horizon", "3"], "takes neither TABLE nor --horizon"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refused_in_one_line(run, tmp_path, words, said):
    result = run(*words, folder=tmp_path)
    assert result.code == 2
    assert said in result.error
    assert list(tmp_path.iterdir()) == []


def test_names_with_commas_and_several_options(run, tmp_path):
    (tmp_path / "a.csv").write_text('day,"net, total",tax\n2024-01-01,1,2\n')
    result = run("fit", "a.csv", "--target", '"net, total"', "--target", "txa", folder=tmp_path)
    assert "no column 'txa' for --target. Did you mean 'tax'?" in result.error


def test_words_may_be_written_in_capitals():
    from forecast.cli.values import word

    assert word("gru", "lstm").convert("LSTM", None, None) == "lstm"


def test_completion_offers_the_words():
    from forecast.cli.values import word

    assert [item.value for item in word("gru", "lstm", "rnn").shell_complete(None, None, "l")] == ["lstm"]


def test_a_fault_of_the_program_is_told_in_one_line(run, monkeypatch, tmp_path):
    import forecast.data.table

    def broken(*_, **__):
        raise ZeroDivisionError("over\nthe\x1b[2J edge")

    monkeypatch.setattr(forecast.data.table, "read_table", broken)
    result = run("fit", "a.csv", folder=tmp_path)
    assert result.code == 1
    assert result.error.startswith("ZeroDivisionError: over the\\x1b[2J edge (a fault of this program")
    monkeypatch.setenv("FORECAST_DEBUG", "1")
    with pytest.raises(ZeroDivisionError):
        run("fit", "a.csv", folder=tmp_path)


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MemoryError(), 1, "out of memory. Lower --batch-size"),
        (OSError(28, "No space left on device", "x.csv"), 1, "x.csv: No space left on device."),
        (KeyboardInterrupt(), 130, "interrupted."),
    ],
)
def test_other_ends(monkeypatch, capfd, error, code, said):
    """In this process with real descriptors, as what is left of stdout is led away."""
    import os

    from forecast.cli import _end

    kept = os.dup(1)
    try:
        assert _end(error, ["fit"]) == code
    finally:
        os.dup2(kept, 1)
        os.close(kept)
    assert said in capfd.readouterr().err


def test_keras_that_cannot_be_imported(run, tmp_path, monkeypatch):
    import sys

    (tmp_path / "t.csv").write_text("t,y\n" + "".join(f"{i},{i % 7}\n" for i in range(40)))
    monkeypatch.setitem(sys.modules, "keras", None)
    result = run("fit", "t.csv", "-q", folder=tmp_path)
    assert result.code == 1
    assert result.error.startswith("Keras cannot be started (import of keras halted")
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
