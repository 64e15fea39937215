"""Autoregressive networks: one row at a time, a distribution at every row, forecasts from sample paths."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np

from forecast.errors import ParameterError
from forecast.models.chain import Chain, PathQuantiles, by_path
from forecast.models.decoding import Scaled
from forecast.models.draws import NOISE
from forecast.models.forms import Forms, with_forms
from forecast.models.frame import layer_seed, prepare
from forecast.models.inputs import Prepared
from forecast.models.layout import Fold, Unfold
from forecast.models.rnn import check_shares, check_sizes
from forecast.models.rows import Rows
from forecast.models.scaling import Restore
from forecast.models.spec import Spec
from forecast.models.transforms import AtLeastZero, Transform, Untransform


def build_autoregressive(
    spec: Spec,
    *,
    cell: str = "lstm",
    units: int = 64,
    layers: int = 2,
    dropout: float = 0.1,
    paths: int = 100,
    lags: tuple[int, ...] = (),
    from_static: bool = False,
) -> keras.Model:
    """Build an autoregressive forecaster (DeepAR): raw values in, raw quantiles of sample paths out.

    At each row the network has read the value, what is known of the next row and the static features, and
    forecasts the distribution of the next value, starting from the value itself (``anchor="last"``) or what
    else the anchor says. Its training form learns from every row of context and horizon, fed with true values. The
    model itself goes on from the context with what it draws, ``paths`` times.

    The noise that draws are made of is fixed by the seed and the same for every window, so a forecast depends
    neither on the other windows nor on their number, and ``longer`` ones begin with the shorter.

    Args:
        spec: Sizes of inputs and outputs, and scales; ``head`` must be a distribution.
        cell: ``"lstm"``, ``"gru"`` or ``"rnn"``.
        units: Width of each recurrent layer.
        layers: Number of recurrent layers.
        dropout: Share dropped between the layers and before the head, in training.
        paths: Sample paths a window. Forecasting costs their number times a step of the network for each step
            ahead, and memory in proportion.
        lags: Rows that each of the ``spec.lags`` lags goes back. Ahead, a lag that reaches into the horizon
            refers to drawn values.
        from_static: Generate the horizon from the static features alone (one to many): the first states are made
            of them, and what is in the context, a single row, is not read. Values are not scaled then, so
            they should be about -1 to 1.

    Returns:
        A ``keras.Model`` whose output is ``(batch, horizon, targets, quantiles)``, or the median without quantiles;
        with its ``Forms``: ``training`` (parameters of the next row), ``paths`` and ``longer``.

    Raises:
        ParameterError: An argument is unknown or out of range, or does not go with the spec.

    Example:
        >>> spec = Spec(context=24, horizon=6, head="student", quantiles=(0.1, 0.5, 0.9))
        >>> model = build_autoregressive(spec, units=8, paths=20)
        >>> model.predict({"target": np.random.default_rng(1).normal(size=(2, 24, 1))}, verbose=0).shape
        (2, 6, 1, 3)

    Source:
        Salinas et al. (2020), "DeepAR: Probabilistic forecasting with autoregressive recurrent networks".
    Differs:
        Windows are scaled by their spread rather than their mean; draws are made of common random numbers, spread
        evenly over the paths at each step.
    """
    _check(spec, lags, from_static)
    check_sizes(units=units, layers=layers)
    check_sizes(paths=paths, most=10_000)
    check_shares(dropout=dropout)
    window = _window(spec, tuple(lags), from_static)
    rows, _, _ = window.rows()
    chain = Chain(
        cell,
        units,
        layers=layers,
        head=spec.head,
        outputs=spec.outputs,
        channels=spec.channels,
        targets=spec.targets if spec.apart else 1,
        width=rows.shape[2],
        anchor=spec.anchor,
        lags=window.lags,
        missing=window.missing,
        past=window.past,
        paths=paths,
        from_static=from_static,
        dropout=dropout,
        seed=layer_seed(spec.seed, 70),
        name="chain",
    )
    model = _forecaster(window, chain)
    longer = _Longer(spec, window.lags, from_static, chain, model)
    forms = Forms(
        _training(window, chain), "next", paths=_sampler(window, chain), longer=longer, quantiles=True
    )
    return with_forms(model, forms)


@dataclass(frozen=True)
class _Window:
    """The scaled inputs of a chain."""

    prepared: Prepared
    lags: tuple[int, ...]
    from_static: bool
    bases: Any

    @property
    def spec(self) -> Spec:
        return self.prepared.spec

    @property
    def missing(self) -> bool:
        return self.spec.missing and not self.from_static

    @property
    def past(self) -> int:
        return 0 if self.from_static else self.spec.past_only

    def rows(self, ahead: Any = None) -> tuple[Any, Any, Any]:
        """Lay out what is read at each row, see ``Rows``."""
        spec, prepared = self.spec, self.prepared
        layer = Rows(
            spec.anchor,
            season=spec.season,
            period=spec.period,
            lags=self.lags,
            missing=self.missing,
            past=self.past,
            name="rows" if ahead is None else "rows_ahead",
        )
        given = {"both": prepared.both, "static": prepared.static, "length": prepared.length, "ahead": ahead}
        raw = prepared.raw
        if self.from_static:
            given.pop("length")
            raw = keras.ops.zeros_like(raw)
        given = {name: part for name, part in given.items() if part is not None}
        return layer(raw, prepared.first, prepared.scale, self.bases, prepared.features, **given)


def _window(spec: Spec, lags: tuple[int, ...], from_static: bool) -> _Window:
    prepared = prepare(spec, causal=True)
    level = prepared.level
    bases = Scaled(name="bases")(level, prepared.first, prepared.scale)
    if bases.shape[1] == 1:
        bases = keras.ops.repeat(bases, spec.horizon, axis=1)
    return _Window(prepared, lags, from_static, bases)


def _training(window: _Window, chain: Chain) -> keras.Model:
    """Forecast the parameters of every row from the second on, fed with true values."""
    from forecast.models.distributions import DistributionHead

    spec, prepared = window.spec, window.prepared
    raw = keras.Input((spec.horizon, spec.targets), dtype=prepared.raw.dtype, name="ahead")
    ahead = raw
    if spec.transform != "none":
        ahead = Transform(spec.transform, spec.transform_by, name="transform_ahead")(ahead)
    if spec.apart:
        ahead = Fold(spec.targets, name="fold_ahead")(ahead)
    rows, bases, _ = window.rows(ahead)
    free = chain(rows, **_static(window))
    free = keras.ops.reshape(free, (-1, rows.shape[1], spec.channels, spec.outputs))
    level = Restore(name="row_levels")(bases, prepared.first, prepared.scale)
    output = DistributionHead(spec.head, name="distribution")(free, level, prepared.scale)
    if spec.apart:
        output = Unfold(spec.targets, name="unfold")(output)
    return keras.Model(prepared.inputs | {"ahead": raw}, output, name="autoregressive_training")


def _forecaster(window: _Window, chain: Chain) -> keras.Model:
    """Forecast quantiles of sample paths."""
    paths = _paths(window, chain)
    output = PathQuantiles(chain.paths, window.spec.quantiles, name="path_quantiles")(paths)
    return keras.Model(window.prepared.inputs, output, name="autoregressive")


def _sampler(window: _Window, chain: Chain) -> keras.Model:
    """Draw sample paths ``(batch, paths, horizon, targets)``."""
    return keras.Model(window.prepared.inputs, by_path(_paths(window, chain), chain.paths), name="paths")


def _paths(window: _Window, chain: Chain) -> Any:
    """Draw sample paths and restore raw values: ``(batch, paths * horizon, targets)``."""
    spec, prepared = window.spec, window.prepared
    rows, _, newest = window.rows()
    given: dict[str, Any] = {"bases": window.bases, "value": newest}
    given |= {"first": prepared.first, "scale": prepared.scale}
    if prepared.future is not None:
        given["known"] = prepared.future
    if prepared.mask is not None and not window.from_static:
        given["mask"] = prepared.mask
    scaled = chain(rows, **_static(window), **given)
    output = Restore(name="restore")(scaled, prepared.first, prepared.scale)
    if spec.apart:
        output = Unfold(spec.targets, name="unfold")(output)
    if spec.transform != "none":
        output = Untransform(spec.transform, spec.transform_by, name="untransform")(output)
    if spec.head == "negative_binomial":
        # Counts are whole numbers, though they were fed back on the scale of their window.
        output = keras.ops.round(output)
    return AtLeastZero(name="at_least_zero")(output) if spec.positive else output


def _static(window: _Window) -> dict[str, Any]:
    static = window.prepared.static
    return {} if static is None else {"static": static}


@dataclass(frozen=True)
class _Longer:
    """Makes forecasters of other horizons with the layers of one."""

    spec: Spec
    lags: tuple[int, ...]
    from_static: bool
    chain: Chain
    model: keras.Model

    def __call__(self, horizon: int) -> keras.Model:
        window = _window(replace(self.spec, horizon=horizon), self.lags, self.from_static)
        model = self._shared(_forecaster(window, self.chain))
        forms = Forms(paths=self._shared(_sampler(window, self.chain)), longer=self, quantiles=True)
        return with_forms(model, forms)

    def _shared(self, model: keras.Model) -> keras.Model:
        """Put the layers of the first model that have weights in the place of those made anew."""
        layers = {layer.name: layer for layer in self.model.layers if layer.variables}
        return keras.models.clone_model(model, clone_function=lambda layer: layers.get(layer.name, layer))


def _check(spec: Spec, lags: tuple[int, ...], from_static: bool) -> None:
    if spec.head not in NOISE:
        raise ParameterError(
            f"An autoregressive network forecasts a distribution at every row; head must be one of {', '.join(NOISE)}, "
            f"got {spec.head!r}."
        )
    if spec.skip:
        raise ParameterError("An autoregressive network has no skip: it forecasts one row at a time.")
    whole = all(isinstance(lag, (int, np.integer)) and not isinstance(lag, bool) and lag >= 1 for lag in lags)
    if len(lags) != spec.lags or not whole:
        raise ParameterError(
            f"lags must be {spec.lags} whole numbers of rows from 1 on, one for each of spec.lags; got {tuple(lags)}."
        )
    if not from_static:
        return
    if not (spec.static or spec.categories or spec.series):
        raise ParameterError("from_static needs static covariates, categories or series to generate from.")
    if spec.context != 1 or spec.anchor != "none" or spec.lags:
        raise ParameterError(
            "from_static reads no context: it goes with context=1, anchor='none' and no lags; got "
            f"context={spec.context}, anchor={spec.anchor!r}, {spec.lags} lags."
        )
