"""Long training runs, one short script each, that leave `recipes/results/`.

Run one with `python -m recipes.phrasebook --seed 0`; a run that was broken off goes on
where it stood. `python -m recipes.tables` writes the tables of README and notebooks
from the results.
"""
