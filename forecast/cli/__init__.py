"""The command line: ``forecast VERB …``.

Nothing heavy is imported here: each verb imports what it needs when it runs.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import click

from forecast import __version__
from forecast.errors import ForecastError, closest

VERBS = (
    *("fit", "predict", "update", "stream", "backtest", "tune", "evaluate", "audit", "detect", "classify"),
    *("report", "plot", "info", "template", "export", "metrics"),
)
_TABLES = (".csv", ".tsv", ".txt", ".gz", ".parquet", ".pq")


class Verbs(click.Group):
    """Verbs found by module name, with a suggestion for mistyped ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the verbs in the order of use."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a verb."""
        return getattr(import_module(f"forecast.cli.{cmd_name}"), cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple:
        """Find the verb, or suggest one."""
        word = args[0]
        if word not in VERBS and not word.startswith("-"):
            raise click.UsageError(
                f"There is no verb {word!r}; verbs are {', '.join(VERBS)}.{_suggestion(word)}", ctx
            )
        return super().resolve_command(ctx, args)


@click.group(
    cls=Verbs,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name="forecast")
@click.pass_context
def commands(ctx: click.Context) -> None:
    """Honest forecasts from a CSV, with recurrent networks.

    \b
    forecast fit sales.csv              train, compare with baselines, forecast, draw
    forecast predict sales.forecast     forecast again, from new rows or further ahead
    forecast update sales.forecast new.csv   train further with newer rows, keep what is better
    forecast stream sales.forecast      forecast behind each row as it comes
    forecast backtest sales.csv         test methods on the past, each fit seeing only what came before
    forecast classify gestures.csv      label whole sequences, or every row and the events these make
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help())


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0 done, 2 wrong input, 1 anything else, 130 or 143 interrupted.

    Args:
        arguments: Words after the program's name; None takes those it was started with.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ["help"]:
        words = [*words[1:], "--help"]
    try:
        code = commands.main(args=words, prog_name="forecast", standalone_mode=False, obj=tuple(words))
        sys.stdout.flush()
    except BaseException as error:
        code = _end(error, words)
    sys.exit(code if isinstance(code, int) else 0)


def _end(error: BaseException, words: list[str]) -> int:
    """Say in one line what went wrong, and return the exit code."""
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, click.exceptions.Abort | KeyboardInterrupt):
        _complain("interrupted.")
        return getattr(error.__cause__ or error, "exit_code", 130)
    if isinstance(error, click.UsageError):
        _complain(f"{_usage(error)} See `{_command_of(words)} --help`.")
        return 2
    if isinstance(error, click.ClickException | ForecastError):
        _complain(error.format_message() if isinstance(error, click.ClickException) else str(error))
        return error.exit_code
    if os.environ.get("FORECAST_DEBUG"):
        raise error
    if isinstance(error, BrokenPipeError):
        # The reader of a pipe has gone; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    elif isinstance(error, MemoryError):
        _complain("out of memory. Lower --batch-size, --context or --horizon, or give fewer rows.")
    elif isinstance(error, OSError):
        _complain(_about_file(error))
        # What stdout still holds would fail once more while the interpreter ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    else:
        line = " ".join(str(error).split())[:300]
        _complain(f"{type(error).__name__}: {line} (a fault of this program; FORECAST_DEBUG=1 shows where)")
    return 1


def _complain(message: str) -> None:
    from forecast.cli.session import printable

    click.echo(f"Error: {printable(message)}", err=True)


def _about_file(error: OSError) -> str:
    where = f"{error.filename}: " if error.filename is not None else "reading or writing failed: "
    return f"{where}{error.strerror or type(error).__name__}."


def _suggestion(word: str) -> str:
    """Guess what was meant by a word that is no verb: a file, or a verb mistyped."""
    if word.endswith(".forecast"):
        return f" Did you mean `forecast predict {word}`?"
    if word.lower().endswith(_TABLES) or os.path.exists(word):
        return f" Did you mean `forecast fit {word}`?"
    return closest(word, VERBS)


def _usage(error: click.UsageError) -> str:
    """Word a usage error alike in all versions of click."""
    if isinstance(error, click.NoSuchOption):
        known = _options_of(error.ctx)
        return f"There is no option {error.option_name}.{closest(error.option_name, known)}"
    if isinstance(error, click.MissingParameter) and isinstance(error.param, click.Argument):
        return f"{error.param.human_readable_name} is missing."
    message = error.format_message()
    return message if message.endswith((".", "?")) else f"{message}."


def _options_of(ctx: click.Context | None) -> list[str]:
    if ctx is None:
        return []
    return [
        flag for p in ctx.command.get_params(ctx) for flag in (*p.opts, *p.secondary_opts) if flag[:2] == "--"
    ]


def _command_of(words: list[str]) -> str:
    verb = next((word for word in words if word in VERBS), None)
    return "forecast" if verb is None else f"forecast {verb}"
