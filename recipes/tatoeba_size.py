"""What the data's size allows: the attention model of `recipes.tatoeba` on fewer pairs.

    python -m recipes.tatoeba_size --seed 0

needs some 25 minutes of one CPU core. Fewer pairs get more epochs, so that a model
takes at least half as many steps as with all pairs. Validation and test stay whole.
"""

from __future__ import annotations

import dataclasses

from recipes import small_runs, tatoeba, translation
from s2s_keras import corpora

RUNS = {
    f"1 pair of {every}": {
        "every": every,
        **dataclasses.asdict(dataclasses.replace(tatoeba.BASE, epochs=epochs)),
    }
    for every, epochs in ((4, 24), (2, 18))
}


def train_and_measure(settings: dict, seed: int) -> dict:
    """Returns a run's results as a dict that JSON can hold."""
    settings = dict(settings)
    every = settings.pop("every")
    corpus = corpora.load(settings["corpus"])
    part = dataclasses.replace(corpus, train=corpus.train[::every])
    made = translation.MADE / f"tatoeba_size-{seed}-{every}"
    run = translation.Settings(**settings)
    return {
        "pairs": len(part.train),
        **translation.train_and_measure(run, seed, made, part),
    }


if __name__ == "__main__":
    small_runs.main("tatoeba_size", __doc__.splitlines()[0], RUNS, train_and_measure)
