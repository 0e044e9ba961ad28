"""What the arguments of builders may be."""

import functools

from s2s_keras.arguments import (
    SHARE,
    as_python,
    check_choice,
    check_number,
    check_switch,
    check_whole,
)
from s2s_keras.layers.attention import SCORES
from s2s_keras.layers.recurrent import CELLS
from s2s_keras.text import SPECIAL_TOKENS

STACK = (
    *("cell", "units", "layers", "dropout", "residual", "layer_norm"),
    *("recurrent_initializer", "forget_bias", "recurrent_dropout"),
)
CHOICES = {
    "cell": tuple(CELLS),
    "context": ("initial", "every_step"),
    "score": tuple(SCORES),
    "placement": ("luong", "bahdanau"),
    "local": (None, "monotonic", "predictive"),
    "recurrent_initializer": ("orthogonal", "glorot_uniform"),
}
SWITCHES = (
    "bidirectional",
    "reverse_source",
    "input_feeding",
    "tie_embeddings",
    "residual",
    "layer_norm",
    "forget_bias",
    "distinct",
    "coverage",
)
SOURCE = ("source_vocabulary", "source_features")  # one of them may be None
LEAST = {
    "source_features": 1,
    "source_vocabulary": len(SPECIAL_TOKENS) + 1,
    "target_vocabulary": len(SPECIAL_TOKENS) + 1,
    "units": 1,
    "embedding_dim": 1,
    "layers": 1,
    "window": 1,
    "longest": 1,
}
RANGES = {
    "coverage_weight": ("of at least 0", lambda value: value >= 0.0),
    "dropout": SHARE,
    "output_dropout": SHARE,
    "embedding_dropout": SHARE,
    "recurrent_dropout": SHARE,
    "embedding_stddev": ("above 0", lambda value: value > 0.0),
}
OPTIONAL = ("output_dropout",)  # may be None


def builder(build):
    """Lets a builder take NumPy's numbers, which neither Keras' layers nor JSON do."""

    @functools.wraps(build)
    def built(*values, **named):
        named = {name: as_python(value) for name, value in named.items()}
        return build(*map(as_python, values), **named)

    return built


def check(config):
    """Raises ValueError for the first argument of a builder that cannot be."""
    config = dict(config)
    if "source_features" in config:
        _check_source(config)
        for name in [name for name in SOURCE if config[name] is None]:
            del config[name]
    for name in [name for name in CHOICES if name in config]:
        check_choice(name, config[name], CHOICES[name])
    for name in [name for name in SWITCHES if name in config]:
        check_switch(name, config[name])
    for name in [name for name in LEAST if name in config]:
        check_whole(name, config[name], LEAST[name])
    for name in [name for name in RANGES if name in config]:
        if config[name] is not None or name not in OPTIONAL:
            check_number(name, config[name], *RANGES[name])


def _check_source(config):
    """Raises ValueError unless the source holds either tokens or vectors."""
    given = {name: config[name] for name in SOURCE}
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError(
            "One of source_vocabulary and source_features must be a number and the "
            f"other None. Received: {given}"
        )
