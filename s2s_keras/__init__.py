"""Sequence-to-sequence learning, taught by running it, on Keras 3 and TensorFlow."""

__version__ = "0.1.0"
