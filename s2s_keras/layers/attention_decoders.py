"""Decoders whose recurrent layers and attention need each other at every step.

All take a whole target, in one compiled loop, or a single step, over the same
weights. Their *state* is a dict: `hidden_1`, `hidden_2`, … and for an LSTM `cell_1`,
…, all `(batch, units)`, and what a class adds.
"""

import keras
from keras import ops

from s2s_keras.layers.recurrent import Recurrent, state_names


class AttentionDecoder(keras.layers.Layer):
    """The frame of all: a subclass says in which order a step does what.

    Args:
        attention: an `Attention` layer.
        cell: `"rnn"`, `"gru"` or `"lstm"`.
        units: size of every hidden state.
        layers: recurrent layers.
        dropout: share of the units dropped between two recurrent layers.
        residual: whether each cell after the first adds its inputs to its outputs.
        layer_norm: whether each cell's outputs are normalized.
        recurrent_initializer, forget_bias: see `recurrent.Reader`.

    Call arguments:
        inputs: `(batch, length, features)`, or `(batch, features)` for one step.
        state: dict of tensors to start from.
        memory: `(batch, source_length, memory_units)`.
        memory_mask: boolean `(batch, source_length)`.
        keys: what `attention.project` made of `memory`; made anew when left out.

    Returns:
        `outputs, weights, state`: outputs and attention weights of every step,
        `(batch, length, output_units)` and `(batch, length, source_length)`, or
        without the `length` for one step; and the state after the last step.
    """

    def __init__(
        self,
        attention,
        cell,
        units,
        layers=1,
        dropout=0.0,
        residual=False,
        layer_norm=False,
        recurrent_initializer="orthogonal",
        forget_bias=True,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.attention = attention
        self.cell = cell
        self.units = units
        self.layers = layers
        self.dropout = dropout
        self.residual = residual
        self.layer_norm = layer_norm
        self.start = {
            "recurrent_initializer": recurrent_initializer,
            "forget_bias": forget_bias,
        }
        numbers = range(1, layers + 1)
        self.cells = [
            Recurrent(
                cell,
                units,
                residual=residual and number > 1,
                layer_norm=layer_norm,
                **self.start,
                dtype=self.dtype_policy,
                name=f"cell_{number}",
            )
            for number in numbers
        ]
        self.drops = [
            keras.layers.Dropout(dropout, dtype=self.dtype_policy, name=f"drop_{n}")
            for n in numbers[:-1]
        ]
        self.names = {
            number: [f"{part}_{number}" for part in state_names(cell)]
            for number in numbers
        }

    def advance(self, inputs, state, attend, training):
        """Takes one step: returns the output, the weights and the new state."""
        raise NotImplementedError

    def told(self, state):
        """Returns what the attention is told of the state, as call arguments."""
        return {"position": state.get("position")}

    def call(self, inputs, state, memory, memory_mask, keys=None, training=False):
        if keys is None:
            keys = self.attention.project(memory)

        def attend(query, state):
            return self.attention(
                query, memory, memory_mask, keys=keys, **self.told(state)
            )

        def step(carry, inputs):
            _, _, state = carry
            after = self.advance(inputs, state, attend, training)
            return after, after  # what is carried is also what is kept of each step

        if len(inputs.shape) == 2:
            return self.advance(inputs, state, attend, training)
        outputs, weights = self._nothing(inputs, memory, memory_mask)
        steps = ops.transpose(inputs, (1, 0, 2))  # (length, batch, features)
        (_, _, state), (outputs, weights, _) = ops.scan(
            step, (outputs, weights, state), steps
        )
        return (
            ops.transpose(outputs, (1, 0, 2)),
            ops.transpose(weights, (1, 0, 2)),
            state,
        )

    def read(self, inputs, state, training):
        """Takes the cells' step: returns the top hidden state and the new state."""
        after = dict(state)
        for number, cell in enumerate(self.cells, start=1):
            names = self.names[number]
            if number > 1:
                inputs = self.drops[number - 2](inputs, training=training)
            inputs, parts = cell(inputs, initial_state=[state[name] for name in names])
            after.update(zip(names, parts, strict=True))
        if "position" in state:
            after["position"] = state["position"] + 1
        return inputs, after

    def _nothing(self, inputs, memory, memory_mask):
        """Returns the output and the weights that stand before the first step."""
        units = self.output_units(memory.shape[-1])
        empty = ops.zeros_like(inputs[:, 0, :1])  # (batch, 1)
        outputs = ops.repeat(ops.cast(empty, self.compute_dtype), units, axis=1)
        return outputs, ops.zeros_like(memory_mask, dtype=self.attention.precise)

    def build_attention(self, memory_shape):
        if not self.attention.built:  # loading a model builds it first
            self.attention.build((None, None, self.units), memory_shape)

    def build_cells(self, features):
        for cell in self.cells:
            cell.build((None, features))
            features = self.units

    def compute_output_spec(self, inputs, state, memory, memory_mask, *_, **__):
        steps = inputs.shape[:-1]
        outputs = keras.KerasTensor(
            (*steps, self.output_units(memory.shape[-1])), dtype=self.compute_dtype
        )
        weights = keras.KerasTensor(
            (*steps, memory.shape[1]), dtype=self.attention.precise
        )
        after = {
            name: keras.KerasTensor(tensor.shape, dtype=tensor.dtype)
            for name, tensor in state.items()
        }
        return outputs, weights, after

    def get_config(self):
        return {
            **super().get_config(),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "cell": self.cell,
            "units": self.units,
            "layers": self.layers,
            "dropout": self.dropout,
            "residual": self.residual,
            "layer_norm": self.layer_norm,
            **self.start,
        }

    @classmethod
    def from_config(cls, config):
        attention = keras.saving.deserialize_keras_object(config["attention"])
        return cls(**{**config, "attention": attention})


@keras.saving.register_keras_serializable(package="s2s_keras")
class BahdanauDecoder(AttentionDecoder):
    """Attends, then reads: Bahdanau et al. (2015), section 3.1 and appendix A.2.

    The query is the top layer's hidden state of the step before. The context goes into
    the first cell beside the input. A step's output is that of the top cell and the
    context side by side, `(batch, units + memory_units)`.
    """

    def build(self, inputs_shape, state_shape, memory_shape, *_, **__):
        self.build_attention(memory_shape)
        self.build_cells(inputs_shape[-1] + memory_shape[-1])
        self.built = True

    def output_units(self, memory_units):
        return self.units + memory_units

    def advance(self, inputs, state, attend, training):
        context, weights = attend(state[f"hidden_{self.layers}"], state)
        inputs = ops.concatenate([inputs, context], axis=-1)
        hidden, state = self.read(inputs, state, training)
        return ops.concatenate([hidden, context], axis=-1), weights, state


@keras.saving.register_keras_serializable(package="s2s_keras")
class InputFeedingDecoder(AttentionDecoder):
    r"""Reads, then attends, and reads what it found: Luong et al. (2015), section 3.3.

    A step's output is the attentional vector $\tanh(W [context; hidden])$ (equation
    5), `(batch, units)`. It is kept in `state["attentional"]` and goes into the first
    cell of the next step beside the input.
    """

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.combine = keras.layers.Dense(
            self.units,
            activation="tanh",
            use_bias=False,
            dtype=self.dtype_policy,
            name="attentional",
        )

    def build(self, inputs_shape, state_shape, memory_shape, *_, **__):
        self.build_attention(memory_shape)
        self.build_cells(inputs_shape[-1] + self.units)
        self.combine.build((None, memory_shape[-1] + self.units))
        self.built = True

    def output_units(self, memory_units):
        return self.units

    def advance(self, inputs, state, attend, training):
        inputs = ops.concatenate([inputs, state["attentional"]], axis=-1)
        hidden, after = self.read(inputs, state, training)
        context, weights = attend(hidden, state)  # whose position is this step's
        attentional = self.combine(ops.concatenate([context, hidden], axis=-1))
        return attentional, weights, {**after, "attentional": attentional}
