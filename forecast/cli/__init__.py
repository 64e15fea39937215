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

VERBS = ("fit", "predict", "evaluate", "plot", "info", "template")


class Verbs(click.Group):
    """Verbs found by module name, with a suggestion for mistyped ones."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return getattr(import_module(f"forecast.cli.{cmd_name}"), cmd_name) if cmd_name in VERBS else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple:
        word = args[0]
        if word not in VERBS and not word.startswith("-"):
            hint = closest(word, VERBS)
            if not hint and os.path.exists(word):
                hint = f" Did you mean `forecast fit {word}`?"
            raise click.UsageError(f"There is no verb {word!r}; verbs are {', '.join(VERBS)}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, "--version", prog_name="forecast")
def commands() -> None:
    """Honest forecasts from a CSV, with recurrent networks.

    \b
    forecast fit sales.csv              train, compare with baselines, forecast, draw
    forecast predict sales.forecast     forecast again, from new rows or further ahead
    """


def main(arguments: list[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0 done, 2 wrong input, 1 anything else, 130 or 143 interrupted."""
    try:
        code = commands.main(args=arguments, prog_name="forecast", standalone_mode=False)
    except click.exceptions.Abort:
        code = 130
    except KeyboardInterrupt:
        _complain("interrupted.")
        code = 130
    except click.UsageError as error:
        _complain(f"{_usage(error)} See `{_command_of(error)} --help`.")
        code = 2
    except click.ClickException as error:
        _complain(error.format_message())
        code = error.exit_code
    except ForecastError as error:
        _complain(str(error))
        code = error.exit_code
    except BrokenPipeError:
        # The reader of a pipe has gone; nothing more can be said to it.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if os.environ.get("FORECAST_DEBUG"):
            raise
        line = " ".join(str(error).split())[:300]
        _complain(f"{type(error).__name__}: {line} (a fault of this program; FORECAST_DEBUG=1 shows where)")
        code = 1
    sys.exit(code if isinstance(code, int) else 0)


def _complain(message: str) -> None:
    click.echo(f"Error: {' '.join(message.split())}", err=True)


def _usage(error: click.UsageError) -> str:
    message = error.format_message()
    return message if message.endswith((".", "?")) else f"{message}."


def _command_of(error: click.UsageError) -> str:
    return error.ctx.command_path if error.ctx is not None else "forecast"
