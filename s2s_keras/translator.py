"""Text in, text out: a model together with its tokenizers."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import tempfile
import warnings
from collections.abc import Iterable

import h5py
import keras
import numpy as np

from s2s_keras import batches, models
from s2s_keras.arguments import as_python, check_choice, check_switch, check_whole
from s2s_keras.decoding import beam_search, greedy, sample, score
from s2s_keras.records import Translation, listed_pairs
from s2s_keras.text import EOS, SOS, SPACE, UNK, Tokenizer, check_text

DECODINGS = {"greedy": greedy, "beam_search": beam_search, "sample": sample}
BATCH_SIZE = 64
SOURCE_LIMIT = 1_000
SETTINGS, WEIGHTS = "translator.json", "model.weights.h5"
TOKENIZERS = ("source_tokenizer", "target_tokenizer")
FILES = (SETTINGS, WEIGHTS, *(f"{name}.json" for name in TOKENIZERS))
PRETRAINED = pathlib.Path(__file__).parent / "pretrained"


@dataclasses.dataclass(frozen=True)
class _Source:
    """A text to translate.

    Attributes:
        text: the text.
        ids: its ids, EOS behind them.
        extended_ids: where the model copies, the ids of the same words as targets.
        beyond: the words that these are beyond the target's vocabulary.
    """

    text: str
    ids: list[int]
    extended_ids: list[int]
    beyond: list[str]


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
        ValueError: if a tokenizer and the model have vocabularies of different size,
            the model does not read words and write words, or `max_length` or
            `longest_source` is no whole number of at least 1.
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
        check_whole("max_length", max_length, 1)
        if longest_source is not None:
            check_whole("longest_source", longest_source, 1)
        self.seq2seq = seq2seq
        self.source_tokenizer = source_tokenizer
        self.target_tokenizer = target_tokenizer
        self.max_length = as_python(max_length)
        self.longest_source = as_python(longest_source)
        if seq2seq.points or seq2seq.config.get("source_features"):
            raise ValueError(
                "seq2seq must read words and write words, not vectors and places. "
                f"Received: a model with points={seq2seq.points!r} and "
                f"source_features={seq2seq.config.get('source_features')!r}"
            )
        for side in ("source", "target"):
            tokenizer = getattr(self, f"{side}_tokenizer")
            expected = seq2seq.config.get(f"{side}_vocabulary", len(tokenizer))
            if len(tokenizer) != expected:
                raise ValueError(
                    f"{side}_tokenizer must have as many ids as the model's {side} "
                    f"vocabulary, {expected:,}. Received: {len(tokenizer):,}"
                )

    def translate(self, texts, decoding="greedy", *, replace_unknown=False, **options):
        """Translates texts.

        Args:
            texts: list of str.
            decoding: `"greedy"`, `"beam_search"` or `"sample"`.
            replace_unknown: whether each `<unk>` of a translation becomes the source's
                word with the most attention there (Jean et al., 2015, here without a
                dictionary).
            **options: that function's arguments in `s2s_keras.decoding`, such as
                `beam_width=5`; `max_length` is the translator's unless it is given.

        Returns:
            A list of `Translation`, one a text; or of lists of them, where the options
            ask for several of each text. Neither their order nor their company changes
            a translation.

        Raises:
            TypeError: if `texts` is no list of str, or an option is none.
            ValueError: if a text is empty, holds no symbol that the tokenizer knows,
                is no valid Unicode or longer than 1,000 tokens; an option is out of
                range; `replace_unknown` meets a model without attention, or subwords;
                or the search finds no translation of a text, since the options forbid
                every one or the weights are not finite. Then nothing is returned.
        """
        check_choice("decoding", decoding, tuple(DECODINGS))
        check_switch("replace_unknown", replace_unknown)
        if replace_unknown and self.source_tokenizer.kind == "subword":
            raise ValueError(
                "replace_unknown must be False where the source tokenizer is of kind "
                "'subword', whose pieces are no words. Received: True"
            )
        sources = self._checked(texts)
        options = {"max_length": self.max_length, **options}

        def search(indices):
            source = self._batch([sources[index] for index in indices])
            return source, DECODINGS[decoding](self.seq2seq, source, **options)

        return self._by_length(sources, search, replace_unknown)

    def align(self, pairs):
        """Follows the model through given translations, as teacher forcing does.

        Args:
            pairs: list of `Pair`.

        Returns:
            A list of `Translation`, one a pair: its target, the logarithm of its
            probability, and the attention weights with which the model met each of
            its tokens.

        Raises:
            TypeError: if `pairs` holds anything but a `Pair`, or a text is no str.
            ValueError: if a source cannot be translated (see `translate`), a target
                holds no token or is no valid Unicode, or the model's weights are not
                finite.
        """
        pairs = listed_pairs(pairs)
        for number, pair in enumerate(pairs):
            check_text(pair.target, f"pairs[{number}].target")
        sources = self._checked([pair.source for pair in pairs], "pairs[{}].source")
        targets = [
            [*self._target_ids(pair.target, source.beyond), EOS]
            for pair, source in zip(pairs, sources, strict=True)
        ]
        for number, target in enumerate(targets):
            if target == [EOS]:
                raise ValueError(
                    f"pairs[{number}].target must hold a word. "
                    f"Received: {_shortened(pairs[number].target)}"
                )

        def search(indices):
            source = self._batch([sources[index] for index in indices])
            target = batches.pad([targets[index] for index in indices])
            return source, score(self.seq2seq, source, target)

        return self._by_length(sources, search)

    def _batch(self, sources):
        """Returns sources as the model reads them."""
        ids = batches.pad([source.ids for source in sources])
        if not self.seq2seq.copies:
            return ids
        extended_ids = batches.pad([source.extended_ids for source in sources])
        return {"ids": ids, "extended_ids": extended_ids}

    def _target_ids(self, text, beyond):
        if not self.seq2seq.copies:
            return self.target_tokenizer.encode(text)
        return batches.copied_ids(text, self.target_tokenizer, beyond)

    def _by_length(self, sources, search, replace_unknown=False):
        """Searches batches of about one length; returns translations in order."""
        lengths = [len(source.ids) for source in sources]
        by_length = sorted(range(len(sources)), key=lengths.__getitem__)
        translations = [None] * len(sources)
        for start in range(0, len(by_length), BATCH_SIZE):
            indices = by_length[start : start + BATCH_SIZE]
            source, found = search(indices)
            if replace_unknown and found.weights is None:
                raise ValueError(
                    "replace_unknown must be False for a model without attention, "
                    "which does not say whence an unknown word comes. Received: True"
                )
            arrays = {
                "ids": found.tokens,
                "scores": found.scores,
                "weights": found.weights,
                "generation": self._generation(source, found.tokens),
            }
            for row, index in enumerate(indices):
                ends = found.lengths[row]
                several = np.ndindex(ends.shape)  # one place, or one of each n best
                made = [
                    self._translation(
                        {n: a if a is None else a[row][i] for n, a in arrays.items()},
                        ends[i],
                        sources[index],
                        replace_unknown,
                    )
                    for i in several
                    if ends[i]
                ]
                if not made or np.isnan(found.scores[row]).any():
                    raise ValueError(
                        "The search found no translation of "
                        f"{_shortened(sources[index].text)}: the options forbid every "
                        "one, or the model's weights are not finite."
                    )
                translations[index] = made if ends.ndim else made[0]
        return translations

    def _generation(self, source, tokens):
        """Returns a copying model's probability of generating, of the tokens' shape."""
        if self.seq2seq.generation is None:
            return None
        rows = tokens.reshape(-1, tokens.shape[-1])
        several = len(rows) // len(tokens)
        source = {name: np.repeat(ids, several, axis=0) for name, ids in source.items()}
        target_in = np.pad(rows, [(0, 0), (1, 0)], constant_values=SOS)[:, :-1]
        inputs = keras.tree.map_structure(
            keras.ops.convert_to_tensor, [source, target_in]
        )
        return np.reshape(self.seq2seq.generation(inputs), tokens.shape)

    def _translation(self, found, length, source, replace_unknown):
        """Returns the translation whose ids, score and weights are given, padded."""
        ids, beyond = found["ids"][:length].tolist(), source.beyond
        weights, generation = found["weights"], found["generation"]
        if weights is not None:
            weights = weights[:length, : len(source.ids)]
        if replace_unknown:
            ids, beyond = self._replaced(ids, weights, source)
        if self.seq2seq.copies:
            source_tokens = self.target_tokenizer.tokens(
                source.extended_ids, source.beyond
            )
        else:
            source_tokens = self.source_tokenizer.tokens(source.ids)
        return Translation(
            text=self.target_tokenizer.decode(ids, beyond),
            tokens=self.target_tokenizer.tokens(ids, beyond),
            score=float(found["scores"]),
            weights=weights,
            source_tokens=source_tokens,
            generation=None if generation is None else generation[:length],
        )

    def _replaced(self, ids, weights, source):
        """Puts the most attended word of the source where UNK stands."""
        pieces = self.source_tokenizer.pieces(source.text)
        if self.target_tokenizer.kind == "word":
            pieces = [SPACE + piece.removeprefix(SPACE) for piece in pieces]
        at_words = weights[:, : len(pieces)]  # not at EOS
        beyond = [*source.beyond, *pieces]
        first = len(self.target_tokenizer) + len(source.beyond)
        ids = [
            first + int(row.argmax()) if token_id == UNK else token_id
            for token_id, row in zip(ids, at_words, strict=True)
        ]
        return ids, beyond

    def _checked(self, texts, name="texts[{}]"):
        """Returns texts as sources, or raises for the first that none can be."""
        if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
            raise TypeError(
                f"texts must be a list of str. Received: {_shortened(texts)}. "
                "Write [text] for a single text."
            )
        sources = []
        for number, text in enumerate(texts):
            here = name.format(number)
            check_text(text, here)
            ids, shown = self.source_tokenizer.encode(text), _shortened(text)
            if not ids:
                raise ValueError(f"{here} must hold a word. Received: {shown}")
            if set(ids) == {UNK} and not self.seq2seq.copies:
                raise ValueError(
                    f"{here} must hold a symbol that the source tokenizer "
                    f"learned from its corpus. Received: {shown}"
                )
            if len(ids) > SOURCE_LIMIT:
                raise ValueError(
                    f"{here} must be at most {SOURCE_LIMIT:,} tokens long. "
                    f"Received {len(ids):,}: {shown}. Split it into sentences."
                )
            if self.longest_source and len(ids) > self.longest_source:
                warnings.warn(
                    f"{here} has {len(ids)} tokens, more than any source the "
                    f"model was trained on ({self.longest_source}): expect less of "
                    "its translation.",
                    stacklevel=3,
                )
            extended, beyond = [], []
            if self.seq2seq.copies:
                extended, beyond = batches.extended_ids(
                    text, self.source_tokenizer, self.target_tokenizer
                )
            sources.append(_Source(text, [*ids, EOS], [*extended, EOS], beyond))
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
            ValueError: if `half_precision` meets a weight beyond float16's largest
                number, 65,504, or the model is an ensemble: save its members.
        """
        if self.seq2seq.training is None:
            raise ValueError(
                "seq2seq must be a single model to be saved. Received: an ensemble; "
                "save each of its members."
            )
        folder = pathlib.Path(folder).resolve()  # behind links, too, and behind "."
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
            except BaseException:  # an interruption, too
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
            ValueError: if one of them is not what `save` wrote.
        """
        folder = pathlib.Path(folder)
        missing = [name for name in FILES if not (folder / name).is_file()]
        if missing:
            raise FileNotFoundError(
                f"folder must hold a saved translator. Received: {folder}, which has "
                f"no {', '.join(missing)}."
            )
        tokenizers = [Tokenizer.load(folder / f"{name}.json") for name in TOKENIZERS]
        try:
            settings = json.loads((folder / SETTINGS).read_text())
            seq2seq = models.build(settings.pop("model"))
            _without_optimizer(seq2seq).load_weights(folder / WEIGHTS)
            return cls(seq2seq, *tokenizers, **settings)
        except Exception as error:  # JSON, HDF5, Keras and we: each has its own
            raise ValueError(
                f"folder must hold a saved translator. Received: {folder}, whose files "
                f"are not what Translator.save wrote ({type(error).__name__}: {error})."
            ) from error

    @classmethod
    def pretrained(cls, name):
        """Loads a translator that comes with the package.

        `recipes/` trained them, and says how; README has their scores.

        Args:
            name: `"multi30k"` translates German captions of photographs to English,
                `"tatoeba"` short Chinese sentences; `"g2p"` writes how an English
                word, in lower case, is pronounced.

        Raises:
            ValueError: if there is none of this name.
        """
        names = sorted(path.name for path in PRETRAINED.iterdir() if path.is_dir())
        check_choice("name", name, names)
        return cls.load(PRETRAINED / name)


def _halve(path):
    """Rewrites a file of weights with float16 in the place of float32."""
    with tempfile.TemporaryDirectory(dir=path.parent) as room:
        halved = pathlib.Path(room, path.name)
        with h5py.File(path) as whole, h5py.File(halved, "w") as half:

            def copy(name, item):
                if isinstance(item, h5py.Dataset):
                    small = item.dtype == "float32"
                    half[name] = _halved(item[()]) if small else item[()]
                else:
                    half.require_group(name)
                half[name].attrs.update(item.attrs)

            whole.visititems(copy)
            half.attrs.update(whole.attrs)
        os.replace(halved, path)


def _halved(weights):
    with np.errstate(over="ignore"):  # the error says more
        halves = weights.astype("float16")
    if (np.isinf(halves) & np.isfinite(weights)).any():
        raise ValueError(
            "half_precision must be False for weights beyond float16's largest number, "
            f"65,504. Received: a weight of {np.abs(weights).max():,.0f}"
        )
    return halves


def _without_optimizer(seq2seq):
    """Returns the same graph as an uncompiled model: weights alone are saved."""
    return keras.Model(seq2seq.training.inputs, seq2seq.training.outputs)


def _shortened(value, length=40):
    shown = repr(value)
    return shown if len(shown) <= length else f"{shown[:length]}…"
