"""What a network is asked to do: sizes of its inputs and outputs, and how values are scaled on the way."""

from __future__ import annotations

from dataclasses import dataclass

from forecast.errors import ParameterError

ANCHORS = ("last", "mean", "season", "period", "difference", "none")
TRANSFORMS = ("none", "log", "asinh", "power")
# Numbers per step and target that each head forecasts; quantiles depend on how many are asked for.
HEADS = {"quantiles": 1, "normal": 2, "student": 3, "negative_binomial": 2, "lognormal": 2, "mixture": 9}


@dataclass(frozen=True)
class Spec:
    """What goes into a model, what comes out, and the scales in between. Every architecture builds from one.

    Args:
        context: Rows seen.
        horizon: Rows forecast.
        targets: Number of target columns.
        known_future: Number of columns known over context and horizon.
        past_only: Number of columns known over the context only.
        static: Width of the encoded static covariates.
        quantiles: Levels in (0, 1), sorted; empty for one forecast a step.
        season: Rows of a season, 1 for none.
        padded: Whether short series come right-padded, with their ``length``.
        missing: Whether missing values get channels of their own: a mask, and the rows since the last value.
        period: Rows of the longest season, for the anchors ``"period"`` and ``"difference"``.
        anchor: Level that forecasts start from: the ``"last"`` value, the ``"mean"`` of the window or of its last
            ``"season"``; the values one ``"period"`` before each step; the same with the network reading the
            ``"difference"`` of each row to the one a period earlier; or ``"none"`` (no scaling at all).
        transform: Of the targets: ``"none"``, ``"log"``, ``"asinh"`` or ``"power"``; undone on the way out.
        transform_by: A number for each target: the smallest value (log), the unit (asinh), the exponent (power).
        scale_by: Spread of each (transformed) target over the training rows, by which values are divided; empty:
            each window is divided by its own.
        positive: Cut forecasts off at zero.
        independent: Treat each target as a sequence of its own with shared weights; False joins them.
        skip: Linear path from context to horizon that starts at zero; None leaves it to the architecture.
        head: ``"quantiles"`` (or a point, without quantiles), or the name of a distribution.
        calendar: Number of calendar features, known over context and horizon.
        lags: Number of lags given beside each row.
        categories: Number of categories (and one for unseen) of each static column that is embedded.
        series: Number of known series to embed; 0 for no embedding of series.
        seed: Seed of first weights and of dropout.

    Example:
        >>> Spec(context=48, horizon=12, quantiles=(0.1, 0.5, 0.9)).outputs
        3
    """

    context: int
    horizon: int
    targets: int = 1
    known_future: int = 0
    past_only: int = 0
    static: int = 0
    quantiles: tuple[float, ...] = ()
    season: int = 1
    padded: bool = False
    missing: bool = False
    period: int = 1
    anchor: str = "last"
    transform: str = "none"
    transform_by: tuple[float, ...] = ()
    scale_by: tuple[float, ...] = ()
    positive: bool = False
    independent: bool = True
    skip: bool | None = None
    head: str = "quantiles"
    calendar: int = 0
    lags: int = 0
    categories: tuple[int, ...] = ()
    series: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("context", "horizon", "targets", "season", "period"):
            if getattr(self, name) < 1:
                raise ParameterError(f"{name} must be at least 1; got {getattr(self, name)!r}.")
        if list(self.quantiles) != sorted(set(self.quantiles)) or not all(0 < q < 1 for q in self.quantiles):
            raise ParameterError(f"quantiles must be rising numbers between 0 and 1; got {self.quantiles}.")
        check_word("anchor", self.anchor, ANCHORS)
        check_word("transform", self.transform, TRANSFORMS)
        check_word("head", self.head, tuple(HEADS))
        self._check_transform()
        if self.scale_by and self.anchor == "none":
            raise ParameterError("anchor='none' is no scaling at all: it goes without scale_by.")
        if self.scale_by and (len(self.scale_by) != self.targets or not all(by > 0 for by in self.scale_by)):
            raise ParameterError(
                f"scale_by needs a number above zero for each of {self.targets} targets; got {self.scale_by}."
            )

    @property
    def outputs(self) -> int:
        """Numbers per step and target: one a quantile, one a parameter of a distribution, or one."""
        return max(len(self.quantiles), 1) if self.head == "quantiles" else HEADS[self.head]

    @property
    def middle(self) -> int:
        """Index of the quantile closest to the median."""
        return min(range(max(len(self.quantiles), 1)), key=lambda i: abs((*self.quantiles, 0.5)[i] - 0.5))

    @property
    def apart(self) -> bool:
        """Whether several targets are sequences of their own."""
        return self.independent and self.targets > 1

    @property
    def channels(self) -> int:
        """Target channels of one sequence: all of them, or 1 if they are apart."""
        return 1 if self.apart else self.targets

    def _check_transform(self) -> None:
        if self.transform != "none" and len(self.transform_by) != self.targets:
            raise ParameterError(
                f"transform={self.transform!r} needs one number for each of {self.targets} targets in transform_by; "
                f"got {self.transform_by}."
            )
        # A lognormal head is a normal one on the log axis; the parameters of the others are raw values.
        wanted = {"quantiles": TRANSFORMS, "lognormal": ("log",)}.get(self.head, ("none",))
        if self.transform not in wanted:
            raise ParameterError(
                f"head={self.head!r} goes with transform {' or '.join(wanted)}; got {self.transform!r}."
            )


def check_word(name: str, value: str, known: tuple[str, ...]) -> str:
    """Return a word if it is one of those known.

    Raises:
        ParameterError: It is not; the message lists them.
    """
    if value not in known:
        raise ParameterError(f"{name} must be one of {', '.join(known)}; got {value!r}.")
    return value
