"""Searching a target with a model's `encoder` and `step`, and scoring a given one."""

from s2s_keras.decoding.beam import beam_search
from s2s_keras.decoding.ensembles import ensemble
from s2s_keras.decoding.sampling import sample
from s2s_keras.decoding.walking import greedy, score

__all__ = ["beam_search", "ensemble", "greedy", "sample", "score"]
