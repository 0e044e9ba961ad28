"""What every model is: three graphs that share their layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from s2s_keras import plotting


@dataclasses.dataclass(frozen=True, eq=False)
class Seq2Seq:
    """A sequence-to-sequence model.

    Attributes:
        training: `[source, target_in]`, two int32 tensors `(batch, source_length)`
            and `(batch, target_length)` → logits `(batch, target_length,
            vocabulary)`.
        encoder: `source` → `state`, a dict of tensors, batch first.
        step: `[token, state]`, a token an int32 tensor `(batch,)` → `(logits,
            state)`, logits `(batch, vocabulary)` and a state of the same structure.
            Where there is attention, `state["weights"]` is `(batch, source_length)`.
        attention: where there is attention, `[source, target_in]` → its weights,
            `(batch, target_length, source_length)`, from the layers of `training`.
        config: the builder's name and its arguments, from which `build` makes the
            same model with fresh weights.
        compiled: the searches that `decoding` has compiled for this model.

    Decoders use `encoder` and `step` alone and take any callables for them.
    """

    training: Callable | None
    encoder: Callable
    step: Callable
    attention: Callable | None = None
    config: dict = dataclasses.field(default_factory=dict)
    compiled: dict = dataclasses.field(default_factory=dict, repr=False)

    def summary(self, **kwargs):
        """Prints Keras' summary of the training graph; it holds every layer."""
        self.training.summary(**kwargs)

    def diagram(self):
        """Returns a Matplotlib figure of the three graphs, shared layers in color."""
        graphs = ("training", "encoder", "step")
        return plotting.graphs({name: _nodes(getattr(self, name)) for name in graphs})


def _nodes(graph):
    """Lists a functional model's layers, each with the names of its inputs.

    Operations that are no layer, such as the zeros a state starts from, are left out.
    """
    layers = {layer.name for layer in graph.layers}
    return [
        (node["name"], sorted(layers.intersection(_histories(node["inbound_nodes"]))))
        for node in graph.get_config()["layers"]
        if node["name"] in layers
    ]


def _histories(part):
    """Yields the name of each layer whose output stands in a node's arguments."""
    if isinstance(part, dict):
        if "keras_history" in part:
            yield part["keras_history"][0]
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for child in part:
        yield from _histories(child)
