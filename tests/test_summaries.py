"""Tests of the scores of summaries, by hand and against the definitions."""

import itertools
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_keras import summaries
from s2s_keras.text import Tokenizer

texts = st.lists(st.sampled_from("abcd"), max_size=8).map(" ".join)
corpora = st.lists(st.tuples(texts, texts), min_size=1, max_size=5)
sizes = st.integers(1, 3)


def grams(text, n):
    words = text.split()
    return [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]


def f1(common, hypothesis, reference):
    if not common:
        return 0
    precision, recall = Fraction(common, hypothesis), Fraction(common, reference)
    return 2 * precision * recall / (precision + recall)


def longest_common(one, other):
    """The length of the longest subsequence of one that the other has, by trying."""
    for length in range(len(one), 0, -1):
        for chosen in itertools.combinations(one, length):
            rest = iter(other)
            if all(word in rest for word in chosen):
                return length
    return 0


@given(corpora)
def test_rouge_follows_the_definition(pairs):
    hypotheses, references = zip(*pairs, strict=True)
    expected = [0, 0, 0]
    for hypothesis, reference in pairs:
        for n in (1, 2):
            one, other = (Counter(grams(text, n)) for text in (hypothesis, reference))
            expected[n - 1] += f1((one & other).total(), one.total(), other.total())
        one, other = hypothesis.split(), reference.split()
        expected[2] += f1(longest_common(one, other), len(one), len(other))
    score = summaries.rouge(hypotheses, references)
    found = [score.one, score.two, score.longest]
    assert found == pytest.approx([100 * float(each) / len(pairs) for each in expected])


def test_rouge_by_hand():
    score = summaries.rouge(["The cat sat."], ["the cat sits there"], stemmer=False)
    # 2 of 3 and of 4 words, 1 of 2 and of 3 pairs, 2 words in order
    assert score.one == pytest.approx(100 * 4 / 7)
    assert score.two == pytest.approx(100 * 2 / 5)
    assert score.longest == pytest.approx(100 * 4 / 7)
    assert str(score) == "ROUGE-1 57.1, ROUGE-2 40.0, ROUGE-L 57.1"


def test_rouge_can_compare_stems():
    given = (["returns the values"], ["return a value"])
    assert summaries.rouge(*given).one == pytest.approx(100 * 2 / 3)
    assert summaries.rouge(*given, stemmer=False).one == 0


def test_lead_takes_the_first_sentences():
    sources = [
        "it is quick . is it ? version 1.5 is .",
        "Ends here! And goes on.",
        "has no end",
        "你好。 再见。",
    ]
    assert summaries.lead(sources) == [
        "it is quick .",
        "Ends here!",
        "has no end",
        "你好。",
    ]
    assert summaries.lead(sources[:2], sentences=2) == [
        "it is quick . is it ?",
        "Ends here! And goes on.",
    ]
    assert summaries.lead(sources[:1], sentences=9) == sources[:1]


@given(corpora, sizes)
def test_novel_ngrams_follow_the_definition(pairs, n):
    hypotheses, sources = zip(*pairs, strict=True)
    every = [
        gram not in grams(source, n)
        for hypothesis, source in pairs
        for gram in grams(hypothesis, n)
    ]
    expected = sum(every) / len(every) if every else 0
    assert summaries.novel_ngrams(hypotheses, sources, n) == pytest.approx(expected)


def test_novel_ngrams_by_hand():
    hypotheses, sources = ["a b c", "d d"], ["b c a", "a b c"]
    assert summaries.novel_ngrams(hypotheses, sources, 1) == 2 / 5
    assert summaries.novel_ngrams(hypotheses, sources, 2) == 2 / 3  # "b c" is known
    assert summaries.novel_ngrams(hypotheses, sources, 4) == 0


@given(corpora, sizes)
def test_repeated_ngrams_follow_the_definition(pairs, n):
    hypotheses = [hypothesis for hypothesis, _ in pairs]
    every = [
        gram in grams(hypothesis, n)[:place]
        for hypothesis in hypotheses
        for place, gram in enumerate(grams(hypothesis, n))
    ]
    expected = sum(every) / len(every) if every else 0
    assert summaries.repeated_ngrams(hypotheses, n) == pytest.approx(expected)


def test_repeated_ngrams_by_hand():
    hypotheses = ["a b a b a", "a b"]
    assert summaries.repeated_ngrams(hypotheses, 1) == pytest.approx(3 / 7)
    assert summaries.repeated_ngrams(hypotheses, 2) == pytest.approx(2 / 5)
    assert summaries.repeated_ngrams(hypotheses, 9) == 0


def test_copy_accuracy_counts_multiplicity():
    known = {"the", "of"}
    references = ["the Vela of Vela", "Quis the Tor", "the of"]
    hypotheses = ["Vela the Vela Vela", "the Tor Zor", "of Tor"]
    assert summaries.copy_accuracy(hypotheses, references, known) == 3 / 4
    once = ["Vela of", "the Tor Zor", "of Tor"]
    assert summaries.copy_accuracy(once, references, known) == 2 / 4
    assert summaries.copy_accuracy(references, references, known) == 1


def test_copy_accuracy_takes_the_vocabulary_of_a_tokenizer():
    vocabulary = Tokenizer.train(["the man of"]).vocabulary
    accuracy = summaries.copy_accuracy(["the Vela"], ["of Vela"], vocabulary)
    assert accuracy == 1
    with pytest.raises(ValueError, match="a word outside the vocabulary. Received: 1 "):
        summaries.copy_accuracy(["the man"], ["the man"], vocabulary)


SCORES = [
    summaries.rouge,
    lambda hypotheses, others: summaries.novel_ngrams(hypotheses, others, 1),
    lambda hypotheses, others: summaries.copy_accuracy(hypotheses, others, set()),
]


@pytest.mark.parametrize("score", SCORES)
def test_bad_texts_are_named(score):
    with pytest.raises(ValueError, match="2 hypotheses and 1 (references|sources)"):
        score(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="hypotheses must not be empty"):
        score([], [])
    with pytest.raises(TypeError, match="hypotheses must be a list. Received: one"):
        score("a", ["a"])
    with pytest.raises(TypeError, match=r"(references|sources)\[1\] must be a string"):
        score(["a", "b"], ["a", None])


def test_bad_numbers_are_named():
    with pytest.raises(ValueError, match="sentences must be a whole number"):
        summaries.lead(["a"], sentences=0)
    with pytest.raises(ValueError, match="n must be a whole number .* Received: 0"):
        summaries.repeated_ngrams(["a"], 0)
    with pytest.raises(ValueError, match="n must be a whole number .* Received: -1"):
        summaries.novel_ngrams(["a"], ["a"], -1)
