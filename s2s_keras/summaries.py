"""Scores of summaries: overlap, novelty, repetition, and what was copied."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence

from rouge_score.rouge_scorer import RougeScorer

from s2s_keras.arguments import check_list, check_whole
from s2s_keras.text import SPACE

_SENTENCE_END = re.compile(r"(?<=[.!?。！？])\s+")


@dataclasses.dataclass(frozen=True)
class Rouge:
    """The ROUGE scores of a corpus, as F1 from 0 to 100.

    Attributes:
        one: ROUGE-1, of single words.
        two: ROUGE-2, of two consecutive words.
        longest: ROUGE-L, of the longest common subsequence.
    """

    one: float
    two: float
    longest: float

    def __str__(self) -> str:
        return (
            f"ROUGE-1 {self.one:.1f}, ROUGE-2 {self.two:.1f}, ROUGE-L "
            f"{self.longest:.1f}"
        )


def rouge(
    hypotheses: Sequence[str], references: Sequence[str], *, stemmer: bool = True
) -> Rouge:
    """Measures how many words summaries share with their references.

    ROUGE (Lin 2004, https://aclanthology.org/W04-1013) by the library `rouge-score`:
    the mean of the texts' F1, which counts precision as much as recall. Words are runs
    of the letters a to z and of digits, without case; so this is for English.

    Args:
        hypotheses: the system's summaries.
        references: for each hypothesis its reference.
        stemmer: also reduces words of more than three letters to their stems (Porter
            1980), as See et al. 2017 did: "returns" then equals "return".

    Returns:
        The scores, from 0 to 100.

    Raises:
        TypeError: a text is not a string.
        ValueError: there are none, or their numbers differ.
    """
    hypotheses, references = _checked(hypotheses=hypotheses, references=references)
    names = ("rouge1", "rouge2", "rougeL")
    scorer = RougeScorer(names, use_stemmer=stemmer)
    scores = list(map(scorer.score, references, hypotheses))
    means = (sum(each[name].fmeasure for each in scores) for name in names)
    return Rouge(*(100 * total / len(scores) for total in means))


def lead(sources: Sequence[str], sentences: int = 1) -> list[str]:
    """Summarizes each text by its first sentences: a baseline that is hard to beat.

    Args:
        sources: the texts. A sentence ends at a period, an exclamation mark or a
            question mark with a space after it, or where the text ends.
        sentences: how many to take, at least 1.

    Returns:
        The summaries.

    Raises:
        TypeError: a text is not a string.
        ValueError: there are none, or `sentences` is not positive.
    """
    check_whole("sentences", sentences, 1)
    (sources,) = _checked(sources=sources)
    return [" ".join(_SENTENCE_END.split(text)[:sentences]) for text in sources]


def novel_ngrams(hypotheses: Sequence[str], sources: Sequence[str], n: int) -> float:
    """Counts the n-grams of summaries that do not stand in their own sources.

    How abstractive a system is: 0 for one that only copies passages (See et al. 2017,
    https://aclanthology.org/P17-1099, Figure 6).

    Args:
        hypotheses: the system's summaries. Words stand between spaces.
        sources: for each hypothesis the text that it summarizes.
        n: how many consecutive words make an n-gram.

    Returns:
        The share of all n-grams of all hypotheses, from 0 to 1; 0 if there is no
        n-gram.

    Raises:
        TypeError: a text is not a string.
        ValueError: there are none, their numbers differ, or `n` is not positive.
    """
    hypotheses, sources = _checked(hypotheses=hypotheses, sources=sources)
    novel = total = 0
    for hypothesis, source in zip(hypotheses, sources, strict=True):
        known = set(_ngrams(source, n))
        is_novel = [ngram not in known for ngram in _ngrams(hypothesis, n)]
        novel += sum(is_novel)
        total += len(is_novel)
    return novel / total if total else 0.0


def repeated_ngrams(hypotheses: Sequence[str], n: int) -> float:
    """Counts the n-grams of summaries that came earlier in the same summary.

    What coverage is meant to prevent (See et al. 2017,
    https://aclanthology.org/P17-1099, Figure 4). Compare with the references: some
    words come twice in good summaries too.

    Args:
        hypotheses: the system's summaries. Words stand between spaces.
        n: how many consecutive words make an n-gram.

    Returns:
        The share of all n-grams of all hypotheses, from 0 to 1; 0 if there is no
        n-gram.

    Raises:
        TypeError: a text is not a string.
        ValueError: there are none, or `n` is not positive.
    """
    (hypotheses,) = _checked(hypotheses=hypotheses)
    counts = [Counter(_ngrams(hypothesis, n)) for hypothesis in hypotheses]
    total = sum(count.total() for count in counts)
    return 1 - sum(map(len, counts)) / total if total else 0.0


def copy_accuracy(
    hypotheses: Sequence[str], references: Sequence[str], vocabulary: Collection[str]
) -> float:
    """Counts the words outside a vocabulary that the hypotheses get right.

    A model without copying gets none: it cannot write what its vocabulary lacks.

    Args:
        hypotheses: the system's texts. Words stand between spaces.
        references: for each hypothesis its reference.
        vocabulary: the words that a model can write without copying, such as
            `tokenizer.vocabulary`; a mark "▁" in front is dropped.

    Returns:
        The share, from 0 to 1, of all the references' words outside the vocabulary
        that stand in their hypotheses too, wherever they stand. A word that the
        reference has twice counts twice if the hypothesis has it twice.

    Raises:
        TypeError: a text is not a string, or `vocabulary` is one.
        ValueError: there are none, their numbers differ, or no reference has a word
            outside the vocabulary.
    """
    hypotheses, references = _checked(hypotheses=hypotheses, references=references)
    check_list("vocabulary", vocabulary)
    known = {word.removeprefix(SPACE) for word in vocabulary}
    found = total = 0
    for hypothesis, reference in zip(hypotheses, references, strict=True):
        unknown = Counter(word for word in reference.split() if word not in known)
        found += (unknown & Counter(hypothesis.split())).total()
        total += unknown.total()
    if not total:
        raise ValueError(
            "references must hold a word outside the vocabulary. Received: "
            f"{len(references)} references and {len(known)} words that cover them."
        )
    return found / total


def _ngrams(text: str, n: int) -> Iterator[tuple[str, ...]]:
    check_whole("n", n, 1)
    words = text.split()
    return (tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def _checked(**texts: Sequence[str]) -> list[list[str]]:
    """Returns lists of as many texts each."""
    for name, given in texts.items():
        check_list(name, given)
        texts[name] = list(given)
        for index, text in enumerate(texts[name]):
            if not isinstance(text, str):
                raise TypeError(
                    f"{name}[{index}] must be a string. Received: {text!r} of type "
                    f"{type(text).__name__}."
                )
    (name, first), *others = texts.items()
    for other, given in others:
        if len(given) != len(first):
            raise ValueError(
                f"{other} must hold one text for each of {name}. Received: "
                f"{len(first)} {name} and {len(given)} {other}."
            )
    if not first:
        raise ValueError(f"{name} must not be empty. Received: 0 {name}.")
    return list(texts.values())
