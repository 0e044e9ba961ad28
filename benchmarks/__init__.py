"""Measurements of speed; run one with `python -m benchmarks.decode`."""

import os
import platform

import keras
import tensorflow as tf


def machine():
    """Returns one line that says what a measurement ran on."""
    return (
        f"{os.cpu_count()} CPU cores, {len(tf.config.list_physical_devices('GPU'))} "
        f"GPUs, Python {platform.python_version()}, TensorFlow {tf.__version__}, "
        f"Keras {keras.__version__}"
    )
