"""Real documentation to summarize: a docstring's body and its first sentence.

The docstrings are those of the functions and classes of Python's standard library and
of the packages that `requirements.txt` installs. They are read from the source files on
this machine; no module is imported. So the pairs depend on the installed versions, and
so do all scores: compare models that were trained with the same ones. The same versions
give the same pairs.

Texts are lower-cased, with spaces between all tokens, as news articles are in See et
al. 2017 (https://aclanthology.org/P17-1099). Code, examples, tables, formulas,
references and links are left out. So are near copies. A whole module belongs to one
split.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.metadata
import importlib.util
import inspect
import itertools
import os
import platform
import re
import sysconfig
import unicodedata
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path

from s2s_keras.corpora import splitting
from s2s_keras.corpora.corpus import Corpus
from s2s_keras.records import Pair

# What is read beside the standard library: modules, and who distributes them.
PACKAGES = {
    "numpy": "numpy",
    "matplotlib": "matplotlib",
    "keras": "keras",
    "tensorflow": "tensorflow",
    "scipy": "scipy",
}
SOURCE_TOKENS = (10, 100)  # the fewest, and how many are kept
TARGET_TOKENS = (4, 25)  # the fewest and the most, the period counted
RUN = 8  # consecutive tokens that near copies share
HELD_OUT = 0.06  # of the modules, to validate with and again to test with

_FOLDERS_LEFT_OUT = {
    "_api",  # TensorFlow's second names of everything
    "_vendor",
    "dist-packages",
    "externals",
    "idlelib",
    "lib2to3",
    "site-packages",
    "test",
    "tests",
}
_SECTIONS_LEFT_OUT = {"reference", "references", "see also", "usage"}  # and examples
_DOCSTRING = re.compile(
    r":[ \t]*(?:#.*)?\n(?:[ \t]*(?:#.*)?\n)*"  # the line above, and empty lines
    r'[ \t]+([rRuU]?"""(?:[^"\\]|\\[\s\S]|"(?!""))*""")'
)
_TOKEN = re.compile(r"\w+(?:['’\-]\w+)*|[^\w\s]")
_WORD = re.compile(r"[a-z]+(?:['’-][a-z]+)*")
_SENTENCE_END = re.compile(
    r"(?<=[\w)\]`'\"*][.!?])(?<!e\.g\.)(?<!i\.e\.)(?<!\bvs\.)(?<!\bcf\.)\s+(?=[A-Z`])"
)
_UNDERLINE = re.compile(r"\s*([-=~^*#+_.])\1{2,}[\s\-=~^*#+_.]*")
_TABLE_ROW = re.compile(r"\s*[|+].*[|+]\s*|.*\S +\| .*")
_HEADING = re.compile(r"\s*(?:#+ *)?\**([A-Z][A-Za-z]*(?: [A-Za-z]+)?)\**:{0,2}\**")
_MARKUP = [
    (re.compile(pattern, re.MULTILINE), replacement)
    for pattern, replacement in (
        (r":math:`[^`]*`|\${1,2}[^$\n]+\${1,2}|\\\\?\([^)\n]*\\\\?\)", " "),  # formulas
        (r"!?\[([^\]\n]*)\]\([^)\s]*\)", r"\1"),  # Markdown's [text](link)
        (r"`([^`<\n]+)<[^>`]*>`_{1,2}", r"\1"),  # reStructuredText's `text <link>`_
        (r"https?://\S+|www\.\S+|\[[\w ]{1,8}\]_", " "),  # links and footnotes
        (r":[\w:+-]+:`(?:[^`<]*<)?[~!]?(?:[\w.]*\.)?([^`>]*)>?`", r"\1"),  # roles
        (r"^\s*[:@](?:param|type|arg|keyword|raises?|returns?|rtype)\b", " "),
        (r"`[~!]?\.?([^`]*)`", r"\1"),
        (r"[`*|\\]|[.=-]{2,}", " "),
    )
]


def read() -> Corpus:
    """Returns the docstrings of what is installed here; about 7 seconds of work."""
    splits: dict[str, list[Pair]] = {"train": [], "valid": [], "test": []}
    order = list(splits)  # what is held out must not be a copy of what is learned
    pairs = sorted(_pairs(), key=lambda found: order.index(split_of(found[0])))
    for module, pair in distinct(pairs):
        splits[split_of(module)].append(pair)
    installed = [name for name in PACKAGES if _folder_of(name)]
    versions = [f"Python {platform.python_version()}"]
    for distribution in map(PACKAGES.get, installed):
        versions.append(f"{distribution} {importlib.metadata.version(distribution)}")
    return Corpus(
        **splits,
        name="docstrings",
        source_language="en",
        target_language="en",
        licence="of each docstring, that of the package it stands in",
        citation=f"Docstrings of {', '.join(versions)}.",
    )


def split_of(module: str) -> str:
    """Returns "train", "valid" or "test", by a hash of the module's name."""
    return splitting.split_of(module, HELD_OUT, HELD_OUT)


def pair_of(docstring: str) -> Pair | None:
    """Returns a docstring's body and its first sentence.

    Args:
        docstring: the text, without its indentation.

    Returns:
        The pair, in lower case, with spaces between all tokens; None if there is no
        body or no sentence of a useful length, or if one of them is not prose.
    """
    head, _, body = docstring.partition("\n\n")
    sentence, *others = _SENTENCE_END.split(" ".join(head.split()), maxsplit=1)
    target = [] if "://" in sentence else _tokens(sentence)
    while target and target[-1] == ".":
        target.pop()
    target.append(".")
    least, most = TARGET_TOKENS
    if not least <= len(target) <= most or not _is_prose(target, 0.75):
        return None
    least, most = SOURCE_TOKENS
    lines = itertools.islice(_prose_lines(body.splitlines()), most)
    source = _tokens("\n".join([*others, *lines]))[:most]
    if len(source) < least or not _is_prose(source, 0.5):
        return None
    return Pair(" ".join(source), " ".join(target))


def distinct(pairs: Iterable[tuple[str, Pair]]) -> Iterator[tuple[str, Pair]]:
    """Leaves out near copies of what came before.

    A pair is one if its target came before, spaces aside, or if more than half of all
    runs of `RUN` consecutive tokens of its source did, in whichever sources.

    Args:
        pairs: modules' names and pairs.
    """
    targets: set[str] = set()
    runs_before: set[tuple[str, ...]] = set()
    for module, pair in pairs:
        target = pair.target.replace(" ", "")
        tokens = pair.source.split(" ")
        starts = range(len(tokens) - RUN + 1)
        runs = {tuple(tokens[start : start + RUN]) for start in starts}
        if target in targets or len(runs & runs_before) > len(runs) / 2:
            continue
        targets.add(target)
        runs_before |= runs
        yield module, pair


def docstrings_of(source: bytes) -> list[str]:
    """Finds docstrings in a module's source, in their order, without indentation.

    A docstring is taken to be a string in three double quotes that opens an indented
    block. This is far quicker than to parse the module, and nearly always the same.

    Args:
        source: Python in UTF-8, ASCII or Latin-1.
    """
    text = source.decode(errors="replace").replace("\r\n", "\n")
    found = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about escapes, for its authors to read
        for literal in _DOCSTRING.findall(text):
            with contextlib.suppress(SyntaxError, ValueError):
                found.append(inspect.cleandoc(ast.literal_eval(literal)))
    return found


def _pairs() -> Iterator[tuple[str, Pair]]:
    folders = {"": Path(sysconfig.get_path("stdlib"))}
    folders |= {name: _folder_of(name) for name in PACKAGES}
    for name, folder in folders.items():
        for path in _modules_in(folder) if folder else ():
            inside = path.relative_to(folder).with_suffix("").parts
            module = ".".join([name, *inside] if name else inside)
            for docstring in docstrings_of(path.read_bytes()):
                if pair := pair_of(docstring):
                    yield module, pair


def _modules_in(folder: Path) -> list[Path]:
    found = []
    for root, folders, files in os.walk(folder):
        folders[:] = set(folders) - _FOLDERS_LEFT_OUT
        found += [Path(root, file) for file in files if file.endswith(".py")]
    return sorted(found)


def _folder_of(module: str) -> Path | None:
    found = importlib.util.find_spec(module)
    return Path(found.origin).parent if found and found.origin else None


def _prose_lines(lines: list[str]) -> Iterator[str]:
    """Leaves out code, tables, directives and whole sections of a docstring's body."""
    in_fence = in_doctest = in_section = False
    block = None  # the indentation of what a directive or "::" introduces is greater
    for line, after in zip(lines, [*lines[1:], ""], strict=False):
        bare = line.strip()
        indentation = len(line) - len(line.lstrip())
        if bare.startswith("```"):
            in_fence = not in_fence and bare.count("```") == 1
            continue
        if not bare:
            in_doctest = False
        elif block is not None and indentation <= block:
            block = None
        in_doctest |= bare.startswith(">>>")
        if in_fence or in_doctest or block is not None or not bare:
            continue
        if heading := _heading(bare, after):
            in_section = heading in _SECTIONS_LEFT_OUT or "example" in heading
        if bare.startswith(".. ") or bare.endswith("::"):
            block = indentation
        if bare.startswith(".. ") or in_section:
            continue
        if not _UNDERLINE.fullmatch(line) and not _TABLE_ROW.fullmatch(line):
            yield line


def _heading(line: str, after: str) -> str | None:
    """Returns the name of the section that a line opens, in lower case."""
    if match := _HEADING.fullmatch(line):
        if line.endswith((":", "*")) or line[0] == "#" or _UNDERLINE.fullmatch(after):
            return match[1].lower()
    return None


def _tokens(text: str) -> list[str]:
    text = unicodedata.normalize("NFC", text)
    for pattern, replacement in _MARKUP:
        text = pattern.sub(replacement, text)
    return _TOKEN.findall(text.lower())


def _is_prose(tokens: list[str], share: float) -> bool:
    """Returns whether enough tokens are words, and none belongs to a template."""
    words = sum(map(bool, map(_WORD.fullmatch, tokens)))
    return words >= share * len(tokens) and not {"%", "{", "▁"}.intersection(tokens)
