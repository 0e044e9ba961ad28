"""What README.md says, run."""

import dataclasses
import re
import warnings
from pathlib import Path

import pytest

from s2s_keras import corpora, models, plotting, text, translator
from s2s_keras.corpora import downloads

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BAD_INPUT = re.findall(
    r"^\| [^|`]+: `([^`]+)` \| (?:[^|`]+)?`(\w+: [^`]+)` \|$", README, re.MULTILINE
)


@pytest.fixture(scope="module")
def names():
    """What the README's lines about bad input use."""
    pairs = corpora.load("toy").train
    tokenizers = [
        text.Tokenizer.train([getattr(pair, side) for pair in pairs], kind=kind)
        for side, kind in (("source", "character"), ("target", "word"))
    ]
    model = models.encoder_decoder(*map(len, tokenizers), units=8, embedding_dim=4)
    return {
        "Corpus": corpora.Corpus,
        "Tokenizer": text.Tokenizer,
        "Translator": translator.Translator,
        "corpora": corpora,
        "models": models,
        "plotting": plotting,
        "translator": translator.Translator(
            model, *tokenizers, max_length=3, longest_source=12
        ),
    }


def test_every_line_about_bad_input_is_run():
    section = README.split("## What bad input gets")[1].split("\n## ")[0]
    assert len(BAD_INPUT) == section.count("\n| ") - 1  # the table's heading


@pytest.mark.parametrize("code, promised", BAD_INPUT)
def test_bad_input_gets_what_the_readme_says(
    code, promised, names, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(corpora, "_READ", {})
    Path("bad.tsv").write_bytes("你好\thello\n".encode() + b"\xff\xfe\thi\n")
    monkeypatch.delenv("S2S_KERAS_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for path, file in downloads.FILES.items():
        unreachable = dataclasses.replace(file, url="http://127.0.0.1:9/" + path)
        monkeypatch.setitem(downloads.FILES, path, unreachable)
    with warnings.catch_warnings(record=True) as came:
        warnings.simplefilter("always")
        try:
            eval(code, dict(names))
        except Exception as error:
            got = f"{type(error).__name__}: {error}"
        else:
            got = f"{came[-1].category.__name__}: {came[-1].message}"
    beginning, more, _ = promised.partition("…")
    got = " ".join(got.split())
    assert got.startswith(beginning.rstrip()) if more else got == promised


def program(heading):
    """Returns the Python of a section."""
    section = README.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return re.search(r"```python\n(.*?)```", section, re.DOTALL)[1]


def test_the_package_translates_as_the_readme_says(capsys):
    exec(program("Translate at once"), {})
    english = capsys.readouterr().out.lower().splitlines()
    assert "dog" in english[0] and "beach" in english[1]


def test_own_sentences_train_as_the_readme_says(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    words = ["red", "green", "blue", "old", "new", "big", "small", "round"]
    lines = [f"{a} {b}\t{b} {a}" for a in words for b in words]
    Path("my_pairs.tsv").write_text("\n".join(lines), encoding="utf-8")
    block = program("Train it on your own sentences")
    shorter = block.replace("epochs=20", "epochs=2").replace("units=256", "units=16")
    assert shorter != block
    exec(shorter, {})
    assert "BLEU" in capsys.readouterr().out
    again = translator.Translator.load("my_translator")
    assert len(again.translate(["red green"])) == 1
