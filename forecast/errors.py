"""The exceptions of this package.

    ForecastError                 anything this package refuses or gives up on; exit code 1
    ├── InputError                the user's input or arguments are wrong; exit code 2; also a ValueError
    │   ├── TableError            a table cannot be read or checked (file, line, column in the message)
    │   ├── ParameterError        an argument is out of range or contradicts another
    │   └── ModelFileError        a model file cannot be used
    │       ├── ModelFileMissing      there is no such file
    │       ├── NotAModelFile         the file is something else
    │       ├── DamagedModelFile      truncated or altered
    │       └── NewerModelFile        written by a newer version of this package
    └── TrainingDiverged          the loss became non-finite; the last finite weights are kept

Every message is one sentence or two: what is wrong, where, what was got and expected, what to do next.

Warnings: ``ForecastWarning`` is the category of every warning this package issues.
"""

from __future__ import annotations


class ForecastError(Exception):
    """Root of the tree; ``exit_code`` is what the command line returns for it."""

    exit_code = 1


class InputError(ForecastError, ValueError):
    """The user's input or arguments are wrong."""

    exit_code = 2


class TableError(InputError):
    """A table cannot be read or does not hold what it must."""


class ParameterError(InputError):
    """An argument is out of range, unknown, or contradicts another one."""


class ModelFileError(InputError):
    """A model file cannot be used."""


class ModelFileMissing(ModelFileError):
    """There is no file under that name."""


class NotAModelFile(ModelFileError):
    """The file exists but is not a model of this package."""


class DamagedModelFile(ModelFileError):
    """The file was a model of this package and has been truncated or altered."""


class NewerModelFile(ModelFileError):
    """The file was written by a newer version of this package."""


class TrainingDiverged(ForecastError):
    """The loss became non-finite; the message names batch, series and time."""


class ForecastWarning(UserWarning):
    """Category of every warning issued by this package."""


def closest(word: str, known: list[str] | tuple[str, ...]) -> str:
    """Return ``" Did you mean 'x'?"`` for the nearest known word, or an empty string.

    Example:
        >>> closest("salse", ["sales", "date"])
        " Did you mean 'sales'?"
    """
    from difflib import get_close_matches

    matches = get_close_matches(str(word), [str(k) for k in known], n=1)
    return f" Did you mean {matches[0]!r}?" if matches else ""
