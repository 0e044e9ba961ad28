"""From pairs of texts, or of items and places, to batches of token ids.

A batch is `((source, target_in), target_out, weight)`, int32 but for the float32
weight, padded on the right:

- `source (batch, source_length)` ends in EOS; some models read more of a source, see
  `copying_sources` and `pointing_sources`;
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

from s2s_keras.arguments import check_list, check_switch, check_whole, is_whole
from s2s_keras.layers.pointing import FIRST
from s2s_keras.records import listed_pairs
from s2s_keras.text import EOS, PAD, SOS, UNK, check_text

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
    copying=False,
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
        copying: whether the model copies (See et al., 2017). Then sources are as
            `copying_sources` makes them; words of a target that its tokenizer does not
            know, but that stand in the source, have their ids from there. A word with a
            space before it and one without, as after a bracket, are two.

    Returns:
        A `tf.data.Dataset` with three more attributes: `report`, a `Report`;
        `epoch`, a `tf.Variable`, the epoch whose order the next iteration has; and
        `fingerprint`, a str that another order or other pairs would change.

    Raises:
        TypeError: if `pairs` holds anything but a `Pair`, or a side of one is no str.
        ValueError: if no pair is left, a side of a pair holds no token, an argument
            is out of range, or `copying` meets tokenizers that cannot copy.
    """
    pairs = listed_pairs(pairs)
    for number, pair in enumerate(pairs):
        check_text(pair.source, f"pairs[{number}].source")
        check_text(pair.target, f"pairs[{number}].target")
    order = _order(batch_size, seed, shuffle, bucket)
    if max_length is not None:
        check_whole("max_length", max_length, 1)
    if not pairs:
        raise ValueError("pairs must hold at least one pair. Received none.")
    tokenizers = source_tokenizer, target_tokenizer
    sources = [_encode(pair.source, source_tokenizer, "source") for pair in pairs]
    targets = [_encode(pair.target, target_tokenizer, "target") for pair in pairs]
    lengths = _lengths(sources, targets)
    kept = [
        index
        for index, longest in enumerate(map(max, lengths))
        if max_length is None or longest <= max_length
    ]
    if not kept:
        raise ValueError(
            f"max_length={max_length} drops all of the {len(pairs):,} pairs; the "
            f"shortest needs {min(map(max, lengths))}."
        )
    sources, targets, lengths = (
        [side[index] for index in kept] for side in (sources, targets, lengths)
    )
    source = _ragged(sources)
    if copying:
        both = [extended_ids(pairs[index].source, *tokenizers) for index in kept]
        extended = [[*ids, EOS] for ids, _ in both]
        targets = [
            [*copied_ids(pairs[index].target, target_tokenizer, beyond), EOS]
            for index, (_, beyond) in zip(kept, both, strict=True)
        ]
        source = {"ids": source, "extended_ids": _ragged(extended)}
        sources = [sources, extended]
    everything = json.dumps([sources, targets, *order]).encode()
    dropped = len(pairs) - len(kept)
    dataset = _dataset(source, targets, _Plan(lengths, *order), everything, dropped)
    if dropped:
        print(f"batches.make: {dataset.report} (max_length={max_length})")
    return dataset


def pointing(
    examples,
    batch_size=64,
    *,
    source_tokenizer=None,
    seed=0,
    shuffle=True,
    bucket=True,
):
    """Makes a dataset of batches for a model whose targets are places of the source.

    The target's id of item `i` is `4 + i`, after the special tokens. All else is as
    with `make`.

    Args:
        examples: sequence of `Pointing`.
        batch_size: examples in a batch; the last batch may hold fewer.
        source_tokenizer: `Tokenizer` of the items, where they are words; else None.
        seed: seed of the order.
        shuffle: whether to shuffle at all.
        bucket: whether to put examples of about the same length together.

    Returns:
        A `tf.data.Dataset` as of `make`, with sources as of `pointing_sources`.

    Raises:
        ValueError: if there is no example, one has no item, a target names a place
            where there is none, or items are not what `pointing_sources` takes.
    """
    examples = list(examples)
    order = _order(batch_size, seed, shuffle, bucket)
    sources = _items(
        "examples", [example.source for example in examples], source_tokenizer
    )
    targets = []
    for number, (example, items) in enumerate(zip(examples, sources, strict=True)):
        places = list(example.target)
        if not all(is_whole(place) and 0 <= place < len(items) - 1 for place in places):
            raise ValueError(
                f"examples[{number}].target must hold places from 0 to "
                f"{len(items) - 2}, one of its {len(items) - 1} items each. "
                f"Received: {places}"
            )
        targets.append([*(FIRST + int(place) for place in places), EOS])
    source = _ragged(sources)
    if source_tokenizer is None:
        source = {"vectors": source, "mask": source.row_lengths()}
    shapes = [np.shape(items) for items in sources]
    everything = json.dumps([targets, *order, shapes]).encode()
    everything += b"".join(np.asarray(items).tobytes() for items in sources)
    plan = _Plan(_lengths(sources, targets), *order)
    return _dataset(source, targets, plan, everything)


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
        TypeError: if `texts` is one string.
        ValueError: if there is no text, or a text holds no token.
    """
    texts = _listed(texts)
    if not texts:
        raise ValueError("texts must hold at least one text. Received none.")
    return pad([_encode(text, source_tokenizer, "text") for text in texts])


def copying_sources(texts, source_tokenizer, target_tokenizer):
    """Returns source texts as a model reads them that copies.

    Args:
        texts: list of str.
        source_tokenizer: their `Tokenizer`.
        target_tokenizer: the targets' `Tokenizer`, of the same kind.

    Returns:
        `source, beyond`. The source is a dict of int32 arrays `(batch, source_length)`:
        `ids` as of `sources`, and `extended_ids`, the ids of the same words as targets,
        where words that the target's tokenizer does not know count on from its size in
        the order of their first coming. `beyond` holds these words, a list for each
        text, as `Tokenizer.decode` takes them.

    Raises:
        TypeError: if `texts` is one string.
        ValueError: if there is no text, a text holds no token, or the tokenizers are
            not both of kind "word" or both of kind "character".
    """
    texts = _listed(texts)
    ids = sources(texts, source_tokenizer)
    both = [extended_ids(text, source_tokenizer, target_tokenizer) for text in texts]
    extended = pad([[*row, EOS] for row, _ in both])
    return {"ids": ids, "extended_ids": extended}, [beyond for _, beyond in both]


def extended_ids(text, source_tokenizer, target_tokenizer):
    """Returns a source's ids as targets, and the words that have none.

    Args:
        text: a source.
        source_tokenizer: its `Tokenizer`.
        target_tokenizer: the targets' `Tokenizer`, of the same kind.

    Returns:
        `ids, beyond`: a list of ids, without EOS, where words that the target's
        tokenizer does not know count on from its size; and the list of these words.

    Raises:
        ValueError: if the tokenizers are not both of kind "word", or of "character".
    """
    kinds = source_tokenizer.kind, target_tokenizer.kind
    if kinds not in (("word", "word"), ("character", "character")):
        raise ValueError(
            "source_tokenizer and target_tokenizer must both be of kind 'word', or "
            f"both of kind 'character', to copy between them. Received: {kinds}"
        )
    numbers = {}  # of the words without an id, in the order of their first coming
    ids = [
        numbers.setdefault(piece, len(target_tokenizer) + len(numbers))
        if token_id == UNK
        else token_id
        for piece, token_id in _pieces_and_ids(text, target_tokenizer)
    ]
    return ids, list(numbers)


def copied_ids(text, target_tokenizer, beyond):
    """Returns a target's ids, without EOS, where words of its source have theirs.

    Args:
        text: a target.
        target_tokenizer: its `Tokenizer`.
        beyond: the words of its source without an id, from `extended_ids`.
    """
    ids = {piece: len(target_tokenizer) + place for place, piece in enumerate(beyond)}
    return [
        ids.get(piece, UNK) if token_id == UNK else token_id
        for piece, token_id in _pieces_and_ids(text, target_tokenizer)
    ]


def pointing_sources(several, source_tokenizer=None):
    """Returns items as a pointing model reads them.

    Args:
        several: list of sources: arrays of numbers `(items, features)`, or tuples of
            words.
        source_tokenizer: `Tokenizer` of the words; None for numbers.

    Returns:
        For words an int32 array `(batch, source_length)`, each row ending in EOS. For
        numbers a dict: `vectors`, float32 `(batch, source_length, features)`, each row
        ending in a vector of zeros that stands for EOS, and `mask`, bool `(batch,
        source_length)`, False at the padding behind it.

    Raises:
        TypeError: if one string stands where a tuple of words must be.
        ValueError: if there is no source or one has no item, arrays differ in their
            features or hold something that is not finite, or a word is not one token.
    """
    rows = _items("several", several, source_tokenizer)
    if source_tokenizer is not None:
        return pad(rows)
    lengths = np.array([len(row) for row in rows])
    vectors = np.zeros((len(rows), lengths.max(), rows[0].shape[1]), "float32")
    for padded, row in zip(vectors, rows, strict=True):
        padded[: len(row)] = row
    return {"vectors": vectors, "mask": np.arange(lengths.max()) < lengths[:, None]}


def places(tokens):
    """Turns ids that a pointing model wrote into places of its source.

    Args:
        tokens: int array `(batch, target_length)`.

    Returns:
        A list of lists of places, counted from 0; special tokens are left out.
    """
    return [[int(i) - FIRST for i in row if i >= FIRST] for row in np.asarray(tokens)]


def _counted(number, noun):
    """Returns a number and its noun, such as "1 pair" or "2 batches"."""
    plural = {"pair": "pairs", "batch": "batches"}
    return f"{number:,} {noun if number == 1 else plural[noun]}"


def _listed(texts):
    """Returns texts as a list, which may be read twice; one string is none."""
    check_list("texts", texts)
    return list(texts)


def _encode(text, tokenizer, name):
    ids = tokenizer.encode(text)
    if not ids:
        raise ValueError(f"every {name} must hold a token. Received: {text!r}")
    return [*ids, EOS]


def _pieces_and_ids(text, tokenizer):
    return zip(tokenizer.pieces(text), tokenizer.encode(text), strict=True)


def _items(name, several, source_tokenizer):
    """Returns the rows of sources for pointing, each with what stands for EOS."""
    if not len(several):
        raise ValueError(f"{name} must hold at least one source. Received none.")
    if source_tokenizer is not None:
        return [_words(n, items, source_tokenizer) for n, items in enumerate(several)]
    rows = []
    for number, items in enumerate(several):
        rows.append(_vectors(number, items))
        if rows[-1].shape[1] != rows[0].shape[1]:
            raise ValueError(
                f"source {number} must have {rows[0].shape[1]} features, as the "
                f"others have. Received: {rows[-1].shape[1]}"
            )
    return rows


def _words(number, items, source_tokenizer):
    """Returns the ids of words, and EOS."""
    check_list(f"source {number}", items)
    words = [source_tokenizer.encode(item) for item in items]
    if not words or any(len(word) != 1 for word in words):
        raise ValueError(
            f"source {number} must hold words of one token each, at least one. "
            f"Received: {items!r}, of {[len(word) for word in words]} tokens"
        )
    return [*(word[0] for word in words), EOS]


def _vectors(number, items):
    """Returns vectors, and one of zeros behind them."""
    try:
        row = np.asarray(items, "float32")
    except ValueError as error:
        raise ValueError(
            f"source {number} must be numbers (items, features); words need a "
            f"source_tokenizer. Received: {items!r}"
        ) from error
    if row.ndim != 2 or not row.size or not np.isfinite(row).all():
        raise ValueError(
            f"source {number} must be finite numbers (items, features), with "
            f"at least one item. Received: shape {row.shape}"
        )
    return np.pad(row, [(0, 1), (0, 0)])


def _order(batch_size, seed, shuffle, bucket):
    """Returns what an order of batches depends on, checked."""
    check_whole("batch_size", batch_size, 1)
    check_whole("seed", seed, 0)
    check_switch("shuffle", shuffle)
    check_switch("bucket", bucket)
    return int(batch_size), int(seed), shuffle, bucket


def _lengths(sources, targets):
    return [(len(s), len(t)) for s, t in zip(sources, targets, strict=True)]


class _Plan:
    """Which pairs stand together in which batch of which epoch."""

    def __init__(self, lengths, batch_size, seed, shuffle, bucket):
        self.lengths = np.array(lengths)  # (pairs, 2): source, target
        self.batch_size, self.seed = batch_size, seed
        self.shuffle, self.bucket = shuffle, bucket
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


def _ragged(rows):
    """Returns rows of different lengths as one tensor: lists of ids, or of vectors."""
    dtype = "int32" if isinstance(rows[0], list) else None  # None: that of the vectors
    values = np.concatenate(rows, dtype=dtype)  # far faster than ragged.constant
    return tf.RaggedTensor.from_row_lengths(values, [len(row) for row in rows])


def _dataset(source, targets, plan, everything, dropped=0):
    """Turns a plan into the dataset; all rows stay in memory as they are.

    Args:
        source: a ragged tensor, or a dict of them; lengths instead make a mask.
        targets: list of lists of ids.
        plan: their `_Plan`.
        everything: bytes that any other data or order would change.
        dropped: pairs that are left out.
    """
    target_out = _ragged(targets)
    target_in = _ragged([[SOS, *target[:-1]] for target in targets])
    epoch = tf.Variable(0, dtype=tf.int64, trainable=False)

    def gather(indices):
        def padded(rows):
            rows = tf.gather(rows, indices)
            ragged = isinstance(rows, tf.RaggedTensor)
            return rows.to_tensor() if ragged else tf.sequence_mask(rows)  # PAD is 0

        inputs = tf.nest.map_structure(padded, source)  # (batch, source_length, …)
        answers = padded(target_out)  # (batch, target_length)
        weight = tf.cast(tf.not_equal(answers, PAD), tf.float32)
        return (inputs, padded(target_in)), answers, weight

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
    dataset.report = Report(len(targets), dropped, plan.batches, plan.padding())
    dataset.fingerprint = hashlib.sha256(everything).hexdigest()
    return dataset
