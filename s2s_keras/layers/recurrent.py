"""Recurrent layers that read a whole sequence or take a single step.

They wrap Keras' own `SimpleRNN`, `GRU` and `LSTM`; on a GPU cuDNN runs the latter two
over a sequence, where nothing is dropped between time steps.
A *state* is a list of tensors `(batch, units)`: `[hidden]` for `"rnn"` and `"gru"`,
`[hidden, cell]` for `"lstm"`.
"""

import keras
from keras import ops

from s2s_keras.arguments import check_choice
from s2s_keras.layers.padding import ReverseSequence

CELLS = {
    "rnn": (keras.layers.SimpleRNN, ("hidden",)),
    "gru": (keras.layers.GRU, ("hidden",)),
    "lstm": (keras.layers.LSTM, ("hidden", "cell")),
}


def state_names(cell):
    """Returns the names of the parts of a cell's state, the hidden state first."""
    return CELLS[cell][1]


class Reader(keras.layers.Layer):
    """The frame of both: what becomes of the outputs, and what the layer is made of.

    Args:
        cell: `"rnn"`, `"gru"` or `"lstm"`.
        units: size of the hidden state.
        residual: whether to add the inputs to the outputs (He et al., 2016; in deep
            recurrent stacks Wu et al., 2016, section 3.1); both must have one size.
        layer_norm: whether to normalize the outputs (Ba et al., 2016). The state stays
            as it is with either.
        recurrent_initializer: what the matrix between hidden states starts from, by
            Keras' name: `"orthogonal"` (Saxe et al., 2014) or `"glorot_uniform"`.
        forget_bias: whether an LSTM's forget gate starts with a bias of 1, open (Gers
            et al., 2000; Jozefowicz et al., 2015), or of 0.
        recurrent_dropout: share of the units dropped on their way from one time step
            to the next, in training; one mask for all steps of a sequence (Gal &
            Ghahramani, 2016), and for each gate its own; cuDNN does not know it. The
            state itself is carried on whole. A single step drops none.
    """

    def __init__(
        self,
        cell,
        units,
        residual=False,
        layer_norm=False,
        recurrent_initializer="orthogonal",
        forget_bias=True,
        recurrent_dropout=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_choice("cell", cell, tuple(CELLS))
        self.cell = cell
        self.units = units
        self.residual = residual
        self.within = {
            "recurrent_initializer": recurrent_initializer,
            "forget_bias": forget_bias,
            "recurrent_dropout": recurrent_dropout,
        }
        self.norm = None
        if layer_norm:
            self.norm = keras.layers.LayerNormalization(
                dtype=self.dtype_policy, name="norm"
            )

    def build_finish(self, features, output_features):
        """Builds what `finish` needs, for sizes of inputs and outputs."""
        if self.residual and features != output_features:
            raise ValueError(
                f"residual must be False where inputs have {features} features and "
                f"outputs {output_features}: what is added must have the same size."
            )
        if self.norm:
            self.norm.build((None, None, output_features))

    def finish(self, inputs, outputs, sequence_mask=None):
        """Adds, normalizes, and sets outputs at padding to zero."""
        if self.residual:
            outputs = outputs + inputs
        if self.norm:
            outputs = self.norm(outputs)
        if sequence_mask is not None:
            zero = ops.zeros((), dtype=outputs.dtype)
            outputs = ops.where(sequence_mask[:, :, None], outputs, zero)
        return outputs

    def get_config(self):
        return {
            **super().get_config(),
            "cell": self.cell,
            "units": self.units,
            "residual": self.residual,
            "layer_norm": self.norm is not None,
            **self.within,
        }


@keras.saving.register_keras_serializable(package="s2s_keras")
class Recurrent(Reader):
    """One recurrent layer with two ways to call it, over the same weights.

    `"rnn"` is Elman (1990), `"gru"` Cho et al. (2014), equations 5–8, with the reset
    gate after the product, as cuDNN has it, `"lstm"` Hochreiter & Schmidhuber (1997)
    with the forget gate of Gers et al. (2000).

    Args:
        cell: `"rnn"`, `"gru"` or `"lstm"`.
        units: size of the hidden state.
        residual: whether to add the inputs, of `units` features, to the outputs.
        layer_norm: whether to normalize the outputs.
        recurrent_initializer, forget_bias, recurrent_dropout: see `Reader`.

    Call arguments:
        inputs: `(batch, length, features)` to read a sequence, or
            `(batch, features)` to take one step.
        initial_state: list of tensors `(batch, units)`; zeros when left out. A
            single step needs it.
        sequence_mask: boolean `(batch, length)`, False at the padding, which stands
            on the right; at padding the state stays as it was.

    Returns:
        `outputs, state`: the hidden states, `(batch, length, units)`, zero at
        padding, or `(batch, units)` for one step; and the state after the last
        real input.

    Raises:
        ValueError: if `cell` is unknown, a single step comes without a state, or
            `residual` meets inputs of another size than the outputs.
    """

    def __init__(self, cell, units, *args, **kwargs):
        super().__init__(cell, units, *args, **kwargs)
        layer_class, parts = CELLS[cell]
        within = dict(self.within)
        forget_bias = within.pop("forget_bias")
        if "cell" in parts:
            within["unit_forget_bias"] = forget_bias
        self.recurrent = layer_class(
            units,
            return_sequences=True,
            return_state=True,
            dtype=self.dtype_policy,
            name=cell,
            **within,
        )

    def build(self, inputs_shape, *_, **__):
        batch, features = inputs_shape[0], inputs_shape[-1]
        self.recurrent.build((batch, None, features))
        self.build_finish(features, self.units)
        self.built = True

    def call(self, inputs, initial_state=None, sequence_mask=None, training=False):
        if len(inputs.shape) == 2:
            if initial_state is None:
                raise ValueError(
                    "initial_state must be given for a single step. Received: None"
                )
            output, state = self.recurrent.cell(inputs, initial_state, training=False)
            # Keras' SimpleRNN keeps a mask even here, for a batch that is not this one.
            self.recurrent.cell.reset_recurrent_dropout_mask()
            return self.finish(inputs, output), list(state)
        outputs, *state = self.recurrent(
            inputs, initial_state=initial_state, mask=sequence_mask, training=training
        )
        return self.finish(inputs, outputs, sequence_mask), state

    def compute_output_spec(self, inputs, *_, **__):
        state = [
            keras.KerasTensor((inputs.shape[0], self.units), dtype=self.compute_dtype)
            for _ in state_names(self.cell)
        ]
        shape = (*inputs.shape[:-1], self.units)
        return keras.KerasTensor(shape, dtype=self.compute_dtype), state


@keras.saving.register_keras_serializable(package="s2s_keras")
class Bidirectional(Reader):
    """Two recurrent layers, one of which reads the sequence from its end.

    Schuster & Paliwal (1997), used in an encoder by Bahdanau et al. (2015), section
    3.2. The second reader starts at the last real token, never at padding.

    Args:
        cell: `"rnn"`, `"gru"` or `"lstm"`.
        units: size of the hidden state of each direction.
        residual: whether to add the inputs, of `2 * units` features, to the outputs.
        layer_norm: whether to normalize the outputs.
        recurrent_initializer, forget_bias, recurrent_dropout: see `Reader`.

    Call arguments:
        inputs: `(batch, length, features)`.
        sequence_mask: boolean `(batch, length)`, False at the padding.

    Returns:
        `outputs, state`: both directions' hidden states side by side,
        `(batch, length, 2 * units)`, zero at padding; and a list of the final states
        `(batch, 2 * units)`, forward first.

    Raises:
        ValueError: if `residual` meets inputs of another size than the outputs.
    """

    def __init__(self, cell, units, *args, **kwargs):
        super().__init__(cell, units, *args, **kwargs)
        within = {**self.within, "dtype": self.dtype_policy}
        self.forward = Recurrent(cell, units, name="forward", **within)
        self.backward = Recurrent(cell, units, name="backward", **within)
        self.reverse = ReverseSequence(dtype=self.dtype_policy, name="reversed")

    def build(self, inputs_shape, *_, **__):
        self.forward.build(inputs_shape)
        self.backward.build(inputs_shape)
        self.build_finish(inputs_shape[-1], 2 * self.units)
        self.built = True

    def call(self, inputs, sequence_mask, training=False):
        forward, forward_state = self.forward(
            inputs, sequence_mask=sequence_mask, training=training
        )
        backward, backward_state = self.backward(
            self.reverse(inputs, sequence_mask),
            sequence_mask=sequence_mask,
            training=training,
        )
        backward = self.reverse(backward, sequence_mask)
        outputs = ops.concatenate([forward, backward], axis=-1)
        outputs = self.finish(inputs, outputs, sequence_mask)
        state = [
            ops.concatenate(parts, axis=-1)
            for parts in zip(forward_state, backward_state, strict=True)
        ]
        return outputs, state

    def compute_output_spec(self, inputs, *_, **__):
        batch, length = inputs.shape[:2]
        state = [
            keras.KerasTensor((batch, 2 * self.units), dtype=self.compute_dtype)
            for _ in state_names(self.cell)
        ]
        shape = (batch, length, 2 * self.units)
        return keras.KerasTensor(shape, dtype=self.compute_dtype), state


@keras.saving.register_keras_serializable(package="s2s_keras")
class ConcatenateContext(keras.layers.Layer):
    """Puts one vector of the whole source beside every step of the target.

    Call arguments:
        steps: `(batch, length, features)`, or `(batch, features)` for one step.
        context: `(batch, context_features)`.

    Returns:
        `(batch, length, features + context_features)`, or without the `length` for
        one step.
    """

    def call(self, steps, context):
        if len(steps.shape) == 3:
            context = ops.repeat(context[:, None, :], ops.shape(steps)[1], axis=1)
        return ops.concatenate([steps, context], axis=-1)

    def compute_output_spec(self, steps, context):
        features = steps.shape[-1] + context.shape[-1]
        return keras.KerasTensor((*steps.shape[:-1], features), dtype=steps.dtype)
