"""The parts that builders put together, each a few layers made once."""

import keras

from s2s_keras.layers import (
    Bidirectional,
    ConcatenateContext,
    CopyDistribution,
    ItemsAt,
    KnownTokens,
    PaddingMask,
    Recurrent,
    ReverseSequence,
    TiedEmbedding,
    Visited,
    WordDropout,
)
from s2s_keras.layers.recurrent import state_names
from s2s_keras.models.seq2seq import Seq2Seq

OF_EACH_STEP = ("weights", "generation")  # what a state says of the last step alone
_NOT_OF_THE_LOOP = (
    *("memory", "memory_mask", "keys", "extended_ids"),
    *OF_EACH_STEP,
)


def read_source(config):
    """Makes what a model reads of a source: `inputs, embedded, mask`, all symbolic."""
    if config.get("source_features"):
        inputs = {
            "vectors": keras.Input((None, config["source_features"]), name="vectors"),
            "mask": keras.Input((None,), dtype="bool", name="mask"),
        }
        embed = keras.layers.Dense(config["embedding_dim"], name="source_embedding")
        embed = _dropping_words(embed, "source", config)
        return inputs, embed(inputs["vectors"]), inputs["mask"]
    if config["builder"] == "pointer_generator":
        names = ("ids", "extended_ids")
        inputs = {n: keras.Input((None,), dtype="int32", name=n) for n in names}
        ids = inputs["ids"]
    else:
        ids = inputs = keras.Input((None,), dtype="int32", name="source")
    mask = PaddingMask(name="source_mask")(ids)  # (batch, source_length)
    embed = embedding("source", config["source_vocabulary"], config)
    return inputs, embed(ids), mask  # (batch, source_length, embedding_dim)


class Encoder:
    """The layers that read a source: `embedded, mask -> memory, state`.

    With `attended=False` nobody reads the memory, so nothing is done to it: weights of
    a normalization would never get a gradient.
    """

    def __init__(
        self,
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

    def __call__(self, embedded, mask):
        memory = embedded  # (batch, source_length, embedding_dim)
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
        return memory, state


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
        output_dropout=None,
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
        self.output_dropout = dropping(dropout, "output_dropout", output_dropout)
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

    def __init__(
        self, embedding, output, *, loop, dropout, output_dropout=None, readout=None
    ):
        self.embedding = embedding
        self.drop = dropping(dropout, "target_dropout")
        self.loop = loop
        self.attention = loop.attention
        self.beside = readout and keras.layers.Concatenate(name="output_and_token")
        self.readout = readout
        self.output_dropout = dropping(dropout, "output_dropout", output_dropout)
        self.output = output

    def __call__(self, tokens, state):
        embedded = self.drop(self.embedding(tokens))
        outputs, after = self.write(embedded, state)
        if self.readout:
            outputs = self.readout(self.beside([outputs, embedded]))
        return self.output(self.output_dropout(outputs)), after

    def write(self, embedded, state):
        """Returns the loop's outputs and the state after the last."""
        outputs, weights, after = self.loop(
            embedded,
            {name: state[name] for name in state if name not in _NOT_OF_THE_LOOP},
            state["memory"],
            state["memory_mask"],
            keys=state.get("keys"),
        )
        return outputs, {**state, **after, "weights": weights}


class CopyingDecoder(LoopingDecoder):
    """A decoder that generates words or copies them (See et al., 2017, section 2.2)."""

    def __init__(self, embedding, output, *, vocabulary, **shared):
        known = KnownTokens(vocabulary, name="known")
        super().__init__(lambda tokens: embedding(known(tokens)), output, **shared)
        self.gate = keras.layers.Dense(1, dtype="float32", name="gate")
        self.distribution = CopyDistribution(name="distribution")

    def __call__(self, tokens, state):
        embedded = self.drop(self.embedding(tokens))
        outputs, after = self.write(embedded, state)
        gate = self.gate(self.beside([outputs, embedded]))  # equation 8
        logits = self.output(self.output_dropout(self.readout(outputs)))  # equation 4
        mixed = self.distribution(
            logits, gate, after["weights"], state["extended_ids"]
        )  # (batch, [target_length,] extended_vocabulary)
        generation = keras.ops.sigmoid(gate[..., 0])  # (batch, [target_length])
        return mixed, {**after, "generation": generation}


class PointingDecoder(Decoder):
    """A decoder whose answers are items of the source (Vinyals et al., 2015)."""

    def __init__(self, *, pointer, distinct, **shared):
        super().__init__(ItemsAt(name="items_at"), None, **shared)
        self.attention = pointer
        self.visited = Visited(name="visited") if distinct else None

    def __call__(self, tokens, state):
        hidden, after = self.write(self.embedding(tokens, state["items"]), state)
        pointed = None
        if self.visited:
            pointed = self.visited(tokens, state["pointed"])
            steps = len(tokens.shape) == 2
            after["pointed"] = pointed[:, -1] if steps else pointed
        logits, after["weights"] = self.attention(
            self.output_dropout(hidden),
            state["memory"],
            state["memory_mask"],
            keys=state.get("keys"),
            pointed=pointed,
        )
        return logits, after


def three_graphs(source, state, decode, config, penalty=None):
    """Joins an encoder's symbolic `state` and `decode` to a `Seq2Seq`.

    The graphs that training, figures or reports alone read are there too. `penalty` is
    a function of the attention weights, whose values join the loss.
    """
    target_in = keras.Input((None,), dtype="int32", name="target_in")
    token = keras.Input((), dtype="int32", name="token")
    logits, after = decode(target_in, state)
    several = {  # graphs of what a whole target makes of the decoder
        "attention": after.get("weights"),
        "generation": after.get("generation"),
        "penalized": penalty and [logits, penalty(after["weights"])],
    }
    attends = "memory" in state
    if attends and decode.attention.has_keys:  # a layer of its own in encoder alone
        state = {**state, "keys": decode.attention.project(state["memory"])}
    state_in = {
        name: keras.Input(tensor.shape[1:], dtype=tensor.dtype, name=name)
        for name, tensor in state.items()
    }
    for name in OF_EACH_STEP:  # no step reads them; Keras 3.10 refuses an unread input
        if name in state_in:
            keras.ops.stop_gradient(state_in[name])
    inputs = [source, target_in]
    return Seq2Seq(
        training=keras.Model(inputs, logits, name="training"),
        encoder=keras.Model(source, state, name="encoder"),
        step=keras.Model([token, state_in], decode(token, state_in), name="step"),
        chunk=keras.Model([target_in, state_in], _chunk(decode, target_in, state_in)),
        config=config,
        **{
            name: keras.Model(inputs, outputs)
            for name, outputs in several.items()
            if outputs is not None
        },
    )


def no_weights(mask):
    """Returns the attention weights before the first step."""
    return keras.ops.zeros_like(mask, dtype="float32")  # (batch, source_length)


def _chunk(decode, tokens, state):
    """Takes the steps of `tokens (batch, length)`: `-> logits, state`."""
    logits, after = decode(tokens, state)
    last = {name: after[name][:, -1] for name in OF_EACH_STEP if name in after}
    return logits, {**after, **last}


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


def dropping(rate, name, own_rate=None):
    """Makes a dropout layer, or the identity without a layer for a rate of 0.

    It has its own rate if there is one.
    """
    rate = rate if own_rate is None else own_rate
    return keras.layers.Dropout(rate, name=name) if rate else lambda tensor: tensor
