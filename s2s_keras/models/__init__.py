"""Models as three graphs that share their layers.

A builder makes every layer once and calls it in the training graph, in the encoder
and in the step graph. Nothing is looked up in a finished model.
"""

from s2s_keras.models.builders import attention_seq2seq, build, encoder_decoder
from s2s_keras.models.embeddings import set_embedding
from s2s_keras.models.seq2seq import Seq2Seq

__all__ = ["Seq2Seq", "attention_seq2seq", "build", "encoder_decoder", "set_embedding"]
