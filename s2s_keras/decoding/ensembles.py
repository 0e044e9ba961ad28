"""Several models that decode as one."""

from __future__ import annotations

import tensorflow as tf

from s2s_keras.arguments import check_list
from s2s_keras.models import Seq2Seq

SIZES = ("source_vocabulary", "source_features", "target_vocabulary")


def ensemble(models):
    """Joins models to one that averages their probabilities at every step.

    Args:
        models: sequence of `Seq2Seq` that read and write the same: the same ids or
            vectors, and words, words that may be copied, or places of the source.

    Returns:
        A `Seq2Seq` for every decoder, without a training graph. Its logits are the
        logarithm of the mean of the models' probabilities; where all of them attend,
        its weights are the mean of theirs.

    Raises:
        TypeError: if `models` is no list.
        ValueError: if there is no model, or they do not read and write the same.
    """
    check_list("models", models)
    models = list(models)
    if not models:
        raise ValueError("models must hold at least one model. Received none.")
    for name in SIZES:
        sizes = [model.config[name] for model in models if name in model.config]
        if len(set(sizes)) > 1:
            raise ValueError(
                f"models must have the same {name}, or all none. Received: {sizes}"
            )
    for name, what in (("copies", "copy"), ("points", "point")):
        does = [getattr(model, name) for model in models]
        if len(set(does)) > 1:
            raise ValueError(
                f"models must all {what}, or none of them, since their sources or "
                f"targets differ. Received: {name} {does}"
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

    first = models[0]
    shared = list(SIZES)
    if first.copies or first.points:
        shared.append("builder")  # it says what sources and targets are
    config = {name: first.config[name] for name in shared if name in first.config}
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
