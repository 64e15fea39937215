"""Windows with their newest row last, for models that read rows by their place and not one after another."""

from __future__ import annotations

from typing import Any

import keras

from forecast.models.inputs import Prepared
from forecast.models.layout import AlignRight


def newest_last(prepared: Prepared) -> tuple[Any, Any]:
    """Move right-padded windows to the right end, so that a place means an age; others stay as they are.

    Args:
        prepared: From ``prepare``.

    Returns:
        The features ``(batch, context, features)`` with 0 as padding, and a channel ``(batch, context, 1)`` that
        is 1 at real rows and 0 at padding, or None if the windows are not padded.

    Example:
        >>> from forecast.models.frame import prepare
        >>> from forecast.models.spec import Spec
        >>> features, real = newest_last(prepare(Spec(context=6, horizon=2, past_only=3, padded=True)))
        >>> features.shape, real.shape
        ((None, 6, 4), (None, 6, 1))
    """
    if prepared.length is None:
        return prepared.features, None
    # No window is empty, as in the mask.
    length = keras.ops.maximum(keras.ops.cast(prepared.length, "int32"), 1)
    marks = keras.ops.cast(prepared.mask, "float32")[:, :, None]
    features = AlignRight(name="features_right")(prepared.features, length)
    return features, AlignRight(name="real_right")(marks, length)


def marked(features: Any, real: Any) -> Any:
    """Join the features with the channel that marks real rows, if there is one."""
    return features if real is None else keras.ops.concatenate([features, real], axis=-1)
