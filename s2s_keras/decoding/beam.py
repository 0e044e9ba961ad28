"""Beam search: several hypotheses of a sentence at once."""

from __future__ import annotations

import tensorflow as tf

from s2s_keras.arguments import check_number, check_whole
from s2s_keras.decoding.compiling import LOWEST, as_source, run
from s2s_keras.records import Hypotheses
from s2s_keras.text import EOS, PAD, SOS

LEAST = {
    **dict.fromkeys(("beam_width", "max_length", "min_length", "n_best"), 1),
    "block_ngrams": 0,
}


def beam_search(
    seq2seq,
    source,
    *,
    beam_width,
    max_length,
    length_penalty=0.0,
    coverage_penalty=0.0,
    min_length=1,
    n_best=1,
    block_ngrams=0,
):
    r"""Keeps the `beam_width` most probable beginnings at every step.

    Of all ways to go on, the `beam_width` best count. Those that end in EOS are set
    aside and never extended; the best others are the beginnings of the next step. A
    sentence is done when `beam_width` hypotheses have been set aside, when no beginning
    can overtake the `n_best` best of them any more, or at `max_length`, where the
    beginnings join them as they are. All are then ranked by (Wu et al., 2016, equation
    14)

    $$\frac{\log P(Y \mid X)}{((5 + |Y|) / 6)^\alpha}
    + \beta \sum_s \log \min\left(\sum_t weights_{ts}, 1\right)$$

    where $|Y|$ counts the tokens, EOS too, and the second sum goes over the source's
    tokens.

    Args:
        seq2seq: a `Seq2Seq`; its `encoder` and `step` may be any callables.
        source: int ids `(batch, source_length)`, or the dict of tensors that the
            encoder reads.
        beam_width: hypotheses kept; 1 is greedy search.
        max_length: most tokens of a target, EOS counted.
        length_penalty: $\alpha$, from 0 (log-probability alone, which favors short
            targets) to about 1.
        coverage_penalty: $\beta$; above 0 asks for a model with attention, whose state
            has a `memory_mask`. A sum of weights below 1e-9 counts as that.
        min_length: least tokens of a target, EOS counted.
        n_best: how many hypotheses to return for each source, at most `beam_width`.
        block_ngrams: no hypothesis repeats this many tokens in a row (Paulus et al.,
            2018, section 2.5); 0 allows it.

    Returns:
        `Hypotheses`, the best of each source; with `n_best` above 1 all arrays have an
        axis `n_best` after `batch`, the best first. `ranks` holds what they were ranked
        by. Where fewer than `n_best` hypotheses exist, the rest have length 0 and a
        rank below -1e8.

    Raises:
        ValueError: if an argument is out of range, or `source` has no row.
    """
    arguments = dict(locals())
    for name, least in LEAST.items():
        check_whole(name, arguments[name], least)
    for name in ("length_penalty", "coverage_penalty"):
        check_number(name, arguments[name], "of at least 0", lambda value: value >= 0)
    if n_best > beam_width:
        raise ValueError(
            f"n_best must be at most beam_width, {beam_width}. Received: {n_best!r}"
        )
    if min_length > max_length:
        raise ValueError(
            f"min_length must be at most max_length, {max_length}. "
            f"Received: {min_length!r}"
        )
    source = as_source(source)
    found = run(
        _beam_search,
        seq2seq,
        source,
        *(tf.constant(value, tf.int32) for value in (max_length, min_length)),
        *(tf.constant(x, tf.float32) for x in (length_penalty, coverage_penalty)),
        beam_width=beam_width,
        n_best=n_best,
        block_ngrams=block_ngrams if block_ngrams < max_length else 0,
        covers=coverage_penalty > 0,
    )
    longest = max(1, found["lengths"].max())
    for name in {"tokens", "weights"} & set(found):
        found[name] = found[name][:, :, :longest]
    if n_best == 1:
        found = {name: array[:, 0] for name, array in found.items()}
    return Hypotheses(**found)


def _beam_search(
    seq2seq, source, max_length, min_length, length_penalty, coverage_penalty,
    *, beam_width, n_best, block_ngrams, covers,
):  # fmt: skip
    state = seq2seq.encoder(source)
    attends = isinstance(state, dict) and "weights" in state
    if covers and not (attends and "memory_mask" in state):
        raise ValueError(
            "coverage_penalty must be 0 for a model without attention, whose state has "
            f"no `weights` and `memory_mask`. Its state holds {sorted(state)}."
        )
    batch = tf.shape(tf.nest.flatten(source)[0])[0]
    state = tf.nest.map_structure(lambda part: tf.repeat(part, beam_width, 0), state)
    begun = {  # the beginnings; at first there is only one, without a token
        "tokens": tf.fill([batch, beam_width, max_length], PAD),
        "places": tf.zeros([batch, beam_width, max_length], tf.int32),
        "scores": tf.repeat([[0.0] + [LOWEST] * (beam_width - 1)], batch, axis=0),
    }
    if covers:
        mask = _by_beam(state["memory_mask"], beam_width)[:, :1]  # the same for all
        begun["coverage"] = tf.zeros_like(_by_beam(state["weights"], beam_width))
    ended = {  # the hypotheses set aside
        **begun,
        "scores": tf.fill([batch, beam_width], LOWEST),
        "lengths": tf.zeros([batch, beam_width], tf.int32),
        "ranks": tf.fill([batch, beam_width], LOWEST),
    }

    def rank(hypotheses):
        """Adds what hypotheses are ranked by."""
        ranks = hypotheses["scores"] / _norm(hypotheses["lengths"], length_penalty)
        if covers:
            covered = tf.math.log(tf.clip_by_value(hypotheses["coverage"], 1e-9, 1.0))
            covered = tf.reduce_sum(tf.where(mask, covered, 0.0), axis=-1)
            ranks += coverage_penalty * covered  # (batch, beam_width)
        exists = hypotheses["lengths"] > 0
        return {**hypotheses, "ranks": tf.where(exists, ranks, LOWEST)}

    def going_on(step, begun, ended, set_aside, done, *_):
        return (step < max_length) & ~tf.reduce_all(done)

    def advance(step, begun, ended, set_aside, done, state, weights):
        last = begun["tokens"][:, :, tf.maximum(step - 1, 0)]
        last = tf.where(step == 0, SOS, last)  # (batch, beam_width)
        logits, after = seq2seq.step([tf.reshape(last, [-1]), state])
        logits = _by_beam(tf.cast(logits, tf.float32), beam_width)
        vocabulary = tf.shape(logits)[2]
        # A softmax's two parts, apart: their sum would round a logarithm close to 0.
        highest = tf.reduce_max(logits, axis=2, keepdims=True)
        norms = tf.reduce_sum(tf.exp(logits - highest), axis=2, keepdims=True)
        if block_ngrams:
            repeating = _repeating(begun["tokens"], step, block_ngrams, vocabulary)
            logits += LOWEST * repeating
        logits = tf.cond(
            step + 1 < min_length,
            lambda: logits + LOWEST * tf.one_hot(EOS, vocabulary),
            lambda: logits,
        )
        # At most half of the best 2 * beam_width end: enough remain to go on. Of one
        # beginning no more than that are among them, and only those are summed up.
        wanted = beam_width * tf.minimum(2, vocabulary)
        logits, tokens = _largest(logits, tf.minimum(wanted, vocabulary))
        logs = (logits - highest) - tf.math.log(norms)
        totals = tf.maximum(begun["scores"][:, :, None] + logs, LOWEST)
        scores, flat = tf.math.top_k(tf.reshape(totals, [batch, -1]), wanted)
        parents = flat // tf.shape(totals)[2]
        token = _take(tf.reshape(tokens, [batch, -1]), flat)
        if attends:
            row = _by_beam(tf.cast(after["weights"], tf.float32), beam_width)
            weights = weights.write(step, row)  # (batch, beam_width, source_length)
        if covers:
            begun["coverage"] += row
        grown = {**_take(begun, parents), "scores": scores}
        here = tf.range(max_length) == step
        grown["tokens"] = tf.where(here, token[:, :, None], grown["tokens"])
        grown["places"] = tf.where(here, parents[:, :, None], grown["places"])

        ends = token == EOS
        among_best = tf.range(tf.shape(flat)[1]) < beam_width
        counts = ends & among_best & (scores > LOWEST / 2) & ~done[:, None]
        lengths = tf.where(counts, step + 1, 0)
        ended = _best(beam_width, ended, rank({**grown, "lengths": lengths}))
        set_aside += tf.reduce_sum(tf.cast(counts, tf.int32), axis=1)

        grown["scores"] = tf.where(ends, LOWEST, scores)
        kept = tf.math.top_k(grown["scores"], beam_width).indices
        begun = _take(grown, kept)
        state = _reorder(state, after, _take(parents, kept))
        # Probabilities fall with every token, and no penalty is a gain.
        best = begun["scores"][:, 0]
        hope = tf.where(
            best > LOWEST / 2, best / _norm(max_length, length_penalty), LOWEST
        )
        done |= (set_aside >= beam_width) | (ended["ranks"][:, n_best - 1] >= hope)
        return step + 1, begun, ended, set_aside, done, state, weights

    step, begun, ended, _, done, _, weights = tf.while_loop(
        going_on,
        advance,
        (
            tf.constant(0),
            begun,
            ended,
            tf.zeros([batch], tf.int32),
            tf.fill([batch], False),
            state,
            tf.TensorArray(tf.float32, 0, dynamic_size=True, element_shape=[None] * 3),
        ),
    )
    exists = (begun["scores"] > LOWEST / 2) & ~done[:, None]
    lengths = tf.where(exists, step, 0)
    found = _best(beam_width, ended, rank({**begun, "lengths": lengths}))
    found = {name: array[:, :n_best] for name, array in found.items()}
    exists = found["lengths"] > 0
    best = {
        "tokens": tf.where(exists[:, :, None], found["tokens"], PAD),
        "scores": tf.where(exists, found["scores"], LOWEST),
        "lengths": found["lengths"],
        "ranks": found["ranks"],
    }
    if attends:
        best["weights"] = _along(found["places"], weights.stack(), found["lengths"])
    return best


def _along(places, weights, lengths):
    """Picks the attention weights that stood where a hypothesis was at each step.

    Args:
        places: int32 `(batch, n_best, max_length)`, its place in the beam.
        weights: float32 `(steps, batch, beam_width, source_length)`.
        lengths: int32 `(batch, n_best)`.

    Returns:
        float32 `(batch, n_best, steps, source_length)`, 0 after a hypothesis' end.
    """
    steps = tf.shape(weights)[0]
    weights = tf.transpose(weights, [1, 0, 2, 3])  # (batch, steps, beam_width, …)
    places = tf.transpose(places[:, :, :steps], [0, 2, 1])  # (batch, steps, n_best)
    weights = tf.gather(weights, places, axis=2, batch_dims=2)
    weights = tf.transpose(weights, [0, 2, 1, 3])
    going_on = tf.range(steps) < lengths[:, :, None]  # (batch, n_best, steps)
    return tf.where(going_on[..., None], weights, 0.0)


def _largest(values, count):
    """Does what `tf.math.top_k` does, in about half the time for a vocabulary.

    Only a block whose maximum is among the `count` largest maxima can hold one of the
    `count` largest values. Of equal values the first counts as the larger, in `top_k`
    and here: blocks stand in their old order.

    Args:
        values: float32 `(batch, beam_width, vocabulary)`.
        count: how many values to return, at most `vocabulary`.

    Returns:
        `values, indices`, both `(batch, beam_width, count)`, the largest first.
    """
    shape = tf.shape(values)
    padding = [[0, 0], [0, 0], [0, -shape[2] % BLOCK]]
    values = tf.pad(values, padding, constant_values=float("-inf"))
    blocks = tf.reshape(values, [shape[0], shape[1], -1, BLOCK])
    maxima = tf.reduce_max(blocks, axis=3)
    most = tf.minimum(count, tf.shape(maxima)[2])
    chosen = tf.sort(tf.math.top_k(maxima, most).indices)
    blocks = tf.gather(blocks, chosen, axis=2, batch_dims=2)
    values, at = tf.math.top_k(tf.reshape(blocks, [shape[0], shape[1], -1]), count)
    chosen = tf.gather(chosen, at // BLOCK, axis=2, batch_dims=2)
    return values, chosen * BLOCK + at % BLOCK


BLOCK = 64  # values; about the root of a usual vocabulary


def _norm(length, length_penalty):
    return ((5.0 + tf.cast(length, tf.float32)) / 6.0) ** length_penalty


def _repeating(tokens, step, size, vocabulary):
    """Returns 1 for each token that would repeat an n-gram of its hypothesis.

    Args:
        tokens: int32 `(batch, beam_width, max_length)`, of which `step` are written.
        step: number of tokens written.
        size: tokens of an n-gram.
        vocabulary: number of ids.

    Returns:
        float32 `(batch, beam_width, vocabulary)`.
    """
    starts = tf.range(tf.shape(tokens)[2] - size + 1)  # of each n-gram
    ngrams = tf.gather(tokens, starts[:, None] + tf.range(size), axis=2)
    recent = tf.maximum(step - size + 1, 0) + tf.range(size - 1)
    recent = tf.gather(tokens, recent, axis=2)  # (batch, beam_width, size - 1)
    same = tf.reduce_all(ngrams[..., :-1] == recent[:, :, None, :], axis=-1)
    same &= starts + size <= step  # (batch, beam_width, n-grams)
    last = tf.where(same, ngrams[..., -1], -1)
    return tf.reduce_max(tf.one_hot(last, vocabulary), axis=2, keepdims=False)


def _best(width, *groups):
    """Returns the hypotheses of all groups that rank highest, the best first."""
    every = tf.nest.map_structure(lambda *parts: tf.concat(parts, axis=1), *groups)
    return _take(every, tf.math.top_k(every["ranks"], width).indices)


def _take(nest, indices):
    """Picks hypotheses from tensors `(batch, hypotheses, …)`, in each row its own."""
    return tf.nest.map_structure(
        lambda part: tf.gather(part, indices, axis=1, batch_dims=1), nest
    )


def _reorder(before, after, parents):
    """Gives each hypothesis the state of the one it has grown from.

    A hypothesis stays with its sentence. What a step hands on untouched, the memory
    above all, is the same for all hypotheses of a sentence and stays where it is.

    Args:
        before: the state that a step was given, tensors `(batch * beam_width, …)`.
        after: the state that it returned.
        parents: int32 `(batch, beam_width)`, places in the beam of the step before.
    """

    def reorder(part, part_after):
        if part_after is part:
            return part
        return _flat(_take(_by_beam(part_after, parents.shape[1]), parents))

    return tf.nest.map_structure(reorder, before, after)


def _by_beam(part, width):
    """Splits `(batch * width, …)` into `(batch, width, …)`."""
    return tf.reshape(part, tf.concat([[-1, width], tf.shape(part)[1:]], axis=0))


def _flat(part):
    """Joins `(batch, width, …)` to `(batch * width, …)`."""
    return tf.reshape(part, tf.concat([[-1], tf.shape(part)[2:]], axis=0))
