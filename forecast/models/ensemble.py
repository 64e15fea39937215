"""The mean of several networks that differ in context, scaling or seed, as one model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import keras

from forecast.errors import ParameterError
from forecast.models.dtypes import wide
from forecast.models.forms import Forms, with_forms
from forecast.models.inputs import make_inputs
from forecast.models.layout import NewestRows
from forecast.models.registry import build_model
from forecast.models.spec import Spec

# Inputs that reach over context and horizon.
_BOTH = ("known_future", "calendar", "lagged")


def build_ensemble(spec: Spec, *, members: Sequence[Mapping[str, Any]]) -> keras.Model:
    """Build several networks over the same inputs; the forecast is the mean of theirs, quantile by quantile.

    Args:
        spec: Sizes of inputs and outputs; its context is the longest of the members'.
        members: For each member ``"model"``, the name of an architecture, ``"spec"``, fields of the spec that
            differ, and ``"options"`` of the architecture.

    Returns:
        A ``keras.Model`` whose ``forms_of(model).members`` are the members' own models, to be trained one by one.

    Raises:
        ParameterError: A member forecasts a distribution: the mean of parameters is no distribution's.

    Example:
        >>> members = [{"model": "segment", "spec": {"context": 24}, "options": {"units": 8}},
        ...            {"model": "segment", "spec": {"seed": 1}, "options": {"units": 8}}]
        >>> build_ensemble(Spec(context=48, horizon=12), members=members).output_shape
        (None, 12, 1)

    Source:
        Lakshminarayanan, Pritzel and Blundell (2017) for deep ensembles; Lichtendahl et al. (2013), "Is it better to
        average probabilities or quantiles?".
    """
    if spec.head != "quantiles":
        raise ParameterError(
            f"The mean of several networks is taken over quantiles; head={spec.head!r} forecasts parameters. "
            "Pass head='quantiles', or one network."
        )
    inputs = make_inputs(spec)
    models = [build_member(spec, member) for member in members]
    outputs = []
    for i, (member, model) in enumerate(zip(members, models, strict=True)):
        own = member_spec(spec, member)
        # Parts of one model need names of their own, though they are built alike.
        model.name = f"member_{i}"
        outputs.append(model(_newest(inputs, spec, own, i)))
    mean = keras.layers.Average(name="mean", dtype=wide())(outputs) if len(outputs) > 1 else outputs[0]
    return with_forms(keras.Model(inputs, mean, name="ensemble"), Forms(members=tuple(models)))


def member_spec(spec: Spec, member: Mapping[str, Any]) -> Spec:
    """Return the spec of a member: that of the whole, with what differs."""
    changed = {k: tuple(v) if isinstance(v, list) else v for k, v in member.get("spec", {}).items()}
    return replace(spec, **changed)


def build_member(spec: Spec, member: Mapping[str, Any]) -> keras.Model:
    """Build the network of one member."""
    return build_model(member["model"], member_spec(spec, member), member.get("options", {}))


def _newest(inputs: dict[str, Any], spec: Spec, own: Spec, number: int) -> dict[str, Any]:
    """Cut the inputs down to a member's context."""
    if own.context == spec.context:
        return dict(inputs)
    cut = dict(inputs)
    length = (inputs["length"],) if spec.padded else ()
    for name, ahead in (("target", 0), ("past_only", 0), *((n, spec.horizon) for n in _BOTH)):
        if name in inputs:
            layer = NewestRows(own.context, ahead, name=f"newest_{name}_{number}")
            cut[name] = layer(inputs[name], *length)
    if spec.padded:
        cut["length"] = keras.ops.minimum(inputs["length"], own.context)
    return cut
