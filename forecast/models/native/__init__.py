"""A recurrent kernel in C for training and running LSTM, GRU and SimpleRNN on a CPU.

``library`` calls it with NumPy arrays; ``operation`` makes it an operation of TensorFlow, JAX and torch that can be
differentiated; ``loops`` puts it into Keras layers, and ``choice`` says where. It is built when the package is
installed if there is a C compiler; without it everything works, slower.
"""
