"""Adam that clips by the global norm, remembers the largest norm, decays kernels, and never lets the weights break."""

from __future__ import annotations

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="forecast")
class GuardedAdam(keras.optimizers.Adam):
    """Adam with five additions.

    Gradients are scaled down so that their global norm is at most ``clip``. The largest norm seen is kept in
    ``largest_norm``, the number of steps that were scaled down in ``clipped``. If a gradient is not finite, the step
    leaves every weight as it was. A running mean of the weights can be kept beside them. Weights decay by themselves,
    apart from the gradient (AdamW), and only kernels do: no biases, scales or learned vectors.

    Args:
        learning_rate: Number or schedule.
        clip: Largest global gradient norm; None for no clipping.
        averaging: Momentum of a running mean of the weights, such as 0.995; None for none.
        weight_decay: Share of the rate by which each step shrinks the kernels; None for none.

    Source:
        Kingma and Ba (2015), Adam; Pascanu et al. (2013), clipping by the norm; Polyak and Juditsky (1992) for
        the mean of the weights; Loshchilov and Hutter (2019), "Decoupled weight decay regularization".
    """

    def __init__(
        self,
        learning_rate=1e-3,
        clip: float | None = 1.0,
        averaging: float | None = None,
        weight_decay: float | None = None,
        name: str = "guarded_adam",
        **kwargs,
    ):
        if averaging is not None:
            kwargs |= {"use_ema": True, "ema_momentum": averaging}
        super().__init__(learning_rate=learning_rate, weight_decay=weight_decay, name=name, **kwargs)
        self.clip, self.averaging = clip, averaging

    def build(self, variables):
        if self.weight_decay and not self.built:
            spared = [v for v in variables if not v.name.endswith("kernel") or len(v.shape) < 2]
            self.exclude_from_weight_decay(var_list=spared)
        super().build(variables)
        if not hasattr(self, "largest_norm"):
            self.largest_norm = self.add_variable(shape=(), name="largest_norm", dtype="float32")
            self.clipped = self.add_variable(shape=(), name="clipped", dtype="float32")

    def apply(self, grads, trainable_variables=None):
        if trainable_variables is not None and not self.built:
            self.build(trainable_variables)
        variables = self._trainable_variables if trainable_variables is None else trainable_variables
        norm = ops.sqrt(sum(ops.sum(ops.square(ops.cast(g, "float32"))) for g in grads if g is not None))
        finite, largest = ops.isfinite(norm), self.largest_norm.value
        self.largest_norm.assign(ops.where(finite, ops.maximum(largest, norm), largest))
        ratio = 1.0
        if self.clip is not None:
            ratio = self.clip / ops.maximum(norm, self.clip)
            self.clipped.assign_add(ops.cast(norm > self.clip, "float32"))
        safe = [
            None if g is None else ops.where(finite, g * ops.cast(ratio, g.dtype), ops.zeros_like(g))
            for g in grads
        ]
        # With a zero gradient the momentum would still move the weights: put them back.
        before = [ops.copy(v.value) for v in variables]
        super().apply(safe, trainable_variables)
        for variable, old in zip(variables, before, strict=True):
            variable.assign(ops.where(finite, variable.value, old))

    def get_config(self):
        config = super().get_config() | {"clip": self.clip, "averaging": self.averaging}
        for name in ("use_ema", "ema_momentum", "ema_overwrite_frequency"):
            config.pop(name)
        return config
