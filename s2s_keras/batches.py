"""From pairs of texts to batches of token ids.

A batch is `((source, target_in), target_out, weight)`, int32 but for the float32
weight, padded on the right:

- `source (batch, source_length)` ends in EOS;
- `target_in (batch, target_length)` starts with SOS: what the decoder reads;
- `target_out (batch, target_length)` ends in EOS: what it should answer;
- `weight (batch, target_length)` is 1 at the tokens of `target_out`, 0 at padding.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json

import numpy as np
import tensorflow as tf

from s2s_keras.arguments import check_whole
from s2s_keras.text import EOS, PAD, SOS

POOL = 100


@dataclasses.dataclass(frozen=True)
class Report:
    """What `make` did with the pairs.

    Attributes:
        pairs: pairs in the batches.
        dropped: pairs left out because a side was longer than `max_length`.
        batches: batches in an epoch.
        padding: share of padding among the ids of the first epoch's sources and
            targets.
    """

    pairs: int
    dropped: int
    batches: int
    padding: float

    def __str__(self):
        pairs, batches = _counted(self.pairs, "pair"), _counted(self.batches, "batch")
        return (
            f"{pairs} in {batches}, {self.padding:.1%} padding; "
            f"{_counted(self.dropped, 'pair')} dropped as too long"
        )


def make(
    pairs,
    source_tokenizer,
    target_tokenizer,
    batch_size=64,
    *,
    seed=0,
    shuffle=True,
    bucket=True,
    max_length=None,
):
    """Makes a dataset of batches, of known cardinality.

    The order is a function of `seed` and of the epoch alone. `training.fit` sets the
    epoch; iterating by hand gives the same epoch each time, at first 0. With buckets,
    pairs are shuffled, sorted by length within pools of 100 batches, cut into batches,
    and the batches shuffled. So a batch holds pairs of about one length, and each epoch
    mixes them anew.

    Args:
        pairs: sequence of `Pair`.
        source_tokenizer: `Tokenizer` of the sources.
        target_tokenizer: `Tokenizer` of the targets.
        batch_size: pairs in a batch; the last batch may hold fewer.
        seed: seed of the order.
        shuffle: whether to shuffle at all.
        bucket: whether to put pairs of about the same length together.
        max_length: most tokens of a source or a target, EOS counted; longer pairs
            are dropped, and their number printed and reported. None keeps all.

    Returns:
        A `tf.data.Dataset` with three more attributes: `report`, a `Report`;
        `epoch`, a `tf.Variable`, the epoch whose order the next iteration has; and
        `fingerprint`, a str that another order or other pairs would change.

    Raises:
        ValueError: if no pair is left, a side of a pair holds no token, or a number
            is out of range.
    """
    pairs = list(pairs)
    check_whole("batch_size", batch_size, 1)
    if not pairs:
        raise ValueError("pairs must hold at least one pair. Received none.")
    sources = [_encode(pair.source, source_tokenizer, "source") for pair in pairs]
    targets = [_encode(pair.target, target_tokenizer, "target") for pair in pairs]
    kept = [
        index
        for index, sides in enumerate(zip(sources, targets, strict=True))
        if max_length is None or max(map(len, sides)) <= max_length
    ]
    if not kept:
        raise ValueError(
            f"max_length={max_length} drops all of the {len(pairs):,} pairs; the "
            f"shortest needs {min(map(max, _lengths(sources, targets)))}."
        )
    sources = [sources[index] for index in kept]
    targets = [targets[index] for index in kept]
    plan = _Plan(_lengths(sources, targets), batch_size, seed, shuffle, bucket)
    report = Report(
        pairs=len(kept),
        dropped=len(pairs) - len(kept),
        batches=plan.batches,
        padding=plan.padding(),
    )
    if report.dropped:
        print(f"batches.make: {report} (max_length={max_length})")
    return _dataset(sources, targets, plan, report)


def pad(sequences):
    """Returns sequences of ids as one int32 array, PAD on the right.

    Args:
        sequences: non-empty sequence of lists of ids.

    Returns:
        Array `(batch, longest)`.
    """
    array = np.full((len(sequences), max(map(len, sequences))), PAD, dtype="int32")
    for row, sequence in zip(array, sequences, strict=True):
        row[: len(sequence)] = sequence
    return array


def sources(texts, source_tokenizer):
    """Returns source texts as a model reads them.

    Args:
        texts: list of str.
        source_tokenizer: their `Tokenizer`.

    Returns:
        int32 array `(batch, source_length)`; each row ends in EOS, then PAD.

    Raises:
        ValueError: if there is no text, or a text holds no token.
    """
    if not texts:
        raise ValueError("texts must hold at least one text. Received none.")
    return pad([_encode(text, source_tokenizer, "text") for text in texts])


def _counted(number, noun):
    """Returns a number and its noun, such as "1 pair" or "2 batches"."""
    plural = {"pair": "pairs", "batch": "batches"}
    return f"{number:,} {noun if number == 1 else plural[noun]}"


def _encode(text, tokenizer, name):
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError(f"every {name} must hold a token. Received: {text!r}")
    return [*ids, EOS]


def _lengths(sources, targets):
    return [(len(s), len(t)) for s, t in zip(sources, targets, strict=True)]


class _Plan:
    """Which pairs stand together in which batch of which epoch."""

    def __init__(self, lengths, batch_size, seed, shuffle, bucket):
        self.lengths = np.array(lengths)  # (pairs, 2): source, target
        self.settings = (batch_size, seed, shuffle, bucket)
        self.batch_size, self.seed, self.shuffle, self.bucket = self.settings
        self.batches = -(-len(lengths) // batch_size)

    def epoch(self, epoch):
        """Returns a list of arrays of indices, one a batch."""
        random = np.random.default_rng([self.seed, epoch])
        order = np.arange(len(self.lengths))
        if self.shuffle:
            random.shuffle(order)
        if self.bucket:
            order = np.concatenate(
                [self._sorted(pool) for pool in _cut(order, POOL * self.batch_size)]
            )
        batches = _cut(order, self.batch_size)
        if self.shuffle:
            batches = [batches[index] for index in random.permutation(len(batches))]
        return batches

    def _sorted(self, pool):
        source, target = self.lengths[pool].T
        return pool[np.lexsort((source, target))]

    def padding(self):
        longest = [
            self.lengths[batch].max(axis=0) * len(batch) for batch in self.epoch(0)
        ]
        return float(1.0 - self.lengths.sum() / np.sum(longest))


def _cut(array, size):
    return [array[start : start + size] for start in range(0, len(array), size)]


def _dataset(sources, targets, plan, report):
    """Turns a plan into the dataset; the texts' ids stay in memory as they are."""
    source = tf.ragged.constant(sources, dtype=tf.int32)
    target_out = tf.ragged.constant(targets, dtype=tf.int32)
    target_in = tf.ragged.constant([[SOS, *t[:-1]] for t in targets], dtype=tf.int32)
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)

    def gather(indices):
        inputs, outputs, answers = (
            tf.gather(ids, indices).to_tensor(default_value=PAD)
            for ids in (source, target_in, target_out)
        )  # (batch, source_length), (batch, target_length), (batch, target_length)
        weight = tf.cast(tf.not_equal(answers, PAD), tf.float32)
        return (inputs, outputs), answers, weight

    dataset = (
        tf.data.Dataset.from_generator(
            lambda: iter(plan.epoch(int(epoch.numpy()))),
            output_signature=tf.TensorSpec((None,), tf.int64),
        )
        .map(gather, num_parallel_calls=tf.data.AUTOTUNE)
        .prefetch(tf.data.AUTOTUNE)
        .apply(tf.data.experimental.assert_cardinality(plan.batches))
    )
    dataset.epoch = epoch
    dataset.report = report
    everything = json.dumps([sources, targets, *plan.settings]).encode()
    dataset.fingerprint = hashlib.sha256(everything).hexdigest()
    return dataset
