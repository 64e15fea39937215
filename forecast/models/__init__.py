"""Network architectures, in keras.ops only, so that TensorFlow, JAX and torch all run them."""

from forecast.models.autoregressive import build_autoregressive
from forecast.models.conv import build_conv
from forecast.models.dense import build_dense
from forecast.models.ensemble import build_ensemble
from forecast.models.esrnn import build_esrnn
from forecast.models.linear import build_linear
from forecast.models.registry import MODELS, build_model
from forecast.models.rnn import build_rnn
from forecast.models.segment import build_segment
from forecast.models.seq2seq import attention_of, build_seq2seq, exposure_bias
from forecast.models.spec import Spec
from forecast.models.transformer import build_transformer

__all__ = [
    "MODELS",
    "Spec",
    "attention_of",
    "build_autoregressive",
    "build_conv",
    "build_dense",
    "build_ensemble",
    "build_esrnn",
    "build_linear",
    "build_model",
    "build_rnn",
    "build_segment",
    "build_seq2seq",
    "build_transformer",
    "exposure_bias",
]
