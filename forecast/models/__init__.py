"""Network architectures, in keras.ops only, so that TensorFlow, JAX and torch all run them."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forecast.models.autoencoder import WindowSpec, build_autoencoder, build_variational
    from forecast.models.autoregressive import build_autoregressive
    from forecast.models.committee import build_committee
    from forecast.models.conv import build_conv
    from forecast.models.dense import build_dense
    from forecast.models.ensemble import build_ensemble
    from forecast.models.esrnn import build_esrnn
    from forecast.models.fcn import build_fcn
    from forecast.models.linear import build_linear
    from forecast.models.many_to_many import build_many_to_many
    from forecast.models.many_to_one import build_many_to_one
    from forecast.models.registry import MODELS, build_model
    from forecast.models.rnn import build_rnn
    from forecast.models.segment import build_segment
    from forecast.models.seq2seq import attention_of, build_seq2seq, exposure_bias
    from forecast.models.sequence_spec import SequenceSpec
    from forecast.models.spec import Spec
    from forecast.models.transformer import build_transformer

# Names are loaded when first used: what a network is asked to do (``Spec``) is told without starting Keras.
_HOMES = {
    "MODELS": "forecast.models.registry",
    "SequenceSpec": "forecast.models.sequence_spec",
    "Spec": "forecast.models.spec",
    "WindowSpec": "forecast.models.autoencoder",
    "attention_of": "forecast.models.seq2seq",
    "build_autoencoder": "forecast.models.autoencoder",
    "build_autoregressive": "forecast.models.autoregressive",
    "build_committee": "forecast.models.committee",
    "build_conv": "forecast.models.conv",
    "build_dense": "forecast.models.dense",
    "build_ensemble": "forecast.models.ensemble",
    "build_esrnn": "forecast.models.esrnn",
    "build_fcn": "forecast.models.fcn",
    "build_linear": "forecast.models.linear",
    "build_many_to_many": "forecast.models.many_to_many",
    "build_many_to_one": "forecast.models.many_to_one",
    "build_model": "forecast.models.registry",
    "build_rnn": "forecast.models.rnn",
    "build_segment": "forecast.models.segment",
    "build_seq2seq": "forecast.models.seq2seq",
    "build_transformer": "forecast.models.transformer",
    "build_variational": "forecast.models.autoencoder",
    "exposure_bias": "forecast.models.seq2seq",
}

__all__ = [
    "MODELS",
    "SequenceSpec",
    "Spec",
    "WindowSpec",
    "attention_of",
    "build_autoencoder",
    "build_autoregressive",
    "build_committee",
    "build_conv",
    "build_dense",
    "build_ensemble",
    "build_esrnn",
    "build_fcn",
    "build_linear",
    "build_many_to_many",
    "build_many_to_one",
    "build_model",
    "build_rnn",
    "build_segment",
    "build_seq2seq",
    "build_transformer",
    "build_variational",
    "exposure_bias",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'forecast.models' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
