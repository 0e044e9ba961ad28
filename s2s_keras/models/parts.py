"""The parts that builders put together, each a few layers made once."""

import keras

from s2s_keras.layers import (
    Bidirectional,
    ConcatenateContext,
    PaddingMask,
    Recurrent,
    ReverseSequence,
    TiedEmbedding,
    WordDropout,
)
from s2s_keras.layers.recurrent import state_names
from s2s_keras.models.seq2seq import Seq2Seq

_OF_THE_SOURCE = ("memory", "memory_mask", "keys", "weights")


class Encoder:
    """The layers that read a source, made once: `source -> memory, mask, state`.

    With `attended=False` nobody reads the memory, so nothing is done to it: weights of
    a normalization would never get a gradient.
    """

    def __init__(
        self,
        embedding,
        *,
        cell,
        units,
        layers,
        dropout,
        residual,
        layer_norm,
        bidirectional,
        reverse_source,
        attended,
        **within,
    ):
        reader = Bidirectional if bidirectional else Recurrent
        numbers = range(1, layers + 1)
        self.names = state_names(cell)
        self.embedding = embedding
        self.mask = PaddingMask(name="source_mask")
        self.reverse = ReverseSequence(name="reversed") if reverse_source else None
        self.turn_back = ReverseSequence(name="turned_back")
        self.dropouts = [dropping(dropout, f"source_dropout_{n}") for n in numbers]
        self.readers = [
            reader(
                cell,
                units,
                residual=residual and n > 1 and (attended or n < layers),
                layer_norm=layer_norm and (attended or n < layers),
                name=f"encoder_{n}",
                **within,
            )
            for n in numbers
        ]
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
        if self.reverse:
            memory = self.turn_back(memory, mask)  # in the source's order again
        return memory, mask, state


class Decoder:
    """The layers that write a target, made once: `tokens, state -> logits, state`.

    Tokens are `(batch, target_length)` to score a whole target or `(batch,)` to take
    one step; the same layers serve both.
    """

    def __init__(
        self,
        embedding,
        output,
        *,
        cell,
        units,
        layers,
        dropout,
        residual,
        layer_norm,
        context="initial",
        **within,
    ):
        numbers = range(1, layers + 1)
        self.names = state_names(cell)
        self.embedding = embedding
        self.dropouts = [dropping(dropout, f"target_dropout_{n}") for n in numbers]
        self.writers = [
            Recurrent(
                cell,
                units,
                residual=residual and n > 1,
                layer_norm=layer_norm,
                name=f"decoder_{n}",
                **within,
            )
            for n in numbers
        ]
        self.output_dropout = dropping(dropout, "output_dropout")
        self.output = output
        self.with_context = self.with_token = None
        if context == "every_step":
            self.with_context = ConcatenateContext(name="with_context")
            self.with_token = keras.layers.Concatenate(name="with_token_and_context")

    def __call__(self, tokens, state):
        embedded = self.embedding(tokens)  # (batch, [target_length,] embedding_dim)
        if self.with_context:
            embedded = self.with_context(embedded, state["context"])
        hidden, state = self.write(embedded, state)
        hidden = self.output_dropout(hidden)
        if self.with_token:
            hidden = self.with_token([hidden, embedded])
        return self.output(hidden), state

    def write(self, inputs, state):
        """Returns the top layer's hidden states and the state after the last."""
        hidden, after = inputs, dict(state)
        layers = zip(self.dropouts, self.writers, strict=True)
        for number, (drop, write) in enumerate(layers, start=1):
            names = [f"{part}_{number}" for part in self.names]
            hidden, final = write(
                drop(hidden), initial_state=[state[name] for name in names]
            )  # (batch, [target_length,] units)
            after.update(zip(names, final, strict=True))
        return hidden, after


class LuongDecoder(Decoder):
    """A decoder that attends with the hidden states it has written."""

    def __init__(self, embedding, output, *, attention, units, **shared):
        super().__init__(embedding, output, units=units, **shared)
        self.attention = attention
        self.beside = keras.layers.Concatenate(name="context_and_hidden")
        self.combine = keras.layers.Dense(
            units, activation="tanh", use_bias=False, name="attentional"
        )

    def __call__(self, tokens, state):
        hidden, after = self.write(self.embedding(tokens), state)
        position = state.get("position")
        context, weights = self.attention(
            hidden,
            state["memory"],
            state["memory_mask"],
            keys=state.get("keys"),
            position=position,
        )  # both (batch, [target_length,] …): memory_units, source_length
        attentional = self.combine(self.beside([context, hidden]))
        after["weights"] = weights
        if position is not None:
            steps = keras.ops.ones_like(tokens)
            if len(tokens.shape) == 2:
                steps = keras.ops.sum(steps, axis=1)
            after["position"] = position + steps  # (batch,)
        return self.output(self.output_dropout(attentional)), after


class LoopingDecoder:
    """A decoder whose attention and cells need each other at every step."""

    def __init__(self, embedding, output, *, loop, dropout, readout=None):
        self.embedding = embedding
        self.drop = dropping(dropout, "target_dropout")
        self.loop = loop
        self.attention = loop.attention
        self.beside = readout and keras.layers.Concatenate(name="output_and_token")
        self.readout = readout
        self.output_dropout = dropping(dropout, "output_dropout")
        self.output = output

    def __call__(self, tokens, state):
        embedded = self.drop(self.embedding(tokens))
        outputs, weights, after = self.loop(
            embedded,
            {name: state[name] for name in state if name not in _OF_THE_SOURCE},
            state["memory"],
            state["memory_mask"],
            keys=state.get("keys"),
        )
        if self.readout:
            outputs = self.readout(self.beside([outputs, embedded]))
        logits = self.output(self.output_dropout(outputs))
        return logits, {**state, **after, "weights": weights}


def three_graphs(source, state, decode, config):
    """Joins an encoder's symbolic `state` and `decode` to a `Seq2Seq`.

    The graph `chunk` is there too, for training alone.
    """
    target_in = keras.Input((None,), dtype="int32", name="target_in")
    token = keras.Input((), dtype="int32", name="token")
    logits, after = decode(target_in, state)
    attends = "memory" in state
    if attends and decode.attention.has_keys:  # a layer of its own in encoder alone
        state = {**state, "keys": decode.attention.project(state["memory"])}
    state_in = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in state.items()
    }
    if attends:  # no step reads the last weights; Keras 3.10 refuses an unread input
        keras.ops.stop_gradient(state_in["weights"])
    inputs = [source, target_in]
    return Seq2Seq(
        training=keras.Model(inputs, logits, name="training"),
        encoder=keras.Model(source, state, name="encoder"),
        step=keras.Model([token, state_in], decode(token, state_in), name="step"),
        chunk=keras.Model([target_in, state_in], _chunk(decode, target_in, state_in)),
        attention=keras.Model(inputs, after["weights"]) if attends else None,
        config=config,
    )


def _chunk(decode, tokens, state):
    """Takes the steps of `tokens (batch, length)`: `-> logits, state`."""
    logits, after = decode(tokens, state)
    if "weights" in after:
        after = {**after, "weights": after["weights"][:, -1]}
    return logits, after


def embedding(side, vocabulary, config):
    """Makes an embedding that starts from a normal distribution."""
    return _dropping_words(
        keras.layers.Embedding(
            vocabulary,
            config["embedding_dim"],
            embeddings_initializer=keras.initializers.RandomNormal(
                stddev=config["embedding_stddev"]
            ),
            name=f"{side}_embedding",
        ),
        side,
        config,
    )


def target_ends(config):
    """Makes a decoder's embedding and its output layer, of one matrix if tied."""
    vocabulary, embedding_dim = config["target_vocabulary"], config["embedding_dim"]
    if not config["tie_embeddings"]:
        return (
            embedding("target", vocabulary, config),
            keras.layers.Dense(vocabulary, dtype="float32", name="logits"),
        )
    tied = TiedEmbedding(
        vocabulary, embedding_dim, config["embedding_stddev"], name="target_embedding"
    )
    narrow = keras.layers.Dense(embedding_dim, use_bias=False, name="to_embedding")
    return (
        _dropping_words(tied, "target", config),
        lambda hidden: tied(narrow(hidden), reverse=True),
    )


def _dropping_words(embed, side, config):
    """Lets whole words drop out of an embedding, where the rate is not 0."""
    rate = config["embedding_dropout"]
    if not rate:
        return embed
    drop = WordDropout(rate, name=f"{side}_word_dropout")
    return lambda tokens: drop(embed(tokens))


def dropping(rate, name):
    """Makes a dropout layer, or the identity without a layer for a rate of 0."""
    return keras.layers.Dropout(rate, name=name) if rate else lambda tensor: tensor
