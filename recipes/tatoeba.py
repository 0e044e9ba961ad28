"""Chinese to English on Tatoeba: an LSTM, a GRU, and an LSTM with attention.

    python -m recipes.tatoeba --seed 0

A run that was broken off goes on where it stood.
"""

from __future__ import annotations

import dataclasses

from recipes import translation

MODEL = {
    "cell": "lstm",
    "units": 256,
    "embedding_dim": 256,
    "bidirectional": True,
    "dropout": 0.3,
    "tie_embeddings": True,
}
PLAIN = {"builder": "encoder_decoder", **MODEL}
ATTENTION = {"builder": "attention_seq2seq", "score": "additive", **MODEL}

BASE = translation.Settings(
    corpus="tatoeba",
    model=ATTENTION,
    source_kind="character",
    vocabulary_size=5_000,
    epochs=12,
    batch_size=64,
    learning_rate=2e-3,
)
RUNS = {
    "attention": BASE,
    "lstm": dataclasses.replace(BASE, model=PLAIN),
    "gru": dataclasses.replace(BASE, model={**PLAIN, "cell": "gru"}),
}

if __name__ == "__main__":
    translation.main("tatoeba", __doc__.splitlines()[0], RUNS)
