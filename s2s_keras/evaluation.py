"""Scores of whole corpora: of translations, of a loss, of attention."""

from __future__ import annotations

import dataclasses
import itertools
import math
import numbers
from collections.abc import Callable, Iterable, Sequence

import jiwer
import numpy as np
from sacrebleu.metrics import BLEU, CHRF

from s2s_keras import alignment
from s2s_keras.arguments import check_choice, check_list
from s2s_keras.records import Pair, listed_pairs

References = Sequence[str] | Sequence[Sequence[str]]


@dataclasses.dataclass(frozen=True)
class Score:
    """A corpus score, with what is needed to compare it with another one.

    Attributes:
        value: the score, from 0 to 100.
        signature: sacreBLEU's signature: references, casing, tokenization, version.
        name: "BLEU" or "chrF2".
    """

    value: float
    signature: str
    name: str

    def __str__(self) -> str:
        return f"{self.name} = {self.value:.1f} ({self.signature})"


@dataclasses.dataclass(frozen=True)
class AlignmentScore:
    """How well attention finds the known word alignments of a corpus.

    Attributes:
        error_rate: the alignment error rate (AER), from 0, which is perfect, to 1.
        precision: the share of its links that are sure or possible; 0 without links.
        recall: the share of the sure links that it made.
        mass: the share of attention that lies on gold links: the mean over target
            words that have some. No row is hardened into a link for it.
        links: how many links it made.
        sure: how many sure links there are.
    """

    error_rate: float
    precision: float
    recall: float
    mass: float
    links: int
    sure: int

    def __str__(self) -> str:
        return (
            f"AER = {self.error_rate:.3f} (precision {self.precision:.3f}, recall "
            f"{self.recall:.3f}, mass on gold links {self.mass:.3f}; {self.links:,} "
            f"links for {self.sure:,} sure ones)"
        )


def bleu(
    hypotheses: Sequence[str],
    references: References,
    *,
    lowercase: bool = False,
    tokenize: str = "13a",
) -> Score:
    """Measures how many word n-grams the hypotheses share with their references.

    BLEU of a corpus (Papineni et al. 2002, https://aclanthology.org/P02-1040), by
    sacreBLEU (Post 2018, https://aclanthology.org/W18-6319).

    Args:
        hypotheses: the system's texts, not tokenized.
        references: for each hypothesis its reference, or a list of references; their
            number may vary.
        lowercase: ignores case.
        tokenize: sacreBLEU's tokenizer: "13a" for languages with spaces, "zh" for
            Chinese, "char", "intl" or "none" (split at spaces).

    Returns:
        The score, from 0 to 100.

    Raises:
        TypeError: a hypothesis or a reference is not a string.
        ValueError: there are none, their numbers differ, or `tokenize` is unknown.
    """
    check_choice("tokenize", tokenize, sorted(BLEU.TOKENIZERS))
    # force=True only silences a warning about texts that end in " .".
    metric = BLEU(lowercase=lowercase, tokenize=tokenize, force=True)
    return _sacrebleu(metric, hypotheses, references)


def chrf(
    hypotheses: Sequence[str], references: References, *, lowercase: bool = False
) -> Score:
    """Measures how many character n-grams the hypotheses share with their references.

    chrF2 of a corpus (Popović 2015, https://aclanthology.org/W15-3049), by sacreBLEU
    (Post 2018): n-grams of 1 to 6 characters, recall weighing twice precision.

    Args:
        hypotheses: the system's texts, not tokenized.
        references: for each hypothesis its reference, or a list of references; their
            number may vary.
        lowercase: ignores case.

    Returns:
        The score, from 0 to 100.

    Raises:
        TypeError: a hypothesis or a reference is not a string.
        ValueError: there are none, or their numbers differ.
    """
    return _sacrebleu(CHRF(lowercase=lowercase), hypotheses, references)


def exact_match(hypotheses: Sequence[str], references: References) -> float:
    """Counts the hypotheses that equal one of their references.

    Args:
        hypotheses: the system's texts.
        references: for each hypothesis its reference, or a list of references.

    Returns:
        The share of exact matches, from 0 to 1.

    Raises:
        TypeError: a hypothesis or a reference is not a string.
        ValueError: there are none, or their numbers differ.
    """
    hypotheses, references = _checked(hypotheses, references, _is_text)
    matches = map(lambda text, right: text in right, hypotheses, references)
    return sum(matches) / len(hypotheses)


def error_rate(
    hypotheses: Sequence[str] | Sequence[Sequence],
    references: References | Sequence[Sequence],
    unit: str = "word",
) -> float:
    """Counts the edits that turn the references into the hypotheses.

    An edit inserts, deletes or replaces one unit (Levenshtein 1966); jiwer counts
    them. A hypothesis is compared with its nearest reference, the longest among
    equally near ones. The edits of all hypotheses are divided by the length of all
    these references, so the rate can exceed 1.

    Args:
        hypotheses: texts, or sequences of tokens for `unit="token"`.
        references: for each hypothesis its reference, or a list of references.
        unit: "word" (between spaces), "character" (spaces count) or "token" (texts
            come as sequences of strings or integers).

    Returns:
        The error rate: 0 is perfect.

    Raises:
        TypeError: a hypothesis or a reference has the wrong type for `unit`.
        ValueError: there are none, their numbers differ, `unit` is unknown, or all
            references are empty.
    """
    check_choice("unit", unit, tuple(_SPLIT))
    is_one = _is_tokens if unit == "token" else _is_text
    edits = length = 0
    for hypothesis, right in zip(
        *_checked(hypotheses, references, is_one), strict=True
    ):
        split = [_SPLIT[unit](sequence) for sequence in (hypothesis, *right)]
        nearest = min((_edits(one, split[0]), -len(one)) for one in split[1:])
        edits += nearest[0]
        length -= nearest[1]
    if length == 0:
        raise ValueError("references must not all be empty: no length to divide by.")
    return edits / length


def perplexity(total_negative_log_likelihood: float, tokens: int) -> float:
    """Turns a teacher-forced loss into a perplexity: `exp(total / tokens)`.

    Args:
        total_negative_log_likelihood: natural logarithms, summed over all target
            tokens, each token predicted from the right ones before it.
        tokens: how many target tokens there were; EOS counts, padding does not.

    Returns:
        The perplexity, at least 1: a uniform guess among V tokens has V.

    Raises:
        TypeError: one of them is no number.
        ValueError: `tokens` is not positive, or the total is negative or not finite.
    """
    total = total_negative_log_likelihood
    for name, value in (("total_negative_log_likelihood", total), ("tokens", tokens)):
        if not isinstance(value, numbers.Real):
            raise TypeError(f"{name} must be a number. Received: {value!r}.")
    total, tokens = float(total), float(tokens)
    if not (tokens > 0 and math.isfinite(tokens)):
        raise ValueError(
            f"tokens must be a positive number of target tokens. Received: {tokens:g}."
        )
    if not (total >= 0 and math.isfinite(total)):
        raise ValueError(
            "total_negative_log_likelihood must be finite and not negative. "
            f"Received: {total}. Pass minus the sum of log-probabilities; if that is "
            "not a number, training has diverged."
        )
    try:
        return math.exp(total / tokens)
    except OverflowError:
        return math.inf


def alignment_error_rate(
    weights: Iterable[np.ndarray],
    pairs: Iterable[Pair],
    *,
    unaligned: str = "ignore",
) -> AlignmentScore:
    """Compares the links that attention makes with the gold links of a corpus.

    The alignment error rate of Och and Ney 2003 (https://aclanthology.org/J03-1002,
    Section 5): with the links A, the sure links S, and S and the possible ones P,

        AER = 1 - (|A ∩ S| + |A ∩ P|) / (|A| + |S|)
        precision = |A ∩ P| / |A|
        recall = |A ∩ S| / |S|

    counted over the whole corpus. Each target word makes one link, to the source token
    with its greatest weight; none if that is EOS. The target's EOS makes no link. So a
    target word with several sure links can find one of them only.

    Args:
        weights: for each pair floats `(target_tokens + 1, source_tokens + 1)`, the
            attention of a model that was fed the pair's target; EOS stands last.
        pairs: pairs with gold links, which count words.
        unaligned: what becomes of a target word without any gold link, such as an
            article or an auxiliary that no source word calls for. "ignore" leaves its
            link out; "count" takes it for wrong.

    Returns:
        The score.

    Raises:
        TypeError: `pairs` holds something else than a `Pair`.
        ValueError: weights and pairs differ in number, a pair has no alignment, some
            weights are not attention weights of the pair's shape, there is no sure
            link at all, or `unaligned` is unknown.
    """
    check_choice("unaligned", unaligned, ("ignore", "count"))
    weights, pairs = list(weights), listed_pairs(pairs)
    if len(weights) != len(pairs):
        raise ValueError(
            "weights must hold one array for each pair. Received: "
            f"{len(weights)} arrays and {len(pairs)} pairs."
        )
    made, sure, gold = set(), set(), set()  # of links (pair, source, target)
    mass = []
    for index, (rows, pair) in enumerate(zip(weights, pairs, strict=True)):
        rows = alignment.checked_weights(rows, f"weights[{index}]")
        own_sure, own_gold = alignment.gold_links(pair, rows.shape, f"pairs[{index}]")
        targets = {target for _, target in own_gold}
        for source, target in alignment.attention_links(rows):
            if target in targets or unaligned == "count":
                made.add((index, source, target))
        sure |= {(index, *link) for link in own_sure}
        gold |= {(index, *link) for link in own_gold}
        mass += [sum(rows[t, s] for s, t in own_gold if t == word) for word in targets]
    if not sure:
        raise ValueError(
            f"pairs must hold at least one sure link. Received: {len(pairs)} pairs "
            "without any."
        )
    return AlignmentScore(
        error_rate=1 - (len(made & sure) + len(made & gold)) / (len(made) + len(sure)),
        precision=len(made & gold) / len(made) if made else 0.0,
        recall=len(made & sure) / len(sure),
        mass=float(np.mean(mass)),
        links=len(made),
        sure=len(sure),
    )


def group_references(pairs: Iterable[Pair]) -> tuple[list[str], list[list[str]]]:
    """Gathers all right answers to each source, for scores with several references.

    Args:
        pairs: pairs of texts; a source may come more than once.

    Returns:
        The distinct sources in order of appearance, and for each the list of its
        distinct targets.

    Raises:
        TypeError: `pairs` is no list, or holds something else than a `Pair`.
    """
    targets = {}
    for pair in listed_pairs(pairs):
        targets.setdefault(pair.source, {})[pair.target] = None
    return list(targets), [list(distinct) for distinct in targets.values()]


_SPLIT = {"word": str.split, "character": list, "token": list}


def _sacrebleu(metric, hypotheses: Sequence[str], references: References) -> Score:
    hypotheses, references = _checked(hypotheses, references, _is_text)
    # sacreBLEU wants one list for each "first", "second", … reference of all texts.
    streams = map(list, itertools.zip_longest(*references, fillvalue=None))
    score = metric.corpus_score(hypotheses, list(streams))
    best = min(score.score, 100.0)  # sacreBLEU's logarithms can round beyond
    return Score(best, str(metric.get_signature()), score.name)


def _edits(reference: list, hypothesis: list) -> int:
    ids = {}  # jiwer takes text: spell each unit as a number between spaces
    spelled = [
        " ".join(str(ids.setdefault(unit, len(ids))) for unit in units)
        for units in (reference, hypothesis)
    ]
    counts = jiwer.process_words(*spelled)
    return counts.substitutions + counts.deletions + counts.insertions


def _is_text(value) -> bool:
    return isinstance(value, str)


def _is_tokens(value) -> bool:
    return (
        isinstance(value, (Sequence, np.ndarray))  # what can be read twice
        and not isinstance(value, str)
        and all(isinstance(token, (str, numbers.Integral)) for token in value)
    )


def _checked(hypotheses, references, is_one: Callable) -> tuple[list, list[list]]:
    """Returns lists: the hypotheses, and the list of references of each."""
    for name, value in (("hypotheses", hypotheses), ("references", references)):
        check_list(name, value)
    hypotheses, references = list(hypotheses), list(references)
    if len(hypotheses) != len(references):
        raise ValueError(
            "references must hold one entry for each hypothesis. Received: "
            f"{len(hypotheses)} hypotheses and {len(references)} references."
        )
    if not hypotheses:
        raise ValueError("hypotheses must not be empty. Received: 0 hypotheses.")
    references = [
        [entry] if is_one(entry) or not isinstance(entry, Iterable) else list(entry)
        for entry in references
    ]
    for index, (hypothesis, several) in enumerate(
        zip(hypotheses, references, strict=True)
    ):
        if not several:
            raise ValueError(f"references[{index}] must hold at least one reference.")
        named = [("hypotheses", hypothesis), *(("references", one) for one in several)]
        for name, value in named:
            if not is_one(value):
                wanted = "a string" if is_one is _is_text else "a sequence of tokens"
                raise TypeError(
                    f"{name}[{index}] must be {wanted}. Received: {value!r} of type "
                    f"{type(value).__name__}."
                )
    return hypotheses, references
