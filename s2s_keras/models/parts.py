"""Models as three graphs that share their layers.

A builder makes every layer once and calls it in the training graph, in the encoder
and in the step graph. Nothing is looked up in a finished model.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import keras

from s2s_keras import plotting
from s2s_keras.layers import (
    Bidirectional,
    ConcatenateContext,
    PaddingMask,
    Recurrent,
    ReverseSequence,
)
from s2s_keras.layers.recurrent import CELLS, state_names
from s2s_keras.text import SPECIAL_TOKENS


@dataclasses.dataclass(frozen=True, eq=False)
class Seq2Seq:
    """A sequence-to-sequence model.

    Attributes:
        training: `[source, target_in]`, two int32 tensors `(batch, source_length)`
            and `(batch, target_length)` → logits `(batch, target_length,
            vocabulary)`.
        encoder: `source` → `state`, a dict of tensors, batch first.
        step: `[token, state]`, a token an int32 tensor `(batch,)` → `(logits,
            state)`, logits `(batch, vocabulary)` and a state of the same structure.
            Where there is attention, `state["weights"]` is `(batch, source_length)`.
        config: the builder's name and its arguments, from which `build` makes the
            same model with fresh weights.
        compiled: the searches that `decoding` has compiled for this model.

    Decoders use `encoder` and `step` alone and take any callables for them.
    """

    training: Callable | None
    encoder: Callable
    step: Callable
    config: dict = dataclasses.field(default_factory=dict)
    compiled: dict = dataclasses.field(default_factory=dict, repr=False)

    def summary(self, **kwargs):
        """Prints Keras' summary of the training graph; it holds every layer."""
        self.training.summary(**kwargs)

    def diagram(self):
        """Returns a Matplotlib figure of the three graphs, shared layers in color."""
        graphs = ("training", "encoder", "step")
        return plotting.graphs({name: _nodes(getattr(self, name)) for name in graphs})


def build(config):
    """Returns a model with fresh weights from a `Seq2Seq.config`."""
    arguments = dict(config)
    name = arguments.pop("builder", None)
    if name not in BUILDERS:
        raise ValueError(
            f"config['builder'] must be one of {sorted(BUILDERS)}. Received: {name!r}"
        )
    return BUILDERS[name](**arguments)


def encoder_decoder(
    source_vocabulary,
    target_vocabulary,
    *,
    cell="lstm",
    units=256,
    embedding_dim=128,
    layers=1,
    bidirectional=False,
    reverse_source=False,
    context="initial",
    dropout=0.0,
    embedding_stddev=1.0,
):
    """Builds an encoder–decoder without attention.

    The encoder's final state is all that the decoder learns of the source.

    Args:
        source_vocabulary: number of source ids.
        target_vocabulary: number of target ids.
        cell: `"lstm"`, `"gru"` or `"rnn"`.
        units: size of every hidden state of the decoder, and of each direction of
            the encoder. With `bidirectional=True` a dense layer (tanh for the hidden
            state, linear for an LSTM's cell) brings both directions' final state
            `(batch, 2 * units)` to `(batch, units)`.
        embedding_dim: size of the embeddings.
        layers: recurrent layers in the encoder and in the decoder.
        bidirectional: whether the encoder reads from both ends.
        reverse_source: whether the encoder reads the source from its end
            (Sutskever et al., 2014, section 3.3).
        context: `"initial"` starts the decoder in the encoder's final state
            (Sutskever et al., 2014, section 2). `"every_step"` also shows the top
            layer's final hidden state to each decoder step, and that state and the
            last token to the output layer (Cho et al., 2014, section 2.2, without
            its maxout).
        dropout: share of the units dropped from the embeddings and from each
            recurrent layer's output, never between time steps (Zaremba et al., 2014).
        embedding_stddev: standard deviation of the normal distribution that the
            embeddings start from.

    Returns:
        A `Seq2Seq`. Its state holds `hidden_1`, `hidden_2`, … and for an LSTM
        `cell_1`, …, all `(batch, units)`, and with `context="every_step"`
        `context (batch, units)`.

    Raises:
        ValueError: if an argument is none of the above.
    """
    config = {"builder": "encoder_decoder", **locals()}
    _check(config)
    shared = {name: config[name] for name in ("cell", "units", "layers", "dropout")}
    encode = _Encoder(
        _embedding("source_embedding", source_vocabulary, config),
        bidirectional=bidirectional,
        reverse_source=reverse_source,
        **shared,
    )
    decode = _Decoder(
        _embedding("target_embedding", target_vocabulary, config),
        keras.layers.Dense(target_vocabulary, dtype="float32", name="logits"),
        context=context,
        **shared,
    )
    source = keras.Input((None,), dtype="int32", name="source")
    _, _, state = encode(source)
    if context == "every_step":
        state["context"] = state[f"hidden_{layers}"]
    return _three_graphs(source, state, decode, config)


class _Encoder:
    """The layers that read a source, made once: `source -> memory, mask, state`."""

    def __init__(
        self, embedding, *, cell, units, layers, dropout, bidirectional, reverse_source
    ):
        reader = Bidirectional if bidirectional else Recurrent
        numbers = range(1, layers + 1)
        self.names = state_names(cell)
        self.embedding = embedding
        self.mask = PaddingMask(name="source_mask")
        self.reverse = ReverseSequence(name="reversed") if reverse_source else None
        self.dropouts = [_dropout(dropout, f"source_dropout_{n}") for n in numbers]
        self.readers = [reader(cell, units, name=f"encoder_{n}") for n in numbers]
        self.bridges = {
            f"{part}_{n}": keras.layers.Dense(
                units,
                activation="tanh" if part == "hidden" else None,
                name=f"bridge_{part}_{n}",
            )
            for n in numbers
            for part in self.names
            if bidirectional
        }

    def __call__(self, source):
        mask = self.mask(source)  # (batch, source_length)
        memory = self.embedding(source)  # (batch, source_length, embedding_dim)
        if self.reverse:
            memory = self.reverse(memory, mask)
        state = {}
        layers = zip(self.dropouts, self.readers, strict=True)
        for number, (drop, read) in enumerate(layers, start=1):
            memory, final = read(drop(memory), sequence_mask=mask)
            for part, tensor in zip(self.names, final, strict=True):
                name = f"{part}_{number}"
                bridge = self.bridges.get(name)
                state[name] = bridge(tensor) if bridge else tensor  # (batch, units)
        return memory, mask, state


class _Decoder:
    """The layers that write a target, made once: `tokens, state -> logits, state`.

    Tokens are `(batch, target_length)` to score a whole target or `(batch,)` to take
    one step; the same layers serve both.
    """

    def __init__(self, embedding, output, *, cell, units, layers, dropout, context):
        numbers = range(1, layers + 1)
        self.names = state_names(cell)
        self.embedding = embedding
        self.dropouts = [_dropout(dropout, f"target_dropout_{n}") for n in numbers]
        self.writers = [Recurrent(cell, units, name=f"decoder_{n}") for n in numbers]
        self.output_dropout = _dropout(dropout, "output_dropout")
        self.output = output
        self.with_context = self.with_token = None
        if context == "every_step":
            self.with_context = ConcatenateContext(name="with_context")
            self.with_token = keras.layers.Concatenate(name="with_token_and_context")

    def __call__(self, tokens, state):
        embedded = self.embedding(tokens)  # (batch, [target_length,] embedding_dim)
        if self.with_context:
            embedded = self.with_context(embedded, state["context"])
        hidden, new_state = embedded, dict(state)
        layers = zip(self.dropouts, self.writers, strict=True)
        for number, (drop, write) in enumerate(layers, start=1):
            names = [f"{part}_{number}" for part in self.names]
            hidden, final = write(
                drop(hidden), initial_state=[state[name] for name in names]
            )  # (batch, [target_length,] units)
            new_state.update(zip(names, final, strict=True))
        hidden = self.output_dropout(hidden)
        if self.with_token:
            hidden = self.with_token([hidden, embedded])
        return self.output(hidden), new_state


def _three_graphs(source, state, decode, config):
    """Joins an encoder's symbolic `state` and `decode` to the three graphs."""
    target_in = keras.Input((None,), dtype="int32", name="target_in")
    token = keras.Input((), dtype="int32", name="token")
    state_in = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in state.items()
    }
    logits, _ = decode(target_in, state)
    return Seq2Seq(
        training=keras.Model([source, target_in], logits, name="training"),
        encoder=keras.Model(source, state, name="encoder"),
        step=keras.Model([token, state_in], decode(token, state_in), name="step"),
        config=config,
    )


def _embedding(name, vocabulary, config):
    """Makes an embedding that starts from a normal distribution."""
    return keras.layers.Embedding(
        vocabulary,
        config["embedding_dim"],
        embeddings_initializer=keras.initializers.RandomNormal(
            stddev=config["embedding_stddev"]
        ),
        name=name,
    )


def _dropout(rate, name):
    """Makes a dropout layer, or the identity without a layer for a rate of 0."""
    return keras.layers.Dropout(rate, name=name) if rate else lambda tensor: tensor


def _check(config):
    """Raises ValueError for the first argument of a builder that cannot be."""
    choices = {"cell": tuple(CELLS), "context": ("initial", "every_step")}
    for name, allowed in choices.items():
        if config[name] not in allowed:
            raise ValueError(
                f"{name} must be one of {allowed}. Received: {config[name]!r}"
            )
    smallest = {"units": 1, "embedding_dim": 1, "layers": 1}
    smallest |= dict.fromkeys(
        ("source_vocabulary", "target_vocabulary"), len(SPECIAL_TOKENS) + 1
    )
    for name, least in smallest.items():
        value = config[name]
        if not isinstance(value, int) or value < least:
            raise ValueError(
                f"{name} must be a whole number of at least {least}. "
                f"Received: {value!r}"
            )
    ranges = {
        "dropout": ("at least 0 and below 1", lambda value: 0.0 <= value < 1.0),
        "embedding_stddev": ("above 0", lambda value: value > 0.0),
    }
    for name, (range_in_words, fits) in ranges.items():
        value = config[name]
        if not isinstance(value, (int, float)) or not fits(value):
            raise ValueError(
                f"{name} must be a number {range_in_words}. Received: {value!r}"
            )


BUILDERS = {"encoder_decoder": encoder_decoder}


def _nodes(graph):
    """Lists a functional model's layers, each with the names of its inputs."""
    config = graph.get_config()
    return [
        (layer["name"], sorted(set(_histories(layer["inbound_nodes"]))))
        for layer in config["layers"]
    ]


def _histories(part):
    """Yields the name of each layer whose output stands in a node's arguments."""
    if isinstance(part, dict):
        if "keras_history" in part:
            yield part["keras_history"][0]
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for child in part:
        yield from _histories(child)
