"""Layers that lay rows, windows and targets out in another order."""

from __future__ import annotations

import keras
from keras import ops

from forecast.models.dtypes import REGISTER, wide


@REGISTER
class LengthMask(keras.layers.Layer):
    """Turn lengths ``(batch,)`` into a right-padded mask ``(batch, context)``; no row is empty."""

    def __init__(self, context: int, **kwargs):
        super().__init__(**kwargs)
        self.context = context

    def call(self, length):
        steps = ops.arange(self.context, dtype="int32")
        return steps[None, :] < ops.maximum(ops.cast(length, "int32"), 1)[:, None]

    def compute_output_spec(self, length):
        return keras.KerasTensor((length.shape[0], self.context), dtype="bool")

    def get_config(self):
        return super().get_config() | {"context": self.context}


@REGISTER
class Fold(keras.layers.Layer):
    """Lay channels along the batch: ``(batch, steps, channels)`` to ``(batch * channels, steps, 1)``.

    With ``channels`` given, a tensor without channels is repeated for each of them instead.
    """

    def __init__(self, channels: int, repeat: bool = False, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.channels, self.repeat = channels, repeat

    def call(self, values):
        if self.repeat:
            return ops.repeat(values, self.channels, axis=0)
        moved = ops.transpose(values, (0, 2, 1))
        return ops.reshape(moved, (-1, values.shape[1], 1))

    def compute_output_spec(self, values):
        shape = (None, *values.shape[1:]) if self.repeat else (None, values.shape[1], 1)
        return keras.KerasTensor(shape, dtype=values.dtype)

    def get_config(self):
        config = super().get_config() | {"channels": self.channels, "repeat": self.repeat}
        config.pop("dtype")
        return config


@REGISTER
class Unfold(keras.layers.Layer):
    """Undo ``Fold``: ``(batch * channels, horizon, 1[, quantiles])`` to ``(batch, horizon, channels[, …])``."""

    def __init__(self, channels: int, **kwargs):
        super().__init__(dtype=wide(), autocast=False, **kwargs)
        self.channels = channels

    def call(self, values):
        # len, not truthiness: TensorFlow counts an empty shape as true.
        quantiles = values.shape[3:]
        apart = ops.reshape(values, (-1, self.channels, values.shape[1], *quantiles))
        return ops.transpose(apart, (0, 2, 1, 3) if len(quantiles) else (0, 2, 1))

    def compute_output_spec(self, values):
        shape = (None, values.shape[1], self.channels, *values.shape[3:])
        return keras.KerasTensor(shape, dtype=values.dtype)

    def get_config(self):
        config = super().get_config() | {"channels": self.channels}
        config.pop("dtype")
        return config


@REGISTER
class AlignRight(keras.layers.Layer):
    """Move right-padded rows to the right end: the newest row comes last, padding (0) first.

    Call:
        ``values`` ``(batch, context, channels)`` and ``length`` ``(batch,)``.
    """

    def call(self, values, length):
        context = values.shape[1]
        steps = ops.arange(context, dtype="int32")[None, :] - (context - ops.cast(length, "int32")[:, None])
        taken = ops.take_along_axis(values, ops.maximum(steps, 0)[:, :, None], axis=1)
        return ops.where((steps >= 0)[:, :, None], taken, ops.zeros_like(taken))

    def compute_output_spec(self, values, length):
        return keras.KerasTensor(values.shape, dtype=values.dtype)


@REGISTER
class RowsToBatch(keras.layers.Layer):
    """Make every row a window of its own: ``(batch * channels, rows, …)`` to ``(batch * rows * channels, …)``.

    Args:
        channels: Number of targets that are sequences of their own; 1 if they are joined.
    """

    def __init__(self, channels: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.channels, self.supports_masking = channels, True

    def compute_mask(self, values, mask=None):
        # A mask of rows says nothing about windows of their own.
        return None

    def call(self, values):
        inner = tuple(values.shape[2:])
        if self.channels > 1:
            values = ops.reshape(values, (-1, self.channels, values.shape[1], *inner))
            values = ops.transpose(values, (0, 2, 1, *range(3, 3 + len(inner))))
        return ops.reshape(values, (-1, *inner))

    def compute_output_spec(self, values):
        return keras.KerasTensor((None, *values.shape[2:]), dtype=values.dtype)

    def get_config(self):
        return super().get_config() | {"channels": self.channels}


@REGISTER
class RowsAhead(keras.layers.Layer):
    """Lay behind every row of the context what is known of the ``horizon`` rows after it.

    Call:
        ``values`` ``(batch, context + horizon, columns)``, and ``length`` ``(batch,)`` of right-padded windows,
        whose horizon follows on the row before ``length``.

    Returns:
        ``(batch, context, horizon, columns)``.
    """

    def __init__(self, horizon: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.horizon = horizon

    def call(self, values, length=None):
        rows, columns = values.shape[1:]
        context = rows - self.horizon
        place = ops.arange(1, context + 1, dtype="int32")[:, None] + ops.arange(self.horizon, dtype="int32")
        if length is None:
            return ops.take(values, place, axis=1)
        length = ops.cast(length, "int32")[:, None, None]
        place = ops.where(place[None] >= length, place[None] + context - length, place[None])
        flat = ops.reshape(ops.minimum(place, rows - 1), (-1, context * self.horizon, 1))
        taken = ops.take_along_axis(values, flat, axis=1)
        return ops.reshape(taken, (-1, context, self.horizon, columns))

    def compute_output_spec(self, values, length=None):
        context = values.shape[1] - self.horizon
        return keras.KerasTensor(
            (values.shape[0], context, self.horizon, values.shape[2]), dtype=values.dtype
        )

    def get_config(self):
        return super().get_config() | {"horizon": self.horizon}


@REGISTER
class Segments(keras.layers.Layer):
    """Cut rows into segments that end at the newest row; what is missing of the oldest segment is 0.

    Args:
        width: Rows of a segment.

    Call:
        ``values`` ``(batch, rows, columns)``, and ``length`` ``(batch,)`` if they are right-padded.

    Returns:
        ``(batch, segments, width * columns)``; with ``length`` right-padded as the rows were.
    """

    def __init__(self, width: int, **kwargs):
        super().__init__(**kwargs)
        self.width = width

    def call(self, values, length=None):
        rows, columns = values.shape[1:]
        count = -(-rows // self.width)
        if length is None:
            values = ops.pad(values, ((0, 0), (count * self.width - rows, 0), (0, 0)))
            return ops.reshape(values, (-1, count, self.width * columns))
        length = ops.maximum(ops.cast(length, "int32"), 1)[:, None]
        whole = -(-length // self.width) * self.width
        place = ops.arange(count * self.width, dtype="int32")[None, :] + length - whole
        taken = ops.take_along_axis(values, ops.clip(place, 0, rows - 1)[:, :, None], axis=1)
        real = ops.logical_and(place >= 0, place < length)[:, :, None]
        kept = ops.where(real, taken, ops.zeros_like(taken))
        return ops.reshape(kept, (-1, count, self.width * columns))

    def compute_output_spec(self, values, length=None):
        count = -(-values.shape[1] // self.width)
        return keras.KerasTensor((values.shape[0], count, self.width * values.shape[2]), dtype=values.dtype)

    def get_config(self):
        return super().get_config() | {"width": self.width}


@REGISTER
class SegmentMask(keras.layers.Layer):
    """Turn lengths in rows ``(batch,)`` into the right-padded mask of their segments ``(batch, segments)``."""

    def __init__(self, rows: int, width: int, **kwargs):
        super().__init__(**kwargs)
        self.rows, self.width = rows, width

    def call(self, length):
        count = ops.arange(-(-self.rows // self.width), dtype="int32")
        return count[None, :] * self.width < ops.maximum(ops.cast(length, "int32"), 1)[:, None]

    def compute_output_spec(self, length):
        return keras.KerasTensor((length.shape[0], -(-self.rows // self.width)), dtype="bool")

    def get_config(self):
        return super().get_config() | {"rows": self.rows, "width": self.width}


@REGISTER
class NewestRows(keras.layers.Layer):
    """Keep the newest rows of the context, and all of the horizon behind it.

    Args:
        rows: Rows of the context to keep.
        ahead: Rows behind the context.

    Call:
        ``values`` ``(batch, context + ahead, columns)``, and ``length`` ``(batch,)`` of right-padded windows.

    Returns:
        ``(batch, rows + ahead, columns)``, right-padded as the input.
    """

    def __init__(self, rows: int, ahead: int, **kwargs):
        super().__init__(autocast=False, **kwargs)
        self.rows, self.ahead = rows, ahead

    def call(self, values, length=None):
        context = values.shape[1] - self.ahead
        if length is None:
            return values[:, context - self.rows :]
        first = ops.maximum(ops.cast(length, "int32") - self.rows, 0)[:, None]
        place = first + ops.arange(self.rows, dtype="int32")[None, :]
        kept = ops.take_along_axis(values, place[:, :, None], axis=1)
        return ops.concatenate([kept, values[:, context:]], axis=1) if self.ahead else kept

    def compute_output_spec(self, values, length=None):
        shape = (values.shape[0], self.rows + self.ahead, values.shape[2])
        return keras.KerasTensor(shape, dtype=values.dtype)

    def get_config(self):
        return super().get_config() | {"rows": self.rows, "ahead": self.ahead}
