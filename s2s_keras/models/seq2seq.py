"""What every model is: three graphs that share their layers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from s2s_keras import plotting


@dataclasses.dataclass(frozen=True, eq=False)
class Seq2Seq:
    """A sequence-to-sequence model.

    Attributes:
        training: `[source, target_in]` → logits `(batch, target_length, vocabulary)`.
            The source is an int32 tensor `(batch, source_length)` or a dict of tensors
            (see `batches`), `target_in` an int32 tensor `(batch, target_length)`.
        encoder: `source` → `state`, a dict of tensors, batch first.
        step: `[token, state]`, a token an int32 tensor `(batch,)` → `(logits,
            state)`, logits `(batch, vocabulary)` and a state of the same structure.
            Where there is attention, `state["weights"]` is `(batch, source_length)`.
        attention: where there is attention, `[source, target_in]` → its weights,
            `(batch, target_length, source_length)`, from the layers of `training`.
        chunk: `[tokens, state]`, tokens an int32 tensor `(batch, length)` → logits
            `(batch, length, vocabulary)` and the state after them; `length` steps at
            once, from the layers of `training`. Training alone reads it.
        penalized: where each step costs more than its token's cross-entropy,
            `[source, target_in]` → logits as of `training` and the cost
            `(batch, target_length)`. Training alone reads it.
        generation: where the model copies, `[source, target_in]` → the probability of
            generating instead, `(batch, target_length)`.
        config: the builder's name and its arguments, from which `build` makes the
            same model with fresh weights.
        compiled: the searches and measurements that were compiled for this model.

    Decoders use `encoder` and `step` alone and take any callables for them.
    """

    training: Callable | None
    encoder: Callable
    step: Callable
    attention: Callable | None = None
    chunk: Callable | None = None
    penalized: Callable | None = None
    generation: Callable | None = None
    config: dict = dataclasses.field(default_factory=dict)
    compiled: dict = dataclasses.field(default_factory=dict, init=False, repr=False)

    @property
    def points(self):
        """Whether the targets are places of the source, not words."""
        return self.config.get("builder") == "pointer_network"

    @property
    def copies(self):
        """Whether ids from `target_vocabulary` on stand for the source's own words."""
        return self.config.get("builder") == "pointer_generator"

    def summary(self, **kwargs):
        """Prints Keras' summary of the training graph; it holds every layer."""
        self.training.summary(**kwargs)

    def diagram(self):
        """Returns a Matplotlib figure of the three graphs, shared layers in color.

        A layer that one graph calls twice has two boxes in it.
        """
        graphs = ("training", "encoder", "step")
        return plotting.graphs({name: _nodes(getattr(self, name)) for name in graphs})


def _nodes(graph):
    """Lists the calls of a functional model's layers, each with its inputs' names.

    A layer's first call has the layer's name, the next is its `(call 2)`. Operations
    that are no layer, such as the zeros a state starts from, are left out.
    """
    layers = {layer.name for layer in graph.layers}
    return [
        (
            _call_name(layer["name"], number),
            sorted(
                _call_name(*origin)
                for origin in set(_origins(call))
                if origin[0] in layers
            ),
        )
        for layer in graph.get_config()["layers"]
        if layer["name"] in layers
        for number, call in enumerate(layer["inbound_nodes"] or [()])
    ]


def _call_name(layer, number):
    return f"{layer} (call {number + 1})" if number else layer


def _origins(part):
    """Yields layer and number of each call whose output stands in an argument."""
    if isinstance(part, dict):
        if "keras_history" in part:
            yield tuple(part["keras_history"][:2])
        part = part.values()
    elif not isinstance(part, (list, tuple)):
        return
    for child in part:
        yield from _origins(child)
