"""Network architectures, in keras.ops only, so that TensorFlow, JAX and torch all run them."""

from forecast.models.frame import Shapes
from forecast.models.rnn import build_rnn

__all__ = ["Shapes", "build_rnn"]
