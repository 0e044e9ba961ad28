"""Tests of the corpus `docstrings`. Its size depends on what is installed."""

import ast
import asyncio
import collections
import email
import inspect
import re
from pathlib import Path

import numpy
import pytest

from s2s_keras import corpora
from s2s_keras.corpora import Pair, docstrings
from s2s_keras.text import Tokenizer


@pytest.fixture(scope="module")
def corpus():
    return corpora.load("docstrings")


def every_pair(corpus):
    return corpus.train + corpus.valid + corpus.test


def runs(text):
    words = text.split()
    return {tuple(words[start : start + 8]) for start in range(len(words) - 7)}


def test_there_is_enough_to_learn_from(corpus):
    pairs = every_pair(corpus)
    assert len(pairs) > 7_000
    for held_out in (corpus.valid, corpus.test):
        assert 0.02 < len(held_out) / len(pairs) < 0.12


def test_the_splits_share_no_text(corpus):
    for side in ("source", "target"):
        texts = [getattr(pair, side).replace(" ", "") for pair in every_pair(corpus)]
        assert len(set(texts)) == len(texts)


def test_held_out_pairs_are_no_near_copies_of_what_is_learned(corpus):
    learned = set().union(*(runs(pair.source) for pair in corpus.train))
    for pair in corpus.valid + corpus.test:
        own = runs(pair.source)
        assert len(own & learned) <= len(own) / 2


def test_texts_are_lower_case_prose_of_useful_length(corpus):
    for pair in every_pair(corpus):
        source, target = pair.source.split(" "), pair.target.split(" ")
        assert 10 <= len(source) <= 100 and 4 <= len(target) <= 25
        assert target[-1] == "." and target[-2] != "."
        for text in (pair.source, pair.target):
            assert text == text.lower()
            assert not re.search(r">>>|```|://|[`|\\]|---|===", text)
    words = collections.Counter(
        word for pair in every_pair(corpus) for word in pair.source.split(" ")
    )
    assert {"the", ",", ".", "returns"} < {word for word, _ in words.most_common(30)}


def test_the_word_tokenizer_sees_the_tokens_between_spaces(corpus):
    texts = [text for pair in corpus.test for text in (pair.source, pair.target)]
    tokenizer = Tokenizer.train(texts)
    for text in texts:
        assert tokenizer.tokens(tokenizer.encode(text)) == text.split(" ")


def test_the_corpus_says_what_it_was_made_of(corpus):
    assert f"numpy {numpy.__version__}" in corpus.citation
    assert "Python 3." in corpus.citation and "tensorflow" in corpus.citation


def test_a_module_stands_in_one_split_whatever_else_is_installed():
    names = [f"package.module_{number}" for number in range(5_000)]
    shares = collections.Counter(map(docstrings.split_of, names))
    assert set(shares) == {"train", "valid", "test"}
    assert abs(shares["valid"] / 5_000 - 0.06) < 0.015
    assert abs(shares["test"] / 5_000 - 0.06) < 0.015
    assert docstrings.split_of("json.decoder") == "train"


@pytest.mark.parametrize("package", [asyncio, email, numpy.lib])
def test_docstrings_are_those_that_python_finds(package):
    found, expected = collections.Counter(), collections.Counter()
    for path in Path(package.__file__).parent.glob("*.py"):
        source = path.read_bytes()
        found.update(docstrings.docstrings_of(source))
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
                if (text := ast.get_docstring(node)) is not None:
                    expected[text] += 1
    assert (found - expected).total() <= 0.01 * expected.total()
    assert (expected - found).total() <= 0.03 * expected.total()
    assert expected.total() > 100


def test_docstrings_are_read_whatever_surrounds_them():
    source = (
        'def one(a: dict = {1: 2},\n        b=3) -> int:  # why\n\n    r"""Raw \\d.\n'
        '\n    Body.\n    """\n\r\nclass Two:\r\n    """Say "two", \\"\\"\\"three.\r\n'
        '    """\n    table = {"key": """no docstring"""}\n'
    )
    raw, quoted = docstrings.docstrings_of(source.encode())
    assert raw == "Raw \\d.\n\nBody."
    assert quoted.rstrip() == 'Say "two", """three.'


GOOGLE = """
Counts the `words` of a text. It is quick, as [this page](https://example.com/a) says.

More can be said about it, e.g. The case of words is kept. See :func:`~a.b.count_all`.

```python
count("a b")
```

Example:

    count("never seen")

Args:
    text: A *string* with words; ``None`` counts as "".

>>> count("a")
1

| a | table |
|---|-------|

Returns:
    The number :math:`n^2` of them.
"""

NUMPY = """
Sort an array
along an axis.

.. versionadded:: 1.2
   It was not there before.

Parameters
----------
a : array_like
    What to sort, and how::

        sort(never, seen)

    It may have any shape whatever.

See Also
--------
never : seen

Notes
-----
The order of equal elements is kept [1]_.

References
----------
.. [1] Never seen.

Examples
--------
>>> sort([2, 1])
array([1, 2])
"""


@pytest.mark.parametrize(
    ("docstring", "target", "source"),
    [
        (
            GOOGLE,
            "counts the words of a text .",
            "it is quick , as this page says . more can be said about it , e . g . the "
            "case of words is kept . see count_all . args : text : a string with words "
            '; none counts as " " . returns : the number of them .',
        ),
        (
            NUMPY,
            "sort an array along an axis .",
            "parameters a : array_like what to sort , and how : : it may have any "
            "shape whatever . notes the order of equal elements is kept .",
        ),
    ],
)
def test_code_examples_tables_links_and_references_are_left_out(
    docstring, target, source
):
    assert docstrings.pair_of(inspect.cleandoc(docstring)) == Pair(source, target)


BODY = "\n\nThe body says at some length what all of this is good for."


@pytest.mark.parametrize(
    "docstring",
    [
        "It says all in one sentence.",
        "Too short." + BODY,
        "Word after word " * 9 + "." + BODY,
        "It says what %(name)s is." + BODY,
        "Stands at https://example.com for long." + BODY,
        "f(x, y, z) -> (a, b, c)" + BODY,
        "It has a body of few words.\n\nHere they are.",
        "It has no prose below it.\n\n" + "1, 2, 3, (4, 5), [6, 7]; " * 5,
    ],
)
def test_what_is_no_summary_of_a_body_is_left_out(docstring):
    assert docstrings.pair_of("It says what it is for." + BODY) is not None
    assert docstrings.pair_of(docstring) is None


def test_near_copies_are_left_out():
    text = " ".join(f"word{number}" for number in range(24))
    near = text.replace("word20", "other")
    far = " ".join(text.split()[:12]) + " and now it goes on in quite another way"
    pairs = [
        ("one", Pair(text, "a .")),
        ("one", Pair(near, "b .")),
        ("two", Pair(far, "c .")),
        ("two", Pair("nothing of it is known yet in any way", "a  .")),
    ]
    kept = [(module, pair.target) for module, pair in docstrings.distinct(pairs)]
    assert kept == [("one", "a ."), ("two", "c .")]
