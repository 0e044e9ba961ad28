"""Chinese to English on Tatoeba: an LSTM, a GRU, and an LSTM with attention.

    python -m recipes.tatoeba --seed 0

Without attention, the decoder sees what the encoder left at every step (Cho et al.,
2014), or as its first state alone (Sutskever et al., 2014).

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
FIRST_STATE = {"builder": "encoder_decoder", **MODEL}
EVERY_STEP = {**FIRST_STATE, "context": "every_step"}
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
    "lstm": dataclasses.replace(BASE, model=EVERY_STEP),
    "gru": dataclasses.replace(BASE, model={**EVERY_STEP, "cell": "gru"}),
    "lstm first state": dataclasses.replace(BASE, model=FIRST_STATE),
}
SEEDS = {"lstm first state": 2}  # how many seeds a run has; others have no limit

if __name__ == "__main__":
    translation.main("tatoeba", __doc__.splitlines()[0], RUNS, SEEDS)
