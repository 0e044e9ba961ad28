"""Tests of the corpus `copying`: what can be learned, and what must be copied."""

import collections
import hashlib
import re

import pytest

from s2s_keras import corpora
from s2s_keras.text import UNK, Tokenizer

CODE = re.compile(r"(?=.*\d)(?=.*-)[A-Z\d-]+|\d{5}")


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("copying")


def every_pair(corpus):
    return corpus.train + corpus.valid + corpus.test


def words(pairs):
    return {word for pair in pairs for word in f"{pair.source} {pair.target}".split()}


def counts(corpus):
    """In how many pairs each word stands."""
    return collections.Counter(
        word for pair in every_pair(corpus) for word in words([pair])
    )


def fields_of(source):
    fields = [field.split(" : ") for field in source.split(" ; ")]
    assert len(dict(fields)) == len(fields)
    return dict(fields)


def test_the_splits_have_their_sizes_and_share_no_text(corpus):
    splits = (corpus.train, corpus.valid, corpus.test)
    assert tuple(map(len, splits)) == (8_000, 500, 500)
    for side in ("source", "target"):
        assert len({getattr(pair, side) for pair in every_pair(corpus)}) == 9_000


def test_every_name_and_code_occurs_in_one_pair_only(corpus):
    learned = words(corpus.train)
    by_count = counts(corpus)
    for pairs in (corpus.valid, corpus.test):
        new = words(pairs) - learned
        assert all(by_count[word] == 1 for word in new)
        for pair in pairs:
            assert len(words([pair]) & new) >= 2
    # The words of all splits are few, and each is learned often.
    common = {word for word, count in by_count.items() if count > 1}
    assert len(common) < 150
    assert common <= learned
    assert min(by_count[word] for word in common) > 100
    assert not any(CODE.fullmatch(word) for word in common)


def test_every_target_copies_what_no_other_pair_has(corpus):
    by_count = counts(corpus)
    for pair in every_pair(corpus):
        unknown = [word for word in pair.target.split() if by_count[word] == 1]
        assert len(unknown) >= 2
        assert set(unknown) <= set(pair.source.split())


def test_every_target_says_something_in_other_words(corpus):
    for pair in every_pair(corpus):
        new = set(pair.target.split()) - set(pair.source.split())
        assert any(word.isalpha() for word in new)


def test_the_source_decides_the_sentence(corpus):
    """With names and codes replaced by the keys of their fields, it is a function."""
    by_count = counts(corpus)
    sentences = collections.defaultdict(set)
    for pair in every_pair(corpus):
        marks, asked = {}, []
        for key, value in sorted(fields_of(pair.source).items()):
            for number, word in enumerate(value.split()):
                if by_count[word] == 1:
                    marks[word] = f"<{key} {number}>"
            asked.append((key, *(marks.get(word, word) for word in value.split())))
        sentence = " ".join(marks.get(word, word) for word in pair.target.split())
        sentences[tuple(asked)].add(sentence)
    assert {len(several) for several in sentences.values()} == {1}
    assert len({sentence for (sentence,) in sentences.values()}) > 500


def test_fields_come_in_any_order(corpus):
    keys = [tuple(fields_of(pair.source)) for pair in corpus.train]
    assert {"name", "order", "guest", "track", "held", "job", "payer"} < {
        key for several in keys for key in several
    }
    orders = collections.Counter(
        each for each in keys if set(each) == {"parcel", "sender", "receiver"}
    )
    assert len(orders) == 6 and min(orders.values()) > 30


def test_some_fields_are_not_asked_for(corpus):
    left_out = [
        pair
        for pair in corpus.test
        if any(
            not set(value.split()) & set(pair.target.split())
            for value in fields_of(pair.source).values()
            if CODE.fullmatch(value)
        )
    ]
    assert 10 < len(left_out) < 250


def test_the_word_tokenizer_sees_each_word_as_one_token(corpus):
    tokenizer = Tokenizer.train(
        [text for pair in corpus.train for text in (pair.source, pair.target)],
        vocabulary_size=150,
    )
    by_count = counts(corpus)
    for pair in every_pair(corpus):
        for text in (pair.source, pair.target):
            ids = tokenizer.encode(text)
            assert len(ids) == len(text.split())
            for token, word in zip(ids, text.split(), strict=True):
                if by_count[word] > 1:
                    assert token != UNK
            assert UNK in ids


def test_the_pairs_are_the_same_on_every_machine(corpus):
    lines = "".join(f"{pair.source}\t{pair.target}\n" for pair in every_pair(corpus))
    assert hashlib.sha256(lines.encode()).hexdigest()[:16] == "6e5c15d26974016d"
