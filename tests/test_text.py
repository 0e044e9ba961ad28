import copy
import functools
import json
import os
import pathlib
import pickle
import subprocess
import sys
import tempfile
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_keras import corpora
from s2s_keras.text import EOS, KINDS, PAD, SOS, SPECIAL_TOKENS, UNK, Tokenizer

TEXTS = [
    "老师 ， 您 好 ！",
    "我 爱 学习 人工智能 。",
    "KaGe likes XiaoBing.",
    "Neural-Nets are complex, don't you think?",
    "Un café – “naïve” été…  <eos><eos><eos> <unk>",
]
TOKENIZERS = {kind: Tokenizer.train(TEXTS, kind) for kind in KINDS}

each_kind = pytest.mark.parametrize("kind", KINDS)


@functools.cache
def is_chinese(character):
    name = unicodedata.name(character, "")
    return name.startswith(("CJK UNIFIED", "IDEOGRAPHIC", "FULLWIDTH")) or (
        "《" <= character <= "】"
    )


def normalized(text, kind):
    """The normalization that `Tokenizer` states, one character after the other."""
    words = unicodedata.normalize("NFC", text).replace("▁", " ").split()
    if kind == "word":
        return " ".join(words)
    line = "".join(words[:1])
    for word in words[1:]:
        beside = is_chinese(line[-1]) or is_chinese(word[0])
        line += word if beside else " " + word
    return line


def assert_round_trips(lines):
    for kind in KINDS:
        tokenizer = Tokenizer.train(lines, kind, 50_000)
        assert all(tokenizer.tokens(range(len(tokenizer))))
        for line in dict.fromkeys(lines):
            ids = tokenizer.encode(line)
            assert UNK not in ids
            assert tokenizer.decode(ids) == normalized(line, kind)


def test_special_ids_are_the_first_four():
    assert (PAD, SOS, EOS, UNK) == (0, 1, 2, 3)
    for tokenizer in TOKENIZERS.values():
        assert tokenizer.vocabulary[:4] == SPECIAL_TOKENS
        assert tokenizer.tokens(range(4)) == ["<pad>", "<sos>", "<eos>", "<unk>"]
        assert len(set(tokenizer.vocabulary)) == len(tokenizer.vocabulary)


# Every fifth caption of multi30k keeps this short.
@pytest.mark.parametrize("name, step", [("hsk", 1), ("tatoeba", 1), ("multi30k", 5)])
def test_corpus_lines_round_trip(name, step):
    if name != "hsk" and "S2S_KERAS_DATA" not in os.environ:
        pytest.skip(f"{name} is a download: set S2S_KERAS_DATA to a folder with it")
    corpus = corpora.load(name)
    pairs = (corpus.train + corpus.valid + corpus.test)[::step]
    assert_round_trips([pair.source for pair in pairs])
    assert_round_trips([pair.target for pair in pairs])


def test_words_stand_between_spaces_and_punctuation():
    tokenizer = TOKENIZERS["word"]
    ids = tokenizer.encode("Neural-Nets don't likes café, 老师 您！")
    expected = ["Neural-Nets", "don't", "likes", "café", ",", "老师", "您", "！"]
    assert tokenizer.tokens(ids)[:-1] == expected[:-1]
    ids = tokenizer.encode("老师 ， 您 好 ！")
    assert tokenizer.tokens(ids) == ["老师", "，", "您", "好", "！"]


def test_words_are_the_same_token_at_the_start_of_a_text():
    tokenizer = TOKENIZERS["word"]
    assert tokenizer.encode("KaGe likes") == tokenizer.encode("likes KaGe")[::-1]


def test_characters_and_subwords_show_their_spaces():
    tokenizer = TOKENIZERS["character"]
    assert tokenizer.tokens(tokenizer.encode("I a")) == ["<unk>", "▁", "a"]
    tokenizer = Tokenizer.train(["low low lower lower newer"], "subword", 20)
    tokens = tokenizer.tokens(tokenizer.encode("low lower"))
    assert "".join(tokens) == "▁low▁lower" and len(tokens) < len("▁low▁lower")


@pytest.mark.parametrize("kind", ["character", "subword"])
def test_segmented_and_plain_chinese_give_the_same_ids(kind):
    tokenizer = TOKENIZERS[kind]
    ids = tokenizer.encode("老师 ， 您 好 ！")
    assert ids == tokenizer.encode("老师，您好！")
    assert tokenizer.decode(ids) == "老师，您好！"
    assert tokenizer.decode(tokenizer.encode("are you")) == "are you"


@each_kind
def test_composed_and_decomposed_letters_give_the_same_ids(kind):
    tokenizer = TOKENIZERS[kind]
    assert tokenizer.encode("cafe\u0301") == tokenizer.encode("caf\u00e9")


@each_kind
def test_a_literal_special_token_is_text(kind):
    text = "<eos> <pad> <sos>"
    tokenizer = Tokenizer.train([text] * 50, kind)
    ids = tokenizer.encode(text)
    assert min(ids) > UNK
    assert tokenizer.decode(ids) == text
    assert min(tokenizer.encode("<unk>")[:1]) > UNK
    assert not set(SPECIAL_TOKENS) & set(tokenizer.vocabulary[4:])
    for again in (copy.deepcopy(tokenizer), pickle.loads(pickle.dumps(tokenizer))):
        assert again == tokenizer and again.encode(text) == ids


@each_kind
def test_a_vocabulary_may_be_as_large_as_it_likes(kind):
    large, all_of_it = (
        Tokenizer.train(["a b a c d d"], kind, size) for size in (10**30, 100)
    )
    assert large == all_of_it


@each_kind
@pytest.mark.parametrize("space", ["\x1c", "\x1f", "\x85", "\u2029"])
def test_what_python_splits_at_is_a_space(kind, space):
    tokenizer = TOKENIZERS[kind]
    assert tokenizer.encode(space) == []
    assert tokenizer.encode(f"the{space}book") == tokenizer.encode("the book")


def _damaged(change):
    """Returns the content of a saved tokenizer after a change of it."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "tokenizer.json")
        TOKENIZERS["word"].save(path)
        content = json.loads(path.read_text("utf-8"))
    change(content["tokenizer"])
    return json.dumps(content).encode()


DAMAGED = [
    _damaged(lambda tokenizer: tokenizer["model"].update(vocab={})),
    _damaged(lambda tokenizer: tokenizer["model"]["vocab"].update({"<unk>": 0})),
    _damaged(lambda tokenizer: tokenizer.update(normalizer=None)),
    _damaged(lambda tokenizer: tokenizer.update(pre_tokenizer=None)),
]


def test_decode_skips_special_tokens_and_writes_unknown_ones():
    word, character, subword = TOKENIZERS.values()
    assert word.decode([SOS, *word.encode("KaGe likes Zoe"), EOS, PAD, PAD]) == (
        "KaGe likes <unk>"
    )
    assert character.decode([SOS, *character.encode("like z"), EOS]) == "like <unk>"
    assert subword.decode(subword.encode("likes 猫 ok 猫")) == "likes<unk>ok<unk>"
    assert [word.decode([]), word.decode([SOS, EOS, PAD])] == ["", ""]


@each_kind
def test_blank_text_has_no_ids(kind):
    for text in ("", "  \n\t\u3000", "▁ ▁"):
        assert TOKENIZERS[kind].encode(text) == []


@each_kind
@given(text=st.text())
def test_any_text_encodes_to_known_ids(kind, text):
    tokenizer = TOKENIZERS[kind]
    ids = tokenizer.encode(text)
    assert all(UNK <= token_id < len(tokenizer) for token_id in ids)
    assert len(tokenizer.tokens(ids)) == len(ids) and all(tokenizer.tokens(ids))
    if UNK not in ids:
        assert tokenizer.encode(tokenizer.decode(ids)) == ids


SYMBOLS = "aé中，！-'’_<>▁ \u0301\u3099\u302a\u3000\x1c\x85\u200b\u20281〈"


def is_old(character):
    """The library's NFC does not know the marks that Unicode got of late."""
    return unicodedata.ucd_3_2_0.category(character) != "Cn"


LEARNT = st.text(SYMBOLS) | st.text(
    st.characters(exclude_categories=("Cs", "Cn")).filter(is_old)
)


each_kind_with_pieces = pytest.mark.parametrize("kind", ["word", "character"])


@each_kind_with_pieces
@given(text=st.text() | st.text(SYMBOLS))
def test_pieces_are_what_the_ids_stand_for(kind, text):
    tokenizer = TOKENIZERS[kind]
    pieces, ids = tokenizer.pieces(text), tokenizer.encode(text)
    assert len(pieces) == len(ids)
    for piece, token_id in zip(pieces, ids, strict=True):
        known = piece in tokenizer.vocabulary[len(SPECIAL_TOKENS) :]
        assert known == (token_id != UNK)
        assert not known or tokenizer.vocabulary[token_id] == piece


@each_kind_with_pieces
@given(text=st.text() | st.text(SYMBOLS))
def test_pieces_beyond_the_vocabulary_bring_unknown_text_back(kind, text):
    tokenizer = TOKENIZERS[kind]
    pieces = tokenizer.pieces(text)
    beyond = list(dict.fromkeys(pieces))
    ids = [len(tokenizer) + beyond.index(piece) for piece in pieces]
    decoded = tokenizer.decode(ids, beyond)
    assert tokenizer.pieces(decoded) == pieces
    tokens = tokenizer.tokens(ids, beyond)
    assert len(tokens) == len(ids) and all(tokens)


def test_words_beyond_the_vocabulary_are_written_as_they_are():
    tokenizer = TOKENIZERS["word"]
    assert tokenizer.pieces("KaGe likes Zoe-Ann, too") == (
        ["▁KaGe", "▁likes", "▁Zoe-Ann", ",", "▁too"]
    )
    size = len(tokenizer)
    beyond = ["▁Zoe-Ann", "▁too"]
    ids = [SOS, *tokenizer.encode("likes"), size, size + 1, UNK, EOS]
    assert tokenizer.decode(ids, beyond) == "likes Zoe-Ann too <unk>"
    assert tokenizer.tokens(ids[1:], beyond) == (
        ["likes", "Zoe-Ann", "too", "<unk>", "<eos>"]
    )
    with pytest.raises(ValueError, match=f"from 0 to {size + 1}: .*: {size + 2}"):
        tokenizer.decode([size + 2], beyond)
    with pytest.raises(ValueError, match="kind must be 'word' or .*'subword'"):
        TOKENIZERS["subword"].pieces("a")
    with pytest.raises(TypeError, match="text must be a string"):
        tokenizer.pieces(None)


@each_kind
@given(text=LEARNT)
def test_any_text_that_was_learnt_comes_back(kind, text):
    if not normalized(text, kind):
        return
    tokenizer = Tokenizer.train([text, "x"], kind)
    ids = tokenizer.encode(text)
    decoded = tokenizer.decode(ids)
    assert UNK not in ids
    assert tokenizer.encode(decoded) == ids
    assert "".join(decoded.split()) == "".join(normalized(text, kind).split())


@each_kind
@given(ids=st.lists(st.integers(0, 30)))
def test_any_ids_decode_and_show(kind, ids):
    tokenizer = TOKENIZERS[kind]
    assert isinstance(tokenizer.decode(ids), str)
    tokens = tokenizer.tokens(ids)
    assert len(tokens) == len(ids) and all(tokens)
    assert tokenizer.decode(np.array(ids, "int32")) == tokenizer.decode(ids)


@each_kind
def test_vocabulary_size_counts_the_special_tokens(kind):
    texts = ["a a a b b c", "中中中中文"]
    tokenizer = Tokenizer.train(texts, kind, 5)
    assert len(tokenizer) == len(tokenizer.vocabulary) == 5
    expected = {"word": "▁a", "character": "▁", "subword": "▁"}
    assert tokenizer.vocabulary[4] == expected[kind]
    assert UNK in tokenizer.encode("b")


def test_everything_is_kept_unless_told_otherwise():
    words = [f"word{i}" for i in range(5000)]
    assert len(Tokenizer.train(words, "word")) == 5004
    assert len(Tokenizer.train(words, "character")) == 4 + len("word0123456789")
    assert len(Tokenizer.train(words, "subword")) == 4000


@each_kind
def test_save_and_load_give_an_equal_tokenizer(kind, tmp_path):
    path = tmp_path / "tokenizer.json"
    path.write_text("old")
    TOKENIZERS[kind].save(path)
    loaded = Tokenizer.load(str(path))
    assert [file.name for file in tmp_path.iterdir()] == ["tokenizer.json"]
    assert loaded == TOKENIZERS[kind] and loaded.kind == kind
    assert loaded.vocabulary == TOKENIZERS[kind].vocabulary
    text = "KaGe likes <eos> and 人工智能，café"
    assert loaded.encode(text) == TOKENIZERS[kind].encode(text)
    assert loaded != Tokenizer.train(["something else"], kind)
    assert loaded != "a string"


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="path must lead .* '.*gone/one.json'"):
        TOKENIZERS["word"].save(tmp_path / "gone" / "one.json")


def test_an_interrupted_save_leaves_the_old_file(tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    path = tmp_path / "tokenizer.json"
    TOKENIZERS["word"].save(path)
    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        TOKENIZERS["subword"].save(path)
    assert list(tmp_path.iterdir()) == [path]
    assert Tokenizer.load(path) == TOKENIZERS["word"]


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"{}", b"[]", b"\xff\xfe", b'{"format": "other", "kind": "word"}'),
        *DAMAGED,
    ],
)
def test_load_names_a_file_that_is_no_tokenizer(content, tmp_path):
    path = tmp_path / "tokenizer.json"
    with pytest.raises(FileNotFoundError, match="tokenizer.json', which is not a file"):
        Tokenizer.load(path)
    path.write_bytes(content)
    with pytest.raises(ValueError, match="that Tokenizer.save wrote.*tokenizer.json"):
        Tokenizer.load(path)


def test_training_is_the_same_in_every_process(tmp_path):
    code = (
        "import pathlib, sys\n"
        "from s2s_keras.text import KINDS, Tokenizer\n"
        "texts = pathlib.Path(sys.argv[1], 'texts').read_text('utf-8').split('\\n')\n"
        "for kind in KINDS:\n"
        "    path = pathlib.Path(sys.argv[1], kind + sys.argv[2])\n"
        "    Tokenizer.train(texts, kind, 300).save(path)\n"
    )
    pairs = corpora.load("hsk").train
    texts = "\n".join(pair.source + " " + pair.target for pair in pairs)
    pathlib.Path(tmp_path, "texts").write_text(texts, "utf-8")
    root = pathlib.Path(__file__).parents[1]
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        command = [sys.executable, "-c", code, str(tmp_path), seed]
        subprocess.run(command, check=True, env=environment, cwd=root)
    for kind in KINDS:
        files = [pathlib.Path(tmp_path, kind + seed).read_bytes() for seed in "012"]
        assert files[0] == files[1] == files[2]


def test_repr_says_kind_and_size():
    text = repr(Tokenizer.train(["a a b"], "word"))
    assert text == "<Tokenizer kind='word', 6 tokens: '▁a', '▁b'>"
    assert repr(TOKENIZERS["word"]).endswith("…>")


def test_train_names_what_is_wrong():
    with pytest.raises(ValueError, match="texts must not be empty"):
        Tokenizer.train([])
    with pytest.raises(ValueError, match="2 texts, all blank"):
        Tokenizer.train(["", " "])
    with pytest.raises(TypeError, match=r"one string, 'a b'\. Pass \[text\]"):
        Tokenizer.train("a b")
    with pytest.raises(TypeError, match=r"texts\[1\] must be a string.*None"):
        Tokenizer.train(["a", None])
    with pytest.raises(ValueError, match="kind must be one of .*'words'"):
        Tokenizer.train(["a"], "words")
    for size in (4, 0, -1):
        with pytest.raises(ValueError, match=f"at least 5: the 4 .* Received: {size}"):
            Tokenizer.train(["a"], vocabulary_size=size)
    for size in (10.0, "10", True):
        with pytest.raises(TypeError, match="vocabulary_size must be an integer"):
            Tokenizer.train(["a"], vocabulary_size=size)


@each_kind
def test_encode_and_decode_name_what_is_wrong(kind):
    tokenizer = TOKENIZERS[kind]
    size = len(tokenizer)
    for text in (3, None, ["a"], b"a"):
        with pytest.raises(TypeError, match="text must be a string"):
            tokenizer.encode(text)
    with pytest.raises(ValueError, match="lone surrogate at position 1"):
        tokenizer.encode("a\ud800")
    for method in (tokenizer.decode, tokenizer.tokens):
        for token_id in (-1, size):
            with pytest.raises(ValueError, match=f"{size} tokens.*{token_id}"):
                method([5, token_id])
        for ids in (["a"], [1.5], 3, [[4, 5]]):
            with pytest.raises(TypeError, match="ids must be a sequence of integers"):
                method(ids)
