import dataclasses
import itertools
import math
import re
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_keras import corpora, evaluation
from s2s_keras.records import Pair

HYPOTHESES = ["the cat sat on the mat today", "a dog ran fast"]
REFERENCES = [
    ["the cat sat on the red mat", "the cat is on the mat today"],
    ["a dog runs very fast", "one dog ran fast"],
]


def ngrams(units, order):
    return Counter(tuple(units[i : i + order]) for i in range(len(units) - order + 1))


def bleu_by_definition(hypotheses, references):
    """Papineni et al. 2002, equations 1 to 3, on texts split at spaces."""
    matched, found = np.zeros(4), np.zeros(4)
    hypothesis_length = reference_length = 0
    for hypothesis, several in zip(hypotheses, references, strict=True):
        hypothesis, several = hypothesis.split(), [one.split() for one in several]
        hypothesis_length += len(hypothesis)
        reference_length += min(
            (abs(len(one) - len(hypothesis)), len(one)) for one in several
        )[1]
        for order in range(1, 5):
            counts = ngrams(hypothesis, order)
            most = Counter()
            for one in several:
                most |= ngrams(one, order)
            matched[order - 1] += sum((counts & most).values())
            found[order - 1] += sum(counts.values())
    brevity = min(1.0, math.exp(1 - reference_length / hypothesis_length))
    return 100 * brevity * np.exp(np.log(matched / found).mean())


def chrf_by_definition(hypotheses, references):
    """Popović 2015 with beta = 2 over the corpus, one reference for each text."""
    scores = []
    for order in range(1, 7):
        pairs = [
            (ngrams(hypothesis.replace(" ", ""), order), ngrams(one, order))
            for hypothesis, one in zip(hypotheses, references, strict=True)
        ]
        matched = sum(sum((found & right).values()) for found, right in pairs)
        precision = matched / sum(sum(found.values()) for found, _ in pairs)
        recall = matched / sum(sum(right.values()) for _, right in pairs)
        scores.append((precision, recall))
    precision, recall = np.mean(scores, axis=0)
    return 100 * 5 * precision * recall / (4 * precision + recall)


def edits_by_definition(source, target):
    """The Levenshtein distance, by its recursion over a table."""
    table = np.zeros((len(source) + 1, len(target) + 1), int)
    table[:, 0], table[0] = range(len(source) + 1), range(len(target) + 1)
    for i, j in itertools.product(range(len(source)), range(len(target))):
        table[i + 1, j + 1] = min(
            table[i, j + 1] + 1,
            table[i + 1, j] + 1,
            table[i, j] + (source[i] != target[j]),
        )
    return table[-1, -1]


def test_bleu_of_several_references_follows_the_definition():
    score = evaluation.bleu(HYPOTHESES, REFERENCES, tokenize="none")
    assert score.value == pytest.approx(bleu_by_definition(HYPOTHESES, REFERENCES))
    # Counted by hand, for n-grams of 1 to 4 words; both lengths have a reference.
    by_hand = 100 * (11 / 11 * 9 / 9 * 6 / 7 * 3 / 5) ** 0.25
    assert score.value == pytest.approx(by_hand)


def test_bleu_punishes_a_short_hypothesis():
    score = evaluation.bleu(["a b c d"], ["a b c d e f"], tokenize="none")
    assert score.value == pytest.approx(100 * math.exp(1 - 6 / 4))


def test_bleu_takes_a_varying_number_of_references():
    references = [REFERENCES[0], ["one dog ran fast"]]
    score = evaluation.bleu(HYPOTHESES, references, tokenize="none")
    assert score.value == pytest.approx(bleu_by_definition(HYPOTHESES, references))
    assert "nrefs:var" in score.signature


def test_one_reference_comes_as_text_or_as_a_list():
    flat = [several[0] for several in REFERENCES]
    nested = [[one] for one in flat]
    for metric in (evaluation.bleu, evaluation.chrf, evaluation.error_rate):
        assert metric(HYPOTHESES, flat) == metric(HYPOTHESES, nested)


def test_scores_carry_their_signature():
    score = evaluation.bleu(["A b c d"], ["a b c d"], lowercase=True)
    assert score.value == pytest.approx(100)
    assert score.signature.startswith("nrefs:1|case:lc|eff:no|tok:13a|smooth:exp|")
    assert str(score) == f"BLEU = 100.0 ({score.signature})"
    score = evaluation.chrf(["A b"], [["a b", "A b"]])
    assert (score.name, round(score.value)) == ("chrF2", 100)
    assert score.signature.startswith("nrefs:2|case:mixed|eff:yes|nc:6|nw:0|")


def test_bleu_splits_chinese_with_the_zh_tokenizer():
    score = evaluation.bleu(["我爱学习"], ["我爱学 习"], tokenize="zh")
    assert score.value == pytest.approx(100)


def test_chrf_follows_the_definition():
    references = [several[0].replace(" ", "") for several in REFERENCES]
    score = evaluation.chrf(HYPOTHESES, references)
    assert score.value == pytest.approx(chrf_by_definition(HYPOTHESES, references))


def test_exact_match_takes_any_reference():
    right = [["a", "b"], ["c"], "d", ["e f"]]
    assert evaluation.exact_match(["b", "c", "x", "e  f"], right) == 0.5


def test_word_error_rate_by_hand():
    # Against the nearer reference, "a b c": one replaced and one inserted word.
    assert evaluation.error_rate(["a x c d"], [["a b c", "q r s t u v"]]) == 2 / 3
    assert evaluation.error_rate(["", "a b"], ["c", "a b c"]) == 2 / 4


def test_error_rate_is_pooled_over_the_corpus():
    rate = evaluation.error_rate(["a", "a b c d e x"], ["b", "a b c d e f"])
    assert rate == pytest.approx(2 / 7)  # not the mean of 1 and 1/6


def test_of_equally_near_references_the_longest_counts():
    right = ["a b", "a b c d"]
    assert evaluation.error_rate(["a b c"], [right]) == 1 / 4
    assert evaluation.error_rate(["a b c"], [right[::-1]]) == 1 / 4


def test_character_error_rate_counts_spaces():
    assert evaluation.error_rate(["我爱你"], ["我 爱她"], "character") == 2 / 4


@pytest.mark.parametrize("tokens", [["AH", "B", "K"], [7, 0, 12]])
def test_token_error_rate_takes_strings_and_integers(tokens):
    first, second, third = tokens
    several = [[third], [first, second, third]]
    assert evaluation.error_rate([[first, third]], [several], "token") == 1 / 3
    assert evaluation.error_rate([[first, third]], [several[1]], "token") == 1 / 3
    array = np.array([first, third])
    assert evaluation.error_rate([array.tolist()], [array], "token") == 0


def test_tokens_may_hold_spaces():
    assert evaluation.error_rate([["a b", "c"]], [["a", "b", "c"]], "token") == 2 / 3


@given(st.text("abc 我", min_size=1), st.text("abc 我"))
def test_character_error_rate_follows_the_definition(reference, hypothesis):
    rate = evaluation.error_rate([hypothesis], [reference], "character")
    expected = edits_by_definition(reference, hypothesis) / len(reference)
    assert rate == pytest.approx(expected)


def test_perplexity_of_a_uniform_guess_is_the_vocabulary():
    assert evaluation.perplexity(12 * math.log(5000), 12) == pytest.approx(5000)
    assert evaluation.perplexity(0, 3) == 1
    assert evaluation.perplexity(np.float32(2), np.int64(1)) == pytest.approx(math.e**2)
    assert evaluation.perplexity(1e6, 1) == math.inf


@pytest.mark.parametrize("tokens", [0, -1, math.nan, math.inf])
def test_perplexity_needs_tokens(tokens):
    with pytest.raises(ValueError, match="tokens must be a positive number"):
        evaluation.perplexity(1.0, tokens)


@pytest.mark.parametrize("total", [math.nan, math.inf, -math.inf, -1.0])
def test_perplexity_needs_a_finite_loss(total):
    with pytest.raises(ValueError, match="must be finite and not negative"):
        evaluation.perplexity(total, 3)


# "the" and "has" have no source word of their own; "has" may go with 有.
BY_HAND = Pair(
    "桌子 有 书 。", "the table has books.", ((0, 1), (2, 3), (3, 4)), ((1, 2),)
)
ATTENTION = np.array(
    # 桌子, 有, 书, 。, EOS
    [
        [0.6, 0.1, 0.1, 0.1, 0.1],  # the: to 桌子, no gold link
        [0.7, 0.1, 0.1, 0.1, 0.0],  # table: sure
        [0.1, 0.5, 0.3, 0.1, 0.0],  # has: possible
        [0.0, 0.6, 0.4, 0.0, 0.0],  # books: one word too early
        [0.0, 0.0, 0.1, 0.2, 0.7],  # .: to EOS, no link
        [0.0, 0.0, 0.0, 0.0, 1.0],  # EOS: left out
    ]
)


def test_alignment_error_rate_by_hand():
    score = evaluation.alignment_error_rate([ATTENTION], [BY_HAND])
    # A = {(0, 1), (1, 2), (1, 3)}, S as above, P = S and (1, 2).
    assert score.error_rate == pytest.approx(1 - (1 + 2) / (3 + 3))
    assert (score.precision, score.recall) == pytest.approx((2 / 3, 1 / 3))
    assert score.mass == pytest.approx((0.7 + 0.5 + 0.4 + 0.2) / 4)
    assert (score.links, score.sure) == (3, 3)
    assert str(score) == (
        "AER = 0.500 (precision 0.667, recall 0.333, mass on gold links 0.450; "
        "3 links for 3 sure ones)"
    )


def test_links_of_words_without_a_gold_link_can_count_as_wrong():
    score = evaluation.alignment_error_rate([ATTENTION], [BY_HAND], unaligned="count")
    assert score.error_rate == pytest.approx(1 - (1 + 2) / (4 + 3))
    assert (score.precision, score.recall) == pytest.approx((2 / 4, 1 / 3))
    assert score.mass == pytest.approx((0.7 + 0.5 + 0.4 + 0.2) / 4)


def alignment_by_definition(weights, pairs, unaligned):
    """Och and Ney 2003 on one set of links each, and the mass, in plain Python."""
    made, sure, possible, mass = set(), set(), set(), []
    for number, (rows, pair) in enumerate(zip(weights, pairs, strict=True)):
        gold = [*pair.alignment, *pair.possible]
        sure.update((number, *link) for link in pair.alignment)
        possible.update((number, *link) for link in gold)
        for target, row in enumerate(rows.tolist()[:-1]):
            chosen = row.index(max(row))
            own = [source for source in range(len(row)) if (source, target) in gold]
            if own:
                mass.append(math.fsum(row[source] for source in own))
            if chosen == len(row) - 1 or not any(row):
                continue
            if own or unaligned == "count":
                made.add((number, chosen, target))
    hits = len(made & sure) + len(made & possible)
    return {
        "error_rate": 1 - hits / (len(made) + len(sure)),
        "precision": len(made & possible) / len(made) if made else 0,
        "recall": len(made & sure) / len(sure),
        "mass": math.fsum(mass) / len(mass),
        "links": len(made),
        "sure": len(sure),
    }


@st.composite
def aligned_corpora(draw):
    """Draws weights, with ties and rows of zeros, and pairs; the first link is sure."""
    weights, pairs = [], []
    for number in range(draw(st.integers(1, 3))):
        sources, targets = draw(st.integers(1, 5)), draw(st.integers(1, 4))
        every = st.tuples(st.integers(0, sources - 1), st.integers(0, targets - 1))
        sure = draw(st.sets(every, min_size=number == 0))
        possible = draw(st.sets(every))
        words = [" ".join("词" * sources), " ".join("word" for _ in range(targets))]
        pairs.append(Pair(*words, tuple(sure), tuple(possible)))
        cells = st.integers(0, 4).map(lambda quarter: quarter / 4)
        row = st.lists(cells, min_size=sources + 1, max_size=sources + 1)
        rows = draw(st.lists(row, min_size=targets + 1, max_size=targets + 1))
        weights.append(np.array(rows, "float32"))
    return weights, pairs


@given(aligned_corpora(), st.sampled_from(["ignore", "count"]))
def test_alignment_error_rate_follows_the_definition(corpus, unaligned):
    score = evaluation.alignment_error_rate(*corpus, unaligned=unaligned)
    expected = alignment_by_definition(*corpus, unaligned)
    assert vars(score) == pytest.approx(expected)


@pytest.fixture(scope="module")
def phrases():
    return corpora.load("phrasebook").test[:200]


def attention_of(pair, shift=0):
    """Spreads each target word's attention over its gold links, or beside them."""
    sources = len(pair.source.split()) + 1
    targets = max(target for _, target in (*pair.alignment, *pair.possible)) + 2
    rows = np.zeros((targets, sources))
    rows[-1, -1] = 1
    for source, target in pair.possible or pair.alignment:
        rows[target, (source + shift) % (sources - 1)] = 0.1
    for source, target in pair.alignment:
        rows[target, (source + shift) % (sources - 1)] = 1
    return rows / rows.sum(axis=1, keepdims=True)


def test_attention_on_the_gold_links_of_the_phrasebook_is_perfect(phrases):
    weights = [attention_of(pair) for pair in phrases]
    score = evaluation.alignment_error_rate(weights, phrases)
    assert (score.error_rate, score.precision, score.recall) == (0, 1, 1)
    assert score.mass == pytest.approx(1)


def test_a_target_word_finds_one_of_its_sure_links():
    pair = Pair("今天 的", "today's", ((0, 0), (1, 0)))
    rows = np.array([[0.4, 0.6, 0.0], [0.0, 0.0, 1.0]])
    score = evaluation.alignment_error_rate([rows], [pair])
    assert (score.precision, score.recall, score.mass) == (1, 0.5, 1)


def test_attention_that_is_off_by_one_finds_little(phrases):
    weights = [attention_of(pair, shift=1) for pair in phrases]
    score = evaluation.alignment_error_rate(weights, phrases)
    assert score.error_rate > 0.8 and score.mass < 0.2


def test_uniform_attention_has_the_mass_of_chance():
    weights = [np.full((6, 5), 1 / 5)]
    score = evaluation.alignment_error_rate(weights, [BY_HAND])
    assert score.mass == pytest.approx(1 / 5)
    assert score.links == 4 and score.recall == 1 / 3, "equal weights: the first"


def test_attention_that_makes_no_link_has_no_precision():
    score = evaluation.alignment_error_rate([np.zeros((6, 5))], [BY_HAND])
    assert (score.error_rate, score.precision, score.recall) == (1, 0, 0)
    assert (score.mass, score.links) == (0, 0)


def test_pairs_are_pooled_not_averaged():
    short = Pair("词", "word", ((0, 0),))
    wrong, right = np.eye(2)[::-1], ATTENTION
    pooled = evaluation.alignment_error_rate([wrong, right], [short, BY_HAND])
    assert pooled.error_rate == pytest.approx(1 - (1 + 2) / (3 + 4))


def test_float16_rows_that_round_above_1_are_weights():
    rows = np.array([[1.001, 0.0], [0.0, 1.001]], "float16")
    score = evaluation.alignment_error_rate([rows], [Pair("词", "word", ((0, 0),))])
    assert score.error_rate == 0


@pytest.mark.parametrize(
    "rows, came",
    [
        (None, "NoneType"),
        ([[1.0], [1.0, 2.0]], "list"),
        (np.ones(5), r"shape \(5,\)"),
        (np.full((6, 5), np.nan), "values from nan"),
        (ATTENTION - 0.5, "values from -0.5 to 0.5"),
        (ATTENTION * 9, "values from 0 to 9"),
    ],
)
def test_alignment_refuses_what_are_no_attention_weights(rows, came):
    with pytest.raises(ValueError, match=rf"weights\[1\] must be .*{came}"):
        evaluation.alignment_error_rate([ATTENTION, rows], [BY_HAND, BY_HAND])


def test_alignment_names_what_does_not_fit():
    def score(pair=BY_HAND, weights=ATTENTION, **settings):
        return evaluation.alignment_error_rate([weights], [pair], **settings)

    with pytest.raises(ValueError, match="2 arrays and 1 pairs"):
        evaluation.alignment_error_rate([ATTENTION, ATTENTION], [BY_HAND])
    with pytest.raises(ValueError, match=r"pairs\[0\]\.alignment must .*None"):
        score(Pair("桌子 有 书 。", "the table has books."))
    for wrong in (ATTENTION.T, ATTENTION[:-1], ATTENTION[:, :-1]):
        with pytest.raises(ValueError, match=r"must have weights of shape \(6, 5\)"):
            score(weights=wrong)
    for link in ((4, 0), (0, 5), (-1, 0)):
        pair = dataclasses.replace(BY_HAND, alignment=(link,))
        with pytest.raises(ValueError, match=re.escape(f"Received: {link}")):
            score(pair)
    with pytest.raises(ValueError, match="unaligned must be .*'drop'"):
        score(unaligned="drop")
    with pytest.raises(TypeError, match=r"pairs\[0\] must be a Pair. Received: 'a'"):
        score("a")
    with pytest.raises(ValueError, match="at least one sure link. Received: 0 pairs"):
        evaluation.alignment_error_rate([], [])
    with pytest.raises(ValueError, match="at least one sure link"):
        score(dataclasses.replace(BY_HAND, alignment=()))


def test_group_references_keeps_order_and_drops_repeats():
    pairs = [Pair("b", "1"), Pair("a", "2"), Pair("b", "3"), Pair("b", "1")]
    assert evaluation.group_references(pairs) == (["b", "a"], [["1", "3"], ["2"]])
    assert evaluation.group_references([]) == ([], [])


@pytest.mark.parametrize(
    ("pairs", "words"),
    [
        (None, "pairs must be a list. Received: None"),
        ([Pair("a", "1"), ("b", "2")], r"pairs\[1\] must be a Pair. Received: \('b'"),
    ],
)
def test_group_references_names_what_is_no_pair(pairs, words):
    with pytest.raises(TypeError, match=words):
        evaluation.group_references(pairs)


METRICS = [
    evaluation.bleu,
    evaluation.chrf,
    evaluation.exact_match,
    evaluation.error_rate,
]


@pytest.mark.parametrize("metric", METRICS)
def test_bad_input_is_named(metric):
    with pytest.raises(ValueError, match="2 hypotheses and 1 references"):
        metric(["a", "b"], ["a"])
    with pytest.raises(ValueError, match="hypotheses must not be empty"):
        metric([], [])
    with pytest.raises(ValueError, match=r"references\[1\] must hold at least one"):
        metric(["a", "b"], ["a", []])
    with pytest.raises(TypeError, match="references must be a list"):
        metric(["a"], "a")
    with pytest.raises(TypeError, match=r"hypotheses\[0\] must be a string.*3"):
        metric([3], ["a"])
    with pytest.raises(TypeError, match=r"references\[0\] must be a string.*None"):
        metric(["a"], [None])


def test_unknown_settings_are_named():
    with pytest.raises(ValueError, match=r"unit must be one of.*\[\]"):
        evaluation.error_rate(["a"], ["a"], unit=[])
    with pytest.raises(ValueError, match="unit must be one of.*'letter'"):
        evaluation.error_rate(["a"], ["a"], "letter")
    with pytest.raises(ValueError, match="tokenize must be one of.*'words'"):
        evaluation.bleu(["a"], ["a"], tokenize="words")
    with pytest.raises(ValueError, match="must not all be empty"):
        evaluation.error_rate(["a"], [""])
    with pytest.raises(TypeError, match=r"hypotheses\[0\] must be a sequence of tok"):
        evaluation.error_rate(["a b"], [["a", "b"]], "token")


def test_what_cannot_be_read_twice_is_named():
    with pytest.raises(
        TypeError, match=r"hypotheses\[0\] must be a sequence of tokens"
    ):
        evaluation.error_rate([iter([1, 2])], [[1, 2]], unit="token")
    with pytest.raises(TypeError, match="hypotheses must be a list. Received: None"):
        evaluation.bleu(None, ["a"])
    with pytest.raises(TypeError, match="tokens must be a number. Received: '2'"):
        evaluation.perplexity(3.0, "2")


def test_bleu_ends_at_100():
    assert evaluation.bleu(["a b c d e"], ["a b c d e"]).value == 100
