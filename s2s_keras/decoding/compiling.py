"""What every search needs: arguments as tensors, one compiled function, log 0."""

from __future__ import annotations

import tensorflow as tf

from s2s_keras.arguments import as_python
from s2s_keras.layers.pointing import IMPOSSIBLE

LOWEST = IMPOSSIBLE  # for the logarithm of 0; it adds up without becoming infinite


def as_source(source):
    """Returns the source's tensors, of which there is at least one row."""
    parts = source if isinstance(source, dict) else {"ids": source}
    try:
        tensors = {name: as_tensor(values) for name, values in parts.items()}
    except (TypeError, ValueError) as error:  # such as rows of several lengths
        raise _no_source(f"{type(source).__name__}: {error}") from error
    for part in tensors.values():
        if part.dtype == tf.string or part.shape.rank == 1 or 0 in part.shape[1:2]:
            raise _no_source(f"{part.dtype.name} of shape {part.shape}")
    source = tensors if isinstance(source, dict) else tensors["ids"]
    if rows(source) == 0:
        raise ValueError("source must hold at least one row. Received none.")
    return source


def _no_source(received):
    return ValueError(
        "source must be ids (batch, source_length), padded with 0, such as "
        "batches.sources makes of texts, or a dict of such tensors. "
        f"Received: {received}"
    )


def rows(source):
    """Returns how many rows a source has."""
    return tf.nest.flatten(source)[0].shape[0]


def as_tensor(values):
    """Returns a tensor; integers of any size become the models' int32."""
    tensor = tf.convert_to_tensor(values)
    return tf.cast(tensor, tf.int32) if tensor.dtype.is_integer else tensor


def of_any_shape(structure):
    """Returns a `tf.TensorSpec` for each tensor or spec, with its rank and dtype."""
    return tf.nest.map_structure(
        lambda part: tf.TensorSpec([None] * part.shape.rank, part.dtype), structure
    )


def run(search, seq2seq, *arguments, **options):
    """Runs a search, compiled once for a model and a structure of arguments.

    Args:
        search: a function of the model, `arguments` and `options` that returns a dict
            of tensors.
        seq2seq: a `Seq2Seq`, which keeps what is compiled for it.
        *arguments: the source, then tensors; their shapes may vary between calls.
        **options: plain values; each choice of them is compiled for itself.

    Returns:
        The dict that `search` returns, of NumPy arrays.
    """
    options = {name: as_python(value) for name, value in options.items()}
    signature = of_any_shape(arguments)
    source = arguments[0]
    names = sorted(source) if isinstance(source, dict) else ()
    key = (
        *(search.__name__, *names, *tf.nest.flatten(signature)),
        *sorted(options.items()),
    )
    if key not in seq2seq.compiled:
        seq2seq.compiled[key] = tf.function(
            lambda *arguments: search(seq2seq, *arguments, **options),
            autograph=False,  # the loops are tf.while_loop, and errors stay readable
        ).get_concrete_function(*signature)
    found = seq2seq.compiled[key](*arguments)
    return {name: tensor.numpy() for name, tensor in found.items()}
