"""Several models that decode as one."""

from __future__ import annotations

import tensorflow as tf

from s2s_keras.models import Seq2Seq


def ensemble(models):
    """Joins models to one that averages their probabilities at every step.

    Args:
        models: sequence of `Seq2Seq` with the same source and target ids; all of
            them copy, or none does.

    Returns:
        A `Seq2Seq` for every decoder, without a training graph. Its logits are the
        logarithm of the mean of the models' probabilities; where all of them attend,
        its weights are the mean of theirs.

    Raises:
        ValueError: if there is no model, their vocabularies have different sizes, or
            only some of them copy.
    """
    models = list(models)
    if not models:
        raise ValueError("models must hold at least one model. Received none.")
    for name in ("source_vocabulary", "target_vocabulary"):
        sizes = {model.config[name] for model in models if name in model.config}
        if len(sizes) > 1:
            raise ValueError(
                f"models must have the same {name}. Received: sizes {sorted(sizes)}"
            )

    if len({model.copies for model in models}) > 1:
        raise ValueError(
            "models must all copy, or none of them, since their sources differ. "
            f"Received: copies {[model.copies for model in models]}"
        )

    def encoder(source):
        return _state([model.encoder(source) for model in models])

    def step(inputs):
        token, state = inputs
        pairs = zip(models, state["members"], strict=True)
        steps = [model.step([token, member]) for model, member in pairs]
        logs = [tf.nn.log_softmax(tf.cast(logits, tf.float32)) for logits, _ in steps]
        mean = tf.reduce_logsumexp(tf.stack(logs), axis=0) - tf.math.log(
            float(len(models))
        )
        return mean, _state([member for _, member in steps])

    shared = ["source_vocabulary", "target_vocabulary"]
    shared += ["builder"] if models[0].copies else []  # it says how to read sources
    own = models[0].config
    config = {name: own[name] for name in shared if name in own}
    return Seq2Seq(training=None, encoder=encoder, step=step, config=config)


def _state(members):
    """Joins the models' states; the weights stand where a decoder looks for them."""
    state = {"members": members}
    if all(isinstance(member, dict) and "weights" in member for member in members):
        weights = [tf.cast(member["weights"], tf.float32) for member in members]
        state["weights"] = tf.reduce_mean(tf.stack(weights), axis=0)
        if all("memory_mask" in member for member in members):
            state["memory_mask"] = members[0]["memory_mask"]
    return state
