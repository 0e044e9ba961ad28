"""Builders of models that write words, without attention and with it."""

import keras

from s2s_keras.layers import (
    BahdanauDecoder,
    InputFeedingDecoder,
    LocalMonotonicAttention,
    LocalPredictiveAttention,
)
from s2s_keras.layers.attention import SCORES
from s2s_keras.models import parts
from s2s_keras.models.options import STACK, builder, check


@builder
def encoder_decoder(
    source_vocabulary,
    target_vocabulary,
    *,
    source_features=None,
    cell="lstm",
    units=256,
    embedding_dim=128,
    layers=1,
    bidirectional=False,
    reverse_source=False,
    context="initial",
    dropout=0.0,
    output_dropout=None,
    embedding_dropout=0.0,
    recurrent_dropout=0.0,
    embedding_stddev=1.0,
    recurrent_initializer="orthogonal",
    forget_bias=True,
    tie_embeddings=False,
    residual=False,
    layer_norm=False,
):
    """Builds an encoder–decoder without attention.

    The encoder's final state is all that the decoder learns of the source.

    Args:
        source_vocabulary: number of source ids; None where the source holds vectors.
        target_vocabulary: number of target ids.
        source_features: numbers in each vector of the source, such as 2 for points,
            which a dense layer brings to `embedding_dim`; None where it holds ids.
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
        output_dropout: share of the units dropped before the output layer; None is
            `dropout`.
        embedding_dropout: share of the source's and of the target's words whose whole
            embedding is dropped (Iyyer et al., 2015).
        recurrent_dropout: share of the units dropped between time steps, one mask for
            all steps of a sequence (Gal & Ghahramani, 2016).
        embedding_stddev: standard deviation of the normal distribution that the
            embeddings start from.
        recurrent_initializer: what the matrices between hidden states start from,
            `"orthogonal"` (Saxe et al., 2014) or `"glorot_uniform"`.
        forget_bias: whether an LSTM's forget gates start with a bias of 1 (Jozefowicz
            et al., 2015), or of 0.
        tie_embeddings: whether target embedding and output layer are one matrix (Press
            & Wolf, 2017), with a dense layer without bias before the output layer that
            brings its inputs to `embedding_dim`.
        residual: whether each recurrent layer after the first adds its inputs to its
            outputs (Wu et al., 2016, section 3.1); states stay as they are. The
            encoder's top layer has outputs that nobody reads, and stays as it is.
        layer_norm: whether each recurrent layer's outputs, but not its state, are
            normalized (Ba et al., 2016), except those that nobody reads.

    Returns:
        A `Seq2Seq`. Its state holds `hidden_1`, `hidden_2`, … and for an LSTM
        `cell_1`, …, all `(batch, units)`, and with `context="every_step"`
        `context (batch, units)`.

    Raises:
        ValueError: if an argument is none of the above.
    """
    config = {"builder": "encoder_decoder", **locals()}
    check(config)
    shared = {name: config[name] for name in STACK}
    source, embedded, mask = parts.read_source(config)
    encode = parts.Encoder(
        bidirectional=bidirectional,
        reverse_source=reverse_source,
        attended=False,
        **shared,
    )
    decode = parts.Decoder(
        *parts.target_ends(config),
        context=context,
        output_dropout=output_dropout,
        **shared,
    )
    _, state = encode(embedded, mask)
    if context == "every_step":
        state["context"] = state[f"hidden_{layers}"]
    return parts.three_graphs(source, state, decode, config)


@builder
def attention_seq2seq(
    source_vocabulary,
    target_vocabulary,
    *,
    source_features=None,
    score="additive",
    placement="luong",
    input_feeding=False,
    local=None,
    window=10,
    longest=50,
    cell="lstm",
    units=256,
    embedding_dim=128,
    layers=1,
    bidirectional=True,
    reverse_source=False,
    dropout=0.0,
    output_dropout=None,
    embedding_dropout=0.0,
    recurrent_dropout=0.0,
    embedding_stddev=1.0,
    recurrent_initializer="orthogonal",
    forget_bias=True,
    tie_embeddings=False,
    residual=False,
    layer_norm=False,
):
    """Builds an encoder–decoder whose decoder attends to the source.

    Args:
        source_vocabulary: number of source ids; None where the source holds vectors.
        target_vocabulary: number of target ids.
        source_features: numbers in each vector of the source, such as 2 for points,
            which a dense layer brings to `embedding_dim`; None where it holds ids.
        score: `"additive"`, `"concat"`, `"dot"`, `"scaled_dot"`, `"general"`,
            `"cosine"` or `"location"`; `s2s_keras.layers.attention` has the equations.
        placement: `"luong"` attends with the top layer's new hidden state, after the
            cells, and predicts from context and hidden state (Luong et al., 2015,
            equation 5). `"bahdanau"` attends with that of the step before and shows the
            context to the first cell; it predicts from hidden state, context and last
            token (Bahdanau et al., 2015, appendix A.2, with the new hidden state, and
            tanh for its maxout).
        input_feeding: whether `"luong"` also shows the first cell the attentional
            vector of the step before (Luong et al., 2015, section 3.3). Without it all
            target steps attend in one matrix product.
        local: None looks at the whole source, `"monotonic"` and `"predictive"` through
            a window (Luong et al., 2015, section 3.2).
        window: positions that a local attention sees on each side of its center.
        longest: positions that the score `"location"` knows.
        cell: `"lstm"`, `"gru"` or `"rnn"`.
        units: size of every hidden state of the decoder, and of each direction of
            the encoder. A bidirectional encoder's memory is `(batch, source_length,
            2 * units)`; for the scores that compare query and memory directly (`"dot"`,
            `"scaled_dot"`, `"cosine"`) a dense layer brings it to `units`. Its final
            state is brought to `units` as in `encoder_decoder`.
        embedding_dim: size of the embeddings.
        layers: recurrent layers in the encoder and in the decoder.
        bidirectional: whether the encoder reads from both ends.
        reverse_source: whether the encoder reads the source from its end; memory and
            weights stand in the source's own order all the same.
        dropout: share of the units dropped from the embeddings, between recurrent
            layers and before the output layer, never between time steps.
        output_dropout: that before the output layer; None is `dropout`.
        embedding_dropout: share of the source's and of the target's words whose whole
            embedding is dropped (Iyyer et al., 2015).
        recurrent_dropout: share of the units dropped between time steps, one mask for
            all steps of a sequence (Gal & Ghahramani, 2016);
            not with the decoders that loop, `"bahdanau"` and `input_feeding`.
        embedding_stddev: standard deviation of the normal distribution that the
            embeddings start from.
        recurrent_initializer: what the matrices between hidden states start from,
            `"orthogonal"` (Saxe et al., 2014) or `"glorot_uniform"`.
        forget_bias: whether an LSTM's forget gates start with a bias of 1 (Jozefowicz
            et al., 2015), or of 0.
        tie_embeddings: whether target embedding and output layer are one matrix (Press
            & Wolf, 2017), with a dense layer without bias before the output layer that
            brings its inputs to `embedding_dim`.
        residual: whether each recurrent layer after the first adds its inputs to its
            outputs (Wu et al., 2016, section 3.1); states stay as they are.
        layer_norm: whether each recurrent layer's outputs, but not its state, are
            normalized (Ba et al., 2016).

    Returns:
        A `Seq2Seq`. Its state holds `hidden_1`, … and for an LSTM `cell_1`, …, all
        `(batch, units)`, `memory (batch, source_length, memory_units)`, `memory_mask`
        and the last token's `weights`, both `(batch, source_length)`; where they are
        needed also `keys`, `position (batch,)` and `attentional (batch, units)`.

    Raises:
        ValueError: if an argument is none of the above.
    """
    config = {"builder": "attention_seq2seq", **locals()}
    check(config)
    if input_feeding and placement == "bahdanau":
        raise ValueError(
            "input_feeding must be False with placement='bahdanau', which shows the "
            "context to the cell by itself. Received: True"
        )
    if recurrent_dropout and (input_feeding or placement == "bahdanau"):
        raise ValueError(
            "recurrent_dropout must be 0 with placement='bahdanau' or input_feeding, "
            "whose decoders take their cells step by step. "
            f"Received: {recurrent_dropout!r}"
        )
    shared = {name: config[name] for name in STACK}
    source, embedded, mask = parts.read_source(config)
    encode = parts.Encoder(
        bidirectional=bidirectional,
        reverse_source=reverse_source,
        attended=True,
        **shared,
    )
    attention = _attention(config)
    decode = _attending_decoder(attention, config)
    memory, state = encode(embedded, mask)
    if bidirectional and attention.compares_directly:
        memory = keras.layers.Dense(units, use_bias=False, name="bridge_memory")(memory)
    state |= {"memory": memory, "memory_mask": mask, "weights": parts.no_weights(mask)}
    if attention.needs_position:
        state["position"] = keras.ops.zeros_like(mask[:, 0], dtype="int32")
    if input_feeding:
        state["attentional"] = keras.ops.zeros_like(state["hidden_1"])
    return parts.three_graphs(source, state, decode, config)


def _attention(config):
    """Makes the attention layer that a configuration asks for."""
    arguments = {
        "additive": {"units": config["units"]},
        "concat": {"units": config["units"]},
        "location": {"longest": config["longest"]},
    }
    score, local = config["score"], config["local"]
    layer = SCORES[score](**arguments.get(score, {}), name=f"{score}_attention")
    if local is None:
        return layer
    local_attention = {
        "monotonic": LocalMonotonicAttention,
        "predictive": LocalPredictiveAttention,
    }[local]
    return local_attention(layer, config["window"], name=f"local_{local}_attention")


def _attending_decoder(attention, config):
    """Makes the decoder that a configuration asks for."""
    units = config["units"]
    stack = {name: config[name] for name in STACK}
    drops = {name: config[name] for name in ("dropout", "output_dropout")}
    ends = parts.target_ends(config)
    if config["placement"] == "luong" and not config["input_feeding"]:
        return parts.LuongDecoder(*ends, attention=attention, **stack | drops)
    del stack["recurrent_dropout"]
    if config["placement"] == "bahdanau":
        loop = BahdanauDecoder(attention, **stack, name="decoder")
        readout = keras.layers.Dense(units, activation="tanh", name="readout")
        return parts.LoopingDecoder(*ends, loop=loop, readout=readout, **drops)
    loop = InputFeedingDecoder(attention, **stack, name="decoder")
    return parts.LoopingDecoder(*ends, loop=loop, **drops)
