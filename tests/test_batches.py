"""Tests of `s2s_keras.batches`."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_keras import batches
from s2s_keras.records import Pair, Pointing
from s2s_keras.text import EOS, PAD, SOS, UNK, Tokenizer

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


# Copying

CARDS = [Pair("name Zo of Mi Zo", "Mi is Zo Bo"), Pair("is of", "the of")]
FROM, TO = Tokenizer.train(["name of is"]), Tokenizer.train(["is the"])


def copying(pairs=CARDS, tokenizers=(FROM, TO), **arguments):
    arguments = {"shuffle": False, "bucket": False, "copying": True} | arguments
    return batches.make(pairs, *tokenizers, **arguments)


def test_words_that_the_target_lacks_have_ids_of_their_source():
    name, of, source_is = FROM.encode("name of is")
    target_is, the = TO.encode("is the")
    first = len(TO)  # name, Zo, of and Mi follow
    (((source, target_in), target_out, weight),) = copying()
    np.testing.assert_array_equal(
        source["ids"],
        [[name, UNK, of, UNK, UNK, EOS], [source_is, of, EOS, PAD, PAD, PAD]],
    )
    np.testing.assert_array_equal(
        source["extended_ids"],
        [
            [first, first + 1, first + 2, first + 3, first + 1, EOS],
            [target_is, first, EOS, PAD, PAD, PAD],
        ],
    )
    expected = [
        [first + 3, target_is, first + 1, UNK, EOS],
        [the, first, EOS, PAD, PAD],
    ]
    np.testing.assert_array_equal(target_out, expected)
    np.testing.assert_array_equal(target_in[:, 0], SOS)
    np.testing.assert_array_equal(target_in[0, 1:], expected[0][:-1])
    np.testing.assert_array_equal(weight, [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]])
    assert {part.dtype.name for part in (*source.values(), target_in)} == {"int32"}


def test_sources_to_copy_from_come_with_their_words():
    source, beyond = batches.copying_sources([p.source for p in CARDS], FROM, TO)
    (((expected, _), *_),) = copying()
    assert beyond == [["▁name", "▁Zo", "▁of", "▁Mi"], ["▁of"]]
    assert source.keys() == expected.keys()
    for name, ids in source.items():
        assert ids.dtype == np.int32
        np.testing.assert_array_equal(ids, expected[name])
    ids, words = batches.extended_ids("is Zo Zo the", FROM, TO)
    assert TO.decode(ids, words) == "is Zo Zo the"
    assert batches.copied_ids("Zo the Bo", TO, words) == [
        *(len(TO), *TO.encode("the"), UNK)
    ]


def test_pairs_that_are_dropped_take_their_own_words_along():
    (((source, _), target_out, _),) = copying(max_length=4)
    np.testing.assert_array_equal(source["extended_ids"][0, 1], len(TO))
    np.testing.assert_array_equal(target_out[0, 1], len(TO))
    assert len(target_out) == 1


def test_the_fingerprint_tells_copying_apart():
    others = [
        copying(),
        copying(copying=False),
        copying([Pair("name Zo of Mi Mi", "Mi is Zo Bo"), CARDS[1]]),
        copying([Pair("name Zo of Mi Zo", "Zo is Zo Bo"), CARDS[1]]),
    ]
    assert len({dataset.fingerprint for dataset in others}) == len(others)
    assert copying().fingerprint == others[0].fingerprint


@pytest.mark.parametrize("kinds", [("word", "character"), ("subword", "subword")])
def test_copying_asks_for_tokenizers_that_cut_alike(kinds):
    tokenizers = [Tokenizer.train(["name of is the"], kind) for kind in kinds]
    with pytest.raises(ValueError, match=f"must both be of kind 'word'.*{kinds[1]}"):
        copying(tokenizers=tokenizers)


# Pointing

POINTS = [
    Pointing(np.array([[0.5, 1.0], [2.0, -3.0], [4.0, 0.0]]), (2, 0)),
    Pointing(np.array([[7.0, 8.0]]), (0,)),
]


def pointing(examples=POINTS, **arguments):
    return batches.pointing(examples, **{"shuffle": False, "bucket": False} | arguments)


def test_a_batch_of_vectors_has_a_mask_and_places_for_ids():
    dataset = pointing()
    (((source, target_in), target_out, weight),) = dataset
    zero = [0.0, 0.0]
    np.testing.assert_array_equal(
        source["vectors"],
        [[[0.5, 1.0], [2.0, -3.0], [4.0, 0.0], zero], [[7.0, 8.0], zero, zero, zero]],
    )
    np.testing.assert_array_equal(source["mask"], [[1, 1, 1, 1], [1, 1, 0, 0]])
    np.testing.assert_array_equal(target_out, [[6, 4, EOS], [4, EOS, PAD]])
    np.testing.assert_array_equal(target_in, [[SOS, 6, 4], [SOS, 4, PAD]])
    np.testing.assert_array_equal(weight, [[1, 1, 1], [1, 1, 0]])
    assert (source["vectors"].dtype, source["mask"].dtype) == ("float32", "bool")
    assert (dataset.report.pairs, dataset.report.batches) == (2, 1)
    assert dataset.report.padding == pytest.approx(3 / 14)
    alone = batches.pointing_sources([example.source for example in POINTS])
    for name, part in source.items():
        assert alone[name].dtype == part.dtype
        np.testing.assert_array_equal(alone[name], part)
    assert batches.places(target_out) == [[2, 0], [0]]


def test_words_may_be_pointed_at():
    examples = [Pointing(("of", "Zo", "is"), (1, 1)), Pointing(("is",), ())]
    (((source, _), target_out, _),) = pointing(examples, source_tokenizer=FROM)
    (of, word_is) = FROM.encode("of is")
    expected = [[of, UNK, word_is, EOS], [word_is, EOS, PAD, PAD]]
    np.testing.assert_array_equal(source, expected)
    np.testing.assert_array_equal(target_out, [[5, 5, EOS], [EOS, PAD, PAD]])
    alone = batches.pointing_sources([example.source for example in examples], FROM)
    np.testing.assert_array_equal(alone, expected)


def test_every_epoch_points_at_the_same_items_in_another_order():
    random = np.random.default_rng(0)
    examples = [
        Pointing(np.full((n, 1), n) + np.arange(n)[:, None] / 10, (n - 1,))
        for n in random.integers(1, 9, COUNT)
    ]
    dataset = pointing(examples, batch_size=4, shuffle=True, bucket=True)
    orders = []
    for epoch in range(2):
        dataset.epoch.assign(epoch)
        orders.append([])
        for (source, _), target_out, _ in dataset:
            for vectors, mask, row in zip(*source.values(), target_out, strict=True):
                items = mask.numpy().sum() - 1
                assert int(vectors[0, 0]) == items and row[0] == 4 + items - 1
                orders[-1].append(int(items))
    assert orders[0] != orders[1]
    assert (
        sorted(orders[0])
        == sorted(orders[1])
        == sorted(len(example.source) for example in examples)
    )


def test_the_fingerprint_tells_items_and_places_apart():
    moved = Pointing(POINTS[0].source + 1e-3, POINTS[0].target)
    other = Pointing(POINTS[0].source, (0, 2))
    flat = [Pointing(np.array([[1.0], [2.0], [0.0]]), (0,))]
    wide = [Pointing(np.array([[1.0, 2.0]]), (0,))]
    datasets = [
        pointing(),
        pointing([moved, POINTS[1]]),
        pointing([other, POINTS[1]]),
        pointing(seed=1),
        pointing(flat),
        pointing(wide),
    ]
    assert len({dataset.fingerprint for dataset in datasets}) == len(datasets)
    assert pointing().fingerprint == datasets[0].fingerprint


@pytest.mark.parametrize(
    "examples, tokenizer, message",
    [
        ([], None, "at least one source. Received none"),
        ([Pointing(np.zeros((0, 2)), ())], None, "source 0 must be finite numbers"),
        ([Pointing(np.zeros(3), (0,))], None, r"source 0 .* Received: shape \(3,\)"),
        ([POINTS[0], Pointing(np.full((1, 2), np.nan), ())], None, "source 1 .*finite"),
        (
            [POINTS[0], Pointing(np.zeros((1, 3)), ())],
            None,
            "source 1 must have 2 features.* Received: 3",
        ),
        ([Pointing(("a", "b"), (0,))], None, "source 0 .* words need a source_tokeniz"),
        ([Pointing((), ())], FROM, "source 0 must hold words of one token each"),
        ([Pointing(("of", "is of"), ())], FROM, r"source 0 .* of \[1, 2\] tokens"),
        ([Pointing(("of is", ""), ())], FROM, r"source 0 .* of \[2, 0\] tokens"),
        (
            [POINTS[1], Pointing(POINTS[0].source, (0, 3))],
            None,
            r"examples\[1\].target must hold places from 0 to 2, .* \[0, 3\]",
        ),
        ([Pointing(POINTS[0].source, (-1,))], None, r"examples\[0\].target .* \[-1\]"),
        (
            [Pointing(POINTS[0].source, (1.0,))],
            None,
            r"examples\[0\].target .* \[1.0\]",
        ),
    ],
    ids=str,
)
def test_what_cannot_be_pointed_at_is_named(examples, tokenizer, message):
    with pytest.raises(ValueError, match=message):
        pointing(examples, source_tokenizer=tokenizer)
    if "target" not in message:
        with pytest.raises(ValueError, match=message):
            batches.pointing_sources([e.source for e in examples], tokenizer)


# Bad input


@pytest.mark.parametrize(
    "pairs, message",
    [
        ([Pair("s1", "t1"), ("s1", "t1")], r"pairs\[1\] must be a Pair. .*'t1'"),
        (None, "pairs must be a list. Received: None"),
        ([Pair(None, "t1")], r"pairs\[0\].source must be a string. Received: None"),
        ([Pair("s1", 3)], r"pairs\[0\].target must be a string. Received: 3"),
    ],
)
def test_what_are_no_pairs_of_texts_is_named(pairs, message):
    with pytest.raises(TypeError, match=message):
        make(pairs=pairs)


def test_one_string_is_no_list_of_texts():
    for read in (
        lambda: batches.sources("s1 s2", SOURCE),
        lambda: batches.copying_sources("s1 s2", SOURCE, TARGET),
        lambda: batches.pointing_sources(["of"], FROM),
    ):
        with pytest.raises(TypeError, match="must be a list. Received: one string"):
            read()


def test_texts_may_come_one_by_one_or_as_an_array():
    expected = batches.sources(["s1", "s2"], SOURCE)
    for texts in (iter(["s1", "s2"]), np.array(["s1", "s2"])):
        np.testing.assert_array_equal(batches.sources(texts, SOURCE), expected)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"pairs": []}, "pairs must hold at least one pair"),
        ({"batch_size": 0}, "batch_size must be a whole number of at least 1"),
        ({"batch_size": 2.5}, "batch_size .* Received: 2.5"),
        ({"pairs": [Pair(" ", "t1")]}, "every source must hold a token.*' '"),
        ({"pairs": [Pair("s1", "")]}, "every target must hold a token.*''"),
        ({"max_length": 1}, "max_length=1 drops all of the 23 pairs; .* needs 2"),
        ({"max_length": "5"}, "max_length must be a whole number .* Received: '5'"),
        ({"seed": -1}, "seed must be a whole number of at least 0. Received: -1"),
        ({"shuffle": "no"}, "shuffle must be True or False. Received: 'no'"),
        ({"bucket": None}, "bucket must be True or False. Received: None"),
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
