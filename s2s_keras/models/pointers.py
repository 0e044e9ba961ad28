"""Builders of models that point into their source, and of those that copy from it."""

import keras

from s2s_keras.layers import (
    AdditiveAttention,
    CopyingDecoder,
    CoverageAttention,
    CoverageLoss,
    Pointer,
)
from s2s_keras.models import parts
from s2s_keras.models.options import STACK, builder, check


@builder
def pointer_network(
    source_vocabulary=None,
    *,
    source_features=None,
    distinct=False,
    cell="lstm",
    units=256,
    embedding_dim=128,
    layers=1,
    bidirectional=False,
    dropout=0.0,
    embedding_dropout=0.0,
    recurrent_dropout=0.0,
    embedding_stddev=1.0,
    recurrent_initializer="orthogonal",
    forget_bias=True,
    residual=False,
    layer_norm=False,
):
    r"""Builds a pointer network (Vinyals et al., 2015, section 2.3).

    The attention is the answer: the weights with which the decoder looks at the items
    of the source are the probabilities of the next target token. So there are as many
    answers as items, however many those are. Item `i` has the id `4 + i`, after the
    special tokens; to point at the source's last item, which ends it, is EOS. The
    decoder reads the item that it pointed at before.

    Args:
        source_vocabulary: number of source ids; None where the source holds vectors.
        source_features: numbers in each vector of the source, such as 2 for points,
            which a dense layer brings to `embedding_dim`; None where it holds ids.
        distinct: whether no item may be pointed at twice (as in Bello et al., 2017,
            appendix A.1, equation 8); then its weight is 0, in training too, and a
            target that names an item twice is impossible to learn.
        cell, units, embedding_dim, layers, bidirectional, dropout, embedding_dropout,
            recurrent_dropout, embedding_stddev, recurrent_initializer, forget_bias,
            residual, layer_norm: as of `attention_seq2seq`, whose score `"additive"`
            it has (equation 3).

    Returns:
        A `Seq2Seq`. Its logits are `(batch, target_length, 4 + source_length)`, -1e9
        where there is no answer. Its state holds `items (batch, source_length,
        embedding_dim)` beside what that of `attention_seq2seq` holds, and with
        `distinct` also `pointed (batch, source_length)`.

    Raises:
        ValueError: if an argument is none of the above.
    """
    config = {"builder": "pointer_network", **locals()}
    check(config)
    stack = {name: config[name] for name in STACK}
    source, items, mask = parts.read_source(config)
    encode = parts.Encoder(
        bidirectional=bidirectional, reverse_source=False, attended=True, **stack
    )
    pointer = Pointer(units, name="pointer")
    decode = parts.PointingDecoder(pointer=pointer, distinct=distinct, **stack)
    memory, state = encode(items, mask)
    state |= {"items": items, "memory": memory, "memory_mask": mask}
    state["weights"] = parts.no_weights(mask)
    if distinct:
        state["pointed"] = parts.no_weights(mask)
    return parts.three_graphs(source, state, decode, config)


@builder
def pointer_generator(
    source_vocabulary,
    target_vocabulary,
    *,
    coverage=True,
    coverage_weight=1.0,
    cell="lstm",
    units=256,
    embedding_dim=128,
    layers=1,
    bidirectional=True,
    dropout=0.0,
    embedding_dropout=0.0,
    embedding_stddev=1.0,
    recurrent_initializer="orthogonal",
    forget_bias=True,
    tie_embeddings=False,
    residual=False,
    layer_norm=False,
):
    r"""Builds a pointer-generator network (See, Liu & Manning, 2017).

    At each step the decoder generates a word of its vocabulary with probability
    $p_{gen}$ (equation 8), and otherwise copies a word of the source, chosen by the
    attention (equation 9). Copied words may have ids from `target_vocabulary` on, in
    each source its own; `batches.make(…, copying=True)` finds them. The decoder reads
    such a word as UNK.

    Args:
        source_vocabulary: number of source ids.
        target_vocabulary: number of target ids, those beyond it not counted.
        coverage: whether the attention sees where it has looked before (equations 10
            and 11), and training charges for looking there again (equation 12).
        coverage_weight: $\lambda$ of equation 13, what that charge counts. The paper
            trains without coverage first. For that, build a second model with
            `coverage_weight=0.0`, train it, and hand its weights over.
        cell, units, embedding_dim, layers, bidirectional, dropout, embedding_dropout,
            embedding_stddev, recurrent_initializer, forget_bias, tie_embeddings,
            residual, layer_norm: as of `attention_seq2seq`.

    Returns:
        A `Seq2Seq`. Its source is a dict: `ids` and `extended_ids`, both int32 `(batch,
        source_length)`. Its logits are log-probabilities, `(batch, target_length,
        extended_vocabulary)`: of the vocabulary and of as many unknown words as a
        source of the batch has at most. Its state holds `extended_ids`, `context
        (batch, memory_units)`, the last step's $p_{gen}$ as `generation (batch,)`, and
        with `coverage` also `coverage (batch, source_length)`, beside what that of
        `attention_seq2seq` holds.

    Raises:
        ValueError: if an argument is none of the above.
    """
    config = {"builder": "pointer_generator", **locals()}
    check(config)
    stack = {name: config[name] for name in STACK if name in config}
    source, embedded, mask = parts.read_source(config)
    encode = parts.Encoder(
        bidirectional=bidirectional, reverse_source=False, attended=True, **stack
    )
    kind = CoverageAttention if coverage else AdditiveAttention
    attention = kind(units, name="attention")
    decode = parts.CopyingDecoder(
        *parts.target_ends(config),
        vocabulary=target_vocabulary,
        loop=CopyingDecoder(attention, **stack, name="decoder"),
        dropout=dropout,
        readout=keras.layers.Dense(units, name="readout"),
    )
    memory, state = encode(embedded, mask)
    state |= {"memory": memory, "memory_mask": mask, "weights": parts.no_weights(mask)}
    state["extended_ids"] = source["extended_ids"]
    state["context"] = keras.ops.zeros_like(memory[:, 0])
    state["generation"] = keras.ops.zeros_like(mask[:, 0], dtype="float32")
    penalty = None
    if coverage:
        state["coverage"] = parts.no_weights(mask)
        penalty = CoverageLoss(coverage_weight, name="coverage_loss")
    return parts.three_graphs(source, state, decode, config, penalty)
