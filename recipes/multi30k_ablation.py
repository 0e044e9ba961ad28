"""What each trick of the Multi30k recipe is worth: one thing changed, 4 epochs, 1 seed.

    python -m recipes.multi30k_ablation --seed 0

Each run changes one setting of `recipes.multi30k`'s attention model and trains for a
third of its epochs, the learning rate falling as fast.
"""

from __future__ import annotations

import dataclasses

from recipes import multi30k, translation

BASE = dataclasses.replace(multi30k.BASE, epochs=multi30k.BASE.epochs // 3)


def _changed(**changes) -> translation.Settings:
    """Changes settings, or where the model has the name, the model."""
    of_the_run = {field.name for field in dataclasses.fields(BASE)}
    settings = {name: changes.pop(name) for name in of_the_run & set(changes)}
    return dataclasses.replace(BASE, model={**BASE.model, **changes}, **settings)


RUNS = {
    "all": BASE,
    "no dropout": _changed(dropout=0.0),
    "no label smoothing": _changed(label_smoothing=0.0),
    "no tied embeddings": _changed(tie_embeddings=False),
    "embeddings start at 0.05": _changed(embedding_stddev=0.05),
    "constant learning rate": _changed(schedule="constant", learning_rate=1e-3),
    "average of weights": _changed(averaging=0.998),
    "input feeding": _changed(input_feeding=True),
    "whole words": _changed(source_kind="word"),
    "2 layers": _changed(layers=2),
    "2 layers, residual": _changed(layers=2, residual=True),
    "2 layers, residual, layer norm": _changed(
        layers=2, residual=True, layer_norm=True
    ),
}

if __name__ == "__main__":
    translation.main("multi30k_ablation", __doc__.splitlines()[0], RUNS)
