"""Tests of `s2s_keras.batches`."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_keras import batches
from s2s_keras.records import Pair
from s2s_keras.text import EOS, PAD, SOS, Tokenizer

COUNT = 23
MOST_WORDS = 9


def numbered(count, seed=0):
    """Pairs of one to nine words; the first word of each side is its number."""
    random = np.random.default_rng(seed)
    words = random.integers(0, MOST_WORDS, (count, 2))
    return [
        Pair(f"s{n}" + " more" * source, f"t{n}" + " more" * target)
        for n, (source, target) in enumerate(words)
    ]


PAIRS = numbered(COUNT)
SOURCE = Tokenizer.train([pair.source for pair in PAIRS])
TARGET = Tokenizer.train([pair.target for pair in PAIRS])


def make(pairs=PAIRS, batch_size=4, **arguments):
    return batches.make(pairs, SOURCE, TARGET, batch_size, **arguments)


def epoch_of(dataset, epoch=0):
    """Returns an epoch's batches as lists of pairs of texts."""
    dataset.epoch.assign(epoch)
    return [
        [
            Pair(SOURCE.decode(source), TARGET.decode(target))
            for source, target in zip(inputs.numpy(), target_out.numpy(), strict=True)
        ]
        for (inputs, _), target_out, _ in dataset
    ]


def flat(lists):
    return list(itertools.chain.from_iterable(lists))


def by_number(pairs):
    return sorted(pairs, key=lambda pair: int(pair.source.split()[0][1:]))


# What a batch holds


def test_a_batch_holds_the_shifted_pair_right_padded_and_weighted():
    pairs = [Pair("s1", "t1 more more"), Pair("s2 more", "t2")]
    ((source, target_in), target_out, weight) = next(
        iter(make(pairs, shuffle=False, bucket=False))
    )
    s1, s2, source_more = SOURCE.encode("s1 s2 more")
    t1, t2, more = TARGET.encode("t1 t2 more")
    np.testing.assert_array_equal(source, [[s1, EOS, PAD], [s2, source_more, EOS]])
    np.testing.assert_array_equal(
        target_in, [[SOS, t1, more, more], [SOS, t2, PAD, PAD]]
    )
    np.testing.assert_array_equal(
        target_out, [[t1, more, more, EOS], [t2, EOS, PAD, PAD]]
    )
    np.testing.assert_array_equal(weight, [[1, 1, 1, 1], [1, 1, 0, 0]])


def test_ids_are_int32_and_weights_float32():
    dataset = make()
    (source, target_in), target_out, weight = dataset.element_spec
    assert [spec.dtype.name for spec in (source, target_in, target_out)] == [
        "int32"
    ] * 3
    assert weight.dtype.name == "float32"
    for spec in (source, target_in, target_out, weight):
        assert spec.shape.rank == 2


def test_no_batch_is_wider_than_its_longest_row():
    for (source, target_in), target_out, weight in make():
        assert (source[:, -1] != PAD).numpy().any()
        assert (target_out[:, -1] != PAD).numpy().any()
        assert target_in.shape == target_out.shape == weight.shape


# Which pairs stand where


@settings(max_examples=25)
@given(
    count=st.integers(1, COUNT),
    batch_size=st.integers(1, 6),
    seed=st.integers(0, 3),
    epoch=st.integers(0, 3),
    shuffle=st.booleans(),
    bucket=st.booleans(),
)
def test_every_epoch_holds_each_pair_once_in_the_promised_number_of_batches(
    count, batch_size, seed, epoch, shuffle, bucket
):
    dataset = make(PAIRS[:count], batch_size, seed=seed, shuffle=shuffle, bucket=bucket)
    cut = epoch_of(dataset, epoch)
    assert by_number(flat(cut)) == PAIRS[:count]
    assert len(cut) == int(dataset.cardinality()) == dataset.report.batches
    assert all(len(batch) == batch_size for batch in sorted(cut, key=len)[1:])


@pytest.mark.parametrize("bucket", [False, True])
def test_the_order_is_a_function_of_seed_and_epoch(bucket):
    orders = {}
    for seed, epoch in itertools.product((0, 1), (0, 1, 2)):
        first = epoch_of(make(seed=seed, bucket=bucket), epoch)
        dataset = make(seed=seed, bucket=bucket)
        epoch_of(dataset, 5)
        assert epoch_of(dataset, epoch) == first
        orders[seed, epoch] = str(first)
    assert len(set(orders.values())) == len(orders)


def test_without_shuffling_and_buckets_the_order_is_that_of_the_pairs():
    dataset = make(shuffle=False, bucket=False)
    assert flat(epoch_of(dataset, 0)) == flat(epoch_of(dataset, 3)) == PAIRS


def test_several_pools_hold_each_pair_once_too(monkeypatch):
    monkeypatch.setattr(batches, "POOL", 2)
    cut = epoch_of(make(batch_size=3))
    assert by_number(flat(cut)) == PAIRS
    assert sorted(map(len, cut)) == [2, *[3] * 7]


def test_skipping_batches_leaves_the_rest_of_the_same_epoch():
    dataset = make()
    everything = epoch_of(dataset, 2)
    rest = [len(source) for (source, _), *_ in dataset.skip(4)]
    assert rest == [len(batch) for batch in everything[4:]]


# The report


def padding_share(dataset):
    """Counts padding in the actual batches, sources and targets together."""
    ids = [
        side.numpy().ravel()
        for (source, _), target_out, _ in dataset
        for side in (source, target_out)
    ]
    return np.mean(np.concatenate(ids) == PAD)


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("bucket", [False, True])
def test_the_reported_padding_is_that_of_the_batches(shuffle, bucket):
    dataset = make(seed=4, shuffle=shuffle, bucket=bucket)
    assert dataset.report.padding == pytest.approx(padding_share(dataset))
    assert type(dataset.report.padding) is float


def test_buckets_reduce_padding():
    pairs = numbered(COUNT) * 9
    bucketed, mixed = (make(pairs, bucket=bucket).report for bucket in (True, False))
    assert bucketed.padding < 0.5 * mixed.padding


def test_pairs_longer_than_max_length_are_dropped_counted_and_printed(capsys):
    dataset = make(max_length=5)
    kept = [
        pair
        for pair in PAIRS
        if max(len(pair.source.split()), len(pair.target.split())) + 1 <= 5
    ]
    assert 0 < len(kept) < COUNT
    assert by_number(flat(epoch_of(dataset))) == kept
    assert (dataset.report.pairs, dataset.report.dropped) == (
        len(kept),
        COUNT - len(kept),
    )
    assert f"{COUNT - len(kept)} pairs dropped" in capsys.readouterr().out


def test_nothing_is_printed_where_nothing_is_dropped(capsys):
    make(max_length=MOST_WORDS + 1)
    assert capsys.readouterr().out == ""


# The fingerprint


def test_the_fingerprint_tells_data_and_order_apart():
    fingerprints = [
        make(**arguments).fingerprint
        for arguments in (
            {},
            {"pairs": PAIRS[1:]},
            {"pairs": PAIRS[::-1]},
            {"batch_size": 5},
            {"seed": 1},
            {"shuffle": False},
            {"bucket": False},
            {"max_length": 5},
        )
    ]
    assert len(set(fingerprints)) == len(fingerprints)
    assert make().fingerprint == fingerprints[0]


# Sources alone


def test_sources_end_in_eos_and_pad():
    s1, s2, more = SOURCE.encode("s1 s2 more")
    ids = batches.sources(["s1 more", "s2"], SOURCE)
    assert ids.dtype == np.int32
    np.testing.assert_array_equal(ids, [[s1, more, EOS], [s2, EOS, PAD]])


@given(st.lists(st.lists(st.integers(1, 9), max_size=4), min_size=1, max_size=4))
def test_padding_keeps_every_sequence_on_the_left(sequences):
    array = batches.pad(sequences)
    assert array.shape == (len(sequences), max(map(len, sequences)))
    for row, sequence in zip(array.tolist(), sequences, strict=True):
        assert row == sequence + [PAD] * (len(row) - len(sequence))


# Bad input


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pairs": []}, "pairs must hold at least one pair"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size .* Received: 2.5"),
        ({"pairs": [Pair(" ", "t1")]}, "every source must hold a token.*' '"),
        ({"pairs": [Pair("s1", "")]}, "every target must hold a token.*''"),
        ({"max_length": 1}, "max_length=1 drops all of the 23 pairs; .* needs 2"),
    ],
)
def test_bad_input_is_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_sources_of_nothing_are_refused():
    with pytest.raises(ValueError, match="texts must hold at least one"):
        batches.sources([], SOURCE)
    with pytest.raises(ValueError, match="every text must hold a token"):
        batches.sources(["s1", "  "], SOURCE)
