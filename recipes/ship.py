"""Puts the model with attention of a recipe into the package, in half precision.

    python -m recipes.ship multi30k

`python -m recipes.multi30k --seed 0` leaves the trained model in `recipes/made/`. It is
the first seed's, not the luckiest one's, so that its scores are what a reader may
expect of another training.
"""

from __future__ import annotations

import argparse
import sys

from recipes.translation import MADE
from s2s_keras.translator import PRETRAINED, Translator

RUN, SEED = "attention", 0
MOST_BYTES = 15_000_000


def main() -> None:
    """Copies the model, or says how to make it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("recipe", choices=("multi30k", "tatoeba", "g2p"))
    recipe = parser.parse_args().recipe
    made = MADE / f"{recipe}-{SEED}-{RUN}"
    if not made.exists():
        sys.exit(
            f"{made} is missing. A run whose results are there is not trained again: "
            f"delete {RUN!r} from recipes/results/{recipe}-{SEED}.json, then run "
            f"python -m recipes.{recipe} --seed {SEED}"
        )
    shipped = PRETRAINED / recipe
    Translator.load(made).save(shipped, half_precision=True)
    size = sum(path.stat().st_size for path in shipped.iterdir())
    print(f"{shipped}: {size / 1e6:.1f} MB")
    if size > MOST_BYTES:
        sys.exit(f"{shipped} must be at most {MOST_BYTES / 1e6:.0f} MB.")


if __name__ == "__main__":
    main()
