"""How English words are pronounced, from their letters: CMUdict without stress.

    python -m recipes.g2p --seed 0

trains the model of one seed; `python -m recipes.g2p_ensemble` then measures how well
the models of all seeds pronounce together. A run that was broken off goes on where it
stood.
"""

from __future__ import annotations

import keras

from recipes import small_runs
from recipes.fitting import Stopwatch, progress_bar, warmup_cosine
from recipes.small_runs import batches_for, some
from recipes.translation import MADE
from s2s_keras import corpora, evaluation, training
from s2s_keras.records import Pair
from s2s_keras.translator import Translator

BASE = {
    "corpus": "cmudict",
    "model": {
        "builder": "attention_seq2seq",
        "cell": "lstm",
        "units": 256,
        "embedding_dim": 128,
        "bidirectional": True,
        "dropout": 0.3,
    },
    "epochs": 15,
    "batch_size": 128,
    "learning_rate": 3e-3,  # the highest, after 5% of the steps; then down a cosine
    "label_smoothing": 0.1,
}
RUNS = {"attention": BASE}
KINDS = ("character", "word")  # letters, phonemes
LONGEST = 40  # phonemes
BEAM = {"decoding": "beam_search", "beam_width": 5}
EXAMPLES = 20  # mistakes that the results keep


def train_and_measure(settings: dict, seed: int) -> dict:
    """Trains a translator, saves it, and returns its results for JSON."""
    keras.utils.set_random_seed(seed)
    corpus = corpora.load(settings["corpus"])
    translator = small_runs.new_translator(
        corpus, settings["model"], KINDS, max_length=LONGEST
    )
    size = settings["batch_size"]
    train = batches_for(translator, corpus.train, size, seed=seed)
    epochs, rate = settings["epochs"], settings["learning_rate"]
    watch = Stopwatch()
    made = made_by(seed)
    backup = made.with_name(f"{made.name}.backup.npz")
    history = training.fit(
        translator.seq2seq,
        train,
        batches_for(translator, corpus.valid, size, shuffle=False),
        epochs=epochs,
        learning_rate=warmup_cosine(rate, epochs * train.report.batches),
        label_smoothing=settings["label_smoothing"],
        callbacks=[watch, progress_bar(made.name)],
        backup=backup,
        backup_every=1_000,
    )
    translator.save(made)
    results = {
        "pairs": [len(corpus.train), len(corpus.valid), len(corpus.test)],
        "parameters": translator.seq2seq.training.count_params(),
        "processor_seconds_an_epoch": watch.cpu_seconds,
        "valid_losses": history.history["val_loss"],
        "valid": measure(translator, corpus.valid),
        "test": measure(translator, corpus.test),
    }
    backup.unlink()
    return results


def made_by(seed: int):
    """Returns the folder of the translator that a seed trained."""
    return MADE / f"g2p-{seed}-attention"


def measure(translator: Translator, pairs: list[Pair]) -> dict:
    """Returns the error rates of a split, greedy and with beam search.

    Every word counts once, however many pronunciations it has; the nearest is taken.

    Returns:
        A dict of the number of "words"; for "greedy" and "beam" a dict of "per", the
        phoneme error rate, and "wer", the share of words that are wrong, in percent;
        and some "mistakes" of the beam: word, answer and right answers.
    """
    words, references = evaluation.group_references(pairs)
    scores = {"words": len(words)}
    for name, options in {"greedy": {}, "beam": BEAM}.items():
        texts = [found.text for found in translator.translate(words, **options)]
        scores[name] = {
            "per": 100 * evaluation.error_rate(texts, references),
            "wer": 100 * (1 - evaluation.exact_match(texts, references)),
        }
    wrong = [
        [word, text, *right]
        for word, text, right in zip(words, texts, references, strict=True)
        if text not in right
    ]
    scores["mistakes"] = some(wrong, EXAMPLES)
    return scores


if __name__ == "__main__":
    small_runs.main("g2p", __doc__.splitlines()[0], RUNS, train_and_measure)
