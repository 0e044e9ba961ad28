"""Text in, text out: a model together with its tokenizers."""

from __future__ import annotations

import json
import os
import pathlib
import tempfile
import warnings
from collections.abc import Iterable

import h5py
import keras

from s2s_keras import batches, models
from s2s_keras.decoding import beam_search, greedy, sample, score
from s2s_keras.records import Translation
from s2s_keras.text import EOS, UNK, Tokenizer

DECODINGS = {"greedy": greedy, "beam_search": beam_search, "sample": sample}
BATCH_SIZE = 64
SOURCE_LIMIT = 1_000
SETTINGS, WEIGHTS = "translator.json", "model.weights.h5"
TOKENIZERS = ("source_tokenizer", "target_tokenizer")
FILES = (SETTINGS, WEIGHTS, *(f"{name}.json" for name in TOKENIZERS))
PRETRAINED = pathlib.Path(__file__).parent / "pretrained"


class Translator:
    """Translates texts with a trained model.

    Args:
        seq2seq: a `Seq2Seq`.
        source_tokenizer: the `Tokenizer` of the model's sources.
        target_tokenizer: the `Tokenizer` of the model's targets.
        max_length: most tokens of a translation, EOS counted.
        longest_source: tokens of the longest source the model was trained on, EOS
            not counted; a longer text is translated with a warning. None never warns.

    Raises:
        ValueError: if a tokenizer and the model have vocabularies of different size.
    """

    def __init__(
        self,
        seq2seq,
        source_tokenizer,
        target_tokenizer,
        *,
        max_length=100,
        longest_source=None,
    ):
        self.seq2seq = seq2seq
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.max_length = max_length
        self.longest_source = longest_source
        for side in ("source", "target"):
            tokenizer = getattr(self, f"{side}_tokenizer")
            expected = seq2seq.config.get(f"{side}_vocabulary", len(tokenizer))
            if len(tokenizer) != expected:
                raise ValueError(
                    f"{side}_tokenizer must have as many ids as the model's {side} "
                    f"vocabulary, {expected:,}. Received: {len(tokenizer):,}"
                )

    def translate(self, texts, decoding="greedy", **options):
        """Translates texts.

        Args:
            texts: list of str.
            decoding: `"greedy"`, `"beam_search"` or `"sample"`.
            **options: that function's arguments in `s2s_keras.decoding`, such as
                `beam_width=5`; `max_length` is the translator's unless it is given.

        Returns:
            A list of `Translation`, one a text; or of lists of them, where the options
            ask for several of each text. Neither their order nor their company changes
            a translation.

        Raises:
            TypeError: if `texts` is no list of str, or an option is none.
            ValueError: if a text is empty, holds no symbol that the tokenizer knows,
                or is longer than 1,000 tokens, or an option is out of range. Then
                nothing is translated.
        """
        if decoding not in DECODINGS:
            raise ValueError(
                f"decoding must be one of {tuple(DECODINGS)}. Received: {decoding!r}"
            )
        sources = [[*ids, EOS] for ids in self._checked(texts)]
        options = {"max_length": self.max_length, **options}

        def search(indices):
            source = batches.pad([sources[index] for index in indices])
            return DECODINGS[decoding](self.seq2seq, source, **options)

        return self._by_length(sources, search)

    def align(self, pairs):
        """Follows the model through given translations, as teacher forcing does.

        Args:
            pairs: list of `Pair`.

        Returns:
            A list of `Translation`, one a pair: its target, the logarithm of its
            probability, and the attention weights with which the model met each of
            its tokens.

        Raises:
            ValueError: if a source cannot be translated (see `translate`), or a target
                holds no token.
        """
        pairs = list(pairs)
        sources = [[*ids, EOS] for ids in self._checked([p.source for p in pairs])]
        targets = [[*self.target_tokenizer.encode(p.target), EOS] for p in pairs]
        for number, target in enumerate(targets):
            if target == [EOS]:
                raise ValueError(
                    f"pairs[{number}].target must hold a word. "
                    f"Received: {_shortened(pairs[number].target)}"
                )

        def search(indices):
            source, target = (
                batches.pad([ids[index] for index in indices])
                for ids in (sources, targets)
            )
            return score(self.seq2seq, source, target)

        return self._by_length(sources, search)

    def _by_length(self, sources, search):
        """Searches batches of about one length; returns translations in order."""
        by_length = sorted(range(len(sources)), key=lambda index: len(sources[index]))
        translations = [None] * len(sources)
        for start in range(0, len(by_length), BATCH_SIZE):
            indices = by_length[start : start + BATCH_SIZE]
            found = search(indices)
            for row, index in enumerate(indices):
                translations[index] = self._translations(found, row, sources[index])
        return translations

    def _translations(self, found, row, source):
        """Returns the translation of a row, or a list where it has several."""
        if found.lengths.ndim == 1:
            return self._translation(found, row, source)
        lengths = found.lengths[row]
        several = range(len(lengths))
        return [
            self._translation(found, (row, n), source) for n in several if lengths[n]
        ]

    def _translation(self, found, place, source):
        length = int(found.lengths[place])
        ids = found.tokens[place][:length].tolist()
        weights = None if found.weights is None else found.weights[place]
        return Translation(
            text=self.target_tokenizer.decode(ids),
            tokens=self.target_tokenizer.tokens(ids),
            score=float(found.scores[place]),
            weights=None if weights is None else weights[:length, : len(source)],
            source_tokens=self.source_tokenizer.tokens(source),
        )

    def _checked(self, texts):
        """Returns the texts' ids, or raises for the first that cannot be translated."""
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
            raise TypeError(
                f"texts must be a list of str. Received: {_shortened(texts)}. "
                "Write [text] for a single text."
            )
        sources = []
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise TypeError(
                    f"texts[{number}] must be a str. Received: {_shortened(text)} of "
                    f"type {type(text).__name__}"
                )
            ids, shown = self.source_tokenizer.encode(text), _shortened(text)
            if not ids:
                raise ValueError(f"texts[{number}] must hold a word. Received: {shown}")
            if set(ids) == {UNK}:
                raise ValueError(
                    f"texts[{number}] must hold a symbol that the source tokenizer "
                    f"learned from its corpus. Received: {shown}"
                )
            if len(ids) > SOURCE_LIMIT:
                raise ValueError(
                    f"texts[{number}] must be at most {SOURCE_LIMIT:,} tokens long. "
                    f"Received {len(ids):,}: {shown}. Split it into sentences."
                )
            if self.longest_source and len(ids) > self.longest_source:
                warnings.warn(
                    f"texts[{number}] has {len(ids)} tokens, more than any source the "
                    f"model was trained on ({self.longest_source}): expect less of "
                    "its translation.",
                    stacklevel=3,
                )
            sources.append(ids)
        return sources

    def save(self, folder, *, half_precision=False):
        """Saves model, settings and tokenizers as a folder, replaced as a whole.

        Args:
            folder: path of a folder that does not exist, is empty, or holds nothing
                but a saved translator.
            half_precision: whether to keep the weights as float16, in half the room.
                They are float32 again when loaded, rounded to about three digits.

        Raises:
            FileExistsError: if `folder` holds something else, or is a file.
        """
        folder = pathlib.Path(folder)
        if folder.is_file():
            raise FileExistsError(f"folder must be no file. Received: {folder}")
        others = {path.name for path in folder.glob("*")}.difference(FILES)
        if others:
            raise FileExistsError(
                "folder must be new, empty or a saved translator, since it is "
                f"replaced. Received: {folder}, which also holds {sorted(others)}."
            )
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".saving-") as room:
            unfinished, replaced = pathlib.Path(room, "new"), pathlib.Path(room, "old")
            unfinished.mkdir()
            settings = {
                "model": self.seq2seq.config,
                "max_length": self.max_length,
                "longest_source": self.longest_source,
            }
            (unfinished / SETTINGS).write_text(json.dumps(settings, indent=2))
            _without_optimizer(self.seq2seq).save_weights(unfinished / WEIGHTS)
            if half_precision:
                _halve(unfinished / WEIGHTS)
            for name in TOKENIZERS:
                getattr(self, name).save(unfinished / f"{name}.json")
            if folder.exists():
                os.replace(folder, replaced)
            try:
                os.replace(unfinished, folder)
            except OSError:
                if replaced.exists():
                    os.replace(replaced, folder)
                raise

    @classmethod
    def load(cls, folder):
        """Loads what `save` wrote; its translations are the same.

        Args:
            folder: path of a saved translator.

        Raises:
            FileNotFoundError: if one of its files is not there.
        """
        folder = pathlib.Path(folder)
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise FileNotFoundError(
                f"folder must hold a saved translator. Received: {folder}, which has "
                f"no {', '.join(missing)}."
            )
        settings = json.loads((folder / SETTINGS).read_text())
        seq2seq = models.build(settings.pop("model"))
        _without_optimizer(seq2seq).load_weights(folder / WEIGHTS)
        tokenizers = [Tokenizer.load(folder / f"{name}.json") for name in TOKENIZERS]
        return cls(seq2seq, *tokenizers, **settings)

    @classmethod
    def pretrained(cls, name):
        """Loads a translator that comes with the package.

        `recipes/` trained them, and says how; README has their scores.

        Args:
            name: `"multi30k"` translates German captions of photographs to English,
                `"tatoeba"` short Chinese sentences.

        Raises:
            ValueError: if there is none of this name.
        """
        names = sorted(path.name for path in PRETRAINED.iterdir() if path.is_dir())
        if name not in names:
            raise ValueError(f"name must be one of {names}. Received: {name!r}")
        return cls.load(PRETRAINED / name)


def _halve(path):
    """Rewrites a file of weights with float16 in the place of float32."""
    with tempfile.TemporaryDirectory(dir=path.parent) as room:
        halved = pathlib.Path(room, path.name)
        with h5py.File(path) as whole, h5py.File(halved, "w") as half:

            def copy(name, item):
                if isinstance(item, h5py.Dataset):
                    small = item.dtype == "float32"
                    half[name] = item[()].astype("float16") if small else item[()]
                else:
                    half.require_group(name)
                half[name].attrs.update(item.attrs)

            whole.visititems(copy)
            half.attrs.update(whole.attrs)
        os.replace(halved, path)


def _without_optimizer(seq2seq):
    """Returns the same graph as an uncompiled model: weights alone are saved."""
    return keras.Model(seq2seq.training.inputs, seq2seq.training.outputs)


def _shortened(value, length=40):
    shown = repr(value)
    return shown if len(shown) <= length else f"{shown[:length]}…"
