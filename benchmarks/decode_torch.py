"""The attention model in PyTorch, decoded by loops that are written by hand.

This is how tutorials decode: a `for` over the steps, a whole batch at once, without
gradients. It has what makes it faster: the keys are computed once a sentence, and beam
search reorders only what differs between the hypotheses of a sentence. Sources must
have no padding, so it needs neither a mask nor packed sequences.
"""

from __future__ import annotations

import torch
from torch import nn

from s2s_keras.text import EOS, PAD, SOS


class AttentionSeq2Seq(nn.Module):
    """`attention_seq2seq` with its default arguments, for sources without padding.

    Args:
        source_vocabulary: number of source ids.
        target_vocabulary: number of target ids.
        units: size of every hidden state.
        embedding_dim: size of the embeddings.
    """

    def __init__(self, source_vocabulary, target_vocabulary, units, embedding_dim):
        super().__init__()
        self.source_embedding = nn.Embedding(source_vocabulary, embedding_dim)
        self.encoder = nn.LSTM(
            embedding_dim, units, batch_first=True, bidirectional=True
        )
        self.bridge_hidden = nn.Linear(2 * units, units)
        self.bridge_cell = nn.Linear(2 * units, units)
        self.target_embedding = nn.Embedding(target_vocabulary, embedding_dim)
        self.decoder = nn.LSTMCell(embedding_dim, units)
        self.query_projection = nn.Linear(units, units, bias=False)
        self.key_projection = nn.Linear(2 * units, units, bias=False)
        self.energy = nn.Linear(units, 1, bias=False)
        self.attentional = nn.Linear(3 * units, units, bias=False)
        self.logits = nn.Linear(units, target_vocabulary)

    def encode(self, source):
        """Reads sources `(batch, source_length)`.

        Returns:
            `memory, keys, hidden, cell`: `(batch, source_length, 2 * units)`, `(batch,
            source_length, units)` and twice `(batch, units)`.
        """
        memory, finals = self.encoder(self.source_embedding(source))
        hidden, cell = (torch.cat(tuple(final), dim=-1) for final in finals)
        hidden = torch.tanh(self.bridge_hidden(hidden))
        return memory, self.key_projection(memory), hidden, self.bridge_cell(cell)

    def step(self, token, memory, keys, hidden, cell):
        """Takes one step.

        Args:
            token: the last token, `(batch,)`.
            memory, keys, hidden, cell: as `encode` returns them.

        Returns:
            `logits, hidden, cell`: `(batch, vocabulary)` and twice `(batch, units)`.
        """
        hidden, cell = self.decoder(self.target_embedding(token), (hidden, cell))
        query = self.query_projection(hidden)[:, None, :]  # (batch, 1, units)
        scores = self.energy(torch.tanh(query + keys))  # (batch, source_length, 1)
        weights = torch.softmax(scores, dim=1).transpose(1, 2)
        context = torch.bmm(weights, memory)[:, 0]  # (batch, 2 * units)
        both = torch.cat([context, hidden], dim=-1)
        return self.logits(torch.tanh(self.attentional(both))), hidden, cell


def search(model, source, width, max_length):
    """Decodes greedily or, with a width above 1, with beam search.

    Args:
        model: an `AttentionSeq2Seq`.
        source: NumPy ids `(batch, source_length)` without padding.
        width: width of the beam; 1 is greedy.
        max_length: most tokens of a target, EOS counted.

    Returns:
        NumPy ids `(batch, target_length)`.
    """
    source = torch.from_numpy(source)
    if width == 1:
        return greedy(model, source, max_length).numpy()
    return beam_search(model, source, width, max_length).numpy()


@torch.no_grad()
def greedy(model, source, max_length):
    """Decodes greedily until every row has ended or has `max_length` tokens.

    Returns:
        int64 ids `(batch, target_length)`.
    """
    memory, keys, hidden, cell = model.encode(source)
    token = torch.full((len(source),), SOS)  # (batch,)
    ended = torch.zeros(len(source), dtype=torch.bool)
    tokens = []
    for _ in range(max_length):
        logits, hidden, cell = model.step(token, memory, keys, hidden, cell)
        token = logits.argmax(dim=-1).masked_fill(ended, PAD)
        tokens.append(token)
        ended |= token == EOS
        if ended.all():
            break
    return torch.stack(tokens, dim=1)


@torch.no_grad()
def beam_search(model, source, beam_width, max_length):
    """Keeps the `beam_width` best at every step; one that has ended goes on with PAD.

    Returns:
        The best of each source: int64 ids `(batch, target_length)`.
    """
    batch = len(source)
    memory, keys, hidden, cell = (
        part.repeat_interleave(beam_width, dim=0) for part in model.encode(source)
    )
    first_rows = torch.arange(batch)[:, None] * beam_width  # (batch, 1)
    tokens = torch.full((batch * beam_width, 1), SOS)
    scores = torch.full((batch, beam_width), LOWEST)
    scores[:, 0] = 0.0  # at first there is one beginning, the others are its copies
    ended = torch.zeros(batch * beam_width, dtype=torch.bool)
    only_pad = torch.full((model.logits.out_features,), LOWEST)
    only_pad[PAD] = 0.0
    for _ in range(max_length):
        logits, hidden, cell = model.step(tokens[:, -1], memory, keys, hidden, cell)
        logs = torch.log_softmax(logits, dim=-1)  # (batch * beam_width, vocabulary)
        logs[ended] = only_pad
        totals = scores.view(-1, 1) + logs
        scores, chosen = totals.view(batch, -1).topk(beam_width, dim=-1)
        rows = (first_rows + chosen // logs.shape[1]).view(-1)
        token = (chosen % logs.shape[1]).view(-1, 1)
        tokens = torch.cat([tokens[rows], token], dim=1)
        hidden, cell = hidden[rows], cell[rows]
        ended = ended[rows] | (token[:, 0] == EOS)
        if ended.all():
            break
    return tokens.view(batch, beam_width, -1)[:, 0, 1:]  # topk sorts: the best is first


LOWEST = -1e9


def from_keras(seq2seq):
    """Returns the same model in PyTorch, with copies of the weights.

    Args:
        seq2seq: what `attention_seq2seq` builds, with an LSTM and additive score.
    """
    config, layer = seq2seq.config, seq2seq.training.get_layer
    sizes = ("source_vocabulary", "target_vocabulary", "units", "embedding_dim")
    model = AttentionSeq2Seq(*(config[name] for name in sizes))
    attention, encoder = layer("additive_attention"), layer("encoder_1")
    copy(model.source_embedding.weight, layer("source_embedding").embeddings)
    copy(model.target_embedding.weight, layer("target_embedding").embeddings)
    copy_lstm(model.encoder, "_l0", encoder.forward)
    copy_lstm(model.encoder, "_l0_reverse", encoder.backward)
    copy_lstm(model.decoder, "", layer("decoder_1"))
    copy_dense(model.bridge_hidden, layer("bridge_hidden_1"))
    copy_dense(model.bridge_cell, layer("bridge_cell_1"))
    copy_dense(model.query_projection, attention.query_projection)
    copy_dense(model.key_projection, attention.key_projection)
    copy_dense(model.energy, attention.energy)
    copy_dense(model.attentional, layer("attentional"))
    copy_dense(model.logits, layer("logits"))
    return model.eval()


def copy_lstm(module, suffix, recurrent):
    """Copies a direction of an LSTM; both libraries order the gates alike."""
    cell = recurrent.recurrent.cell
    copy(getattr(module, f"weight_ih{suffix}"), cell.kernel, transposed=True)
    copy(getattr(module, f"weight_hh{suffix}"), cell.recurrent_kernel, transposed=True)
    copy(getattr(module, f"bias_ih{suffix}"), cell.bias)
    nn.init.zeros_(getattr(module, f"bias_hh{suffix}"))  # Keras has one bias


def copy_dense(module, dense):
    copy(module.weight, dense.kernel, transposed=True)
    if module.bias is not None:
        copy(module.bias, dense.bias)


def copy(parameter, variable, transposed=False):
    """Copies a Keras variable to a PyTorch parameter of the same shape."""
    values = torch.from_numpy(variable.numpy().copy())
    values = values.T if transposed else values
    if values.shape != parameter.shape:  # copy_ would broadcast
        raise ValueError(
            f"variable must have the parameter's shape {tuple(parameter.shape)}. "
            f"Received: shape {tuple(values.shape)}"
        )
    with torch.no_grad():
        parameter.copy_(values)
