"""Language heads, which predict hidden or next words, computed only at the places that are asked for."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.nn.functional import cross_entropy

from trifold.engines.architectures import has_bert_layers, logits_come_last
from trifold.engines.partial_layers import layer_at
from trifold.models.chunked_cross_entropy import linear_cross_entropy
from trifold.models.layers import encoder_layers

# Endings of transformers' class names for models that generate text.
CAUSAL_ENDINGS = ("ForCausalLM", "LMHeadModel")


def word_logits(model: Any, ids: torch.Tensor, where: torch.Tensor | None, mask: torch.Tensor | None = None) -> Any:
    """The logits of some places, `(places, vocabulary)`; the head is computed there and nowhere else.

    Args:
        model: Any model with a language head on top of its `base_model`.
        ids: `(batch, tokens)`.
        where: `(batch, tokens)` bool, the places; all where `None`.
        mask: `(batch, tokens)`, 0 at padding; `None` for full blocks, whose attention needs none.
    """
    options: dict[str, Any] = {}
    if type(model).__name__.endswith(CAUSAL_ENDINGS):
        # Without a mask transformers warns of padding tokens; one of ones it drops again.
        options, mask = {"use_cache": False}, torch.ones_like(ids) if mask is None else mask
    with _only_at(model, where):
        logits = model(input_ids=ids, attention_mask=mask, **options).logits
    return logits.flatten(0, 1)


def word_loss(
    model: Any, ids: torch.Tensor, where: torch.Tensor | None, targets: torch.Tensor, mask: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of the true words at some places, and how many of them the model finds most probable.

    Args:
        model: Any model with a language head on top of its `base_model`.
        ids: `(batch, tokens)`.
        where: `(batch, tokens)` bool, the places; all where `None`.
        targets: `(places,)` int64, the true words.
        mask: As for `word_logits`.

    Returns:
        The loss summed over places with its graph, and the count, both scalars.
    """
    last: Any = model.get_output_embeddings()
    # A quantised or an adapted layer is of another class, whose forward pass must not be skipped.
    plain = type(last) is torch.nn.Linear
    if plain and logits_come_last(model):
        # The logits are computed together with the loss, in chunks, and never all at once.
        last.forward = lambda states: states
        try:
            hidden = word_logits(model, ids, where, mask)
        finally:
            del last.forward
        return linear_cross_entropy(hidden, last.weight, last.bias, targets)
    logits = word_logits(model, ids, where, mask).float()
    right = (logits.detach().argmax(1) == targets).sum()
    return cross_entropy(logits, targets, reduction="sum"), right


@contextmanager
def _only_at(model: Any, where: torch.Tensor | None) -> Iterator[None]:
    """Inside, the head sees the hidden states of some places alone, and a BERT's last layer computes no others.

    A vocabulary is far wider than a hidden state, so at one place in seven the head of a small model is nearly free,
    and at all of them half of the work.
    """
    if where is None:
        yield
        return

    # peft passes names on to the model that it adapts, but for those that are its own, such as `model`.
    bare = model.get_base_model() if hasattr(model, "get_base_model") else model
    body = getattr(bare, bare.base_model_prefix)
    if has_bert_layers(model):
        last = encoder_layers(model)[-1]
        last.forward = lambda hidden, attention_mask=None, *_, **__: layer_at(last, hidden, attention_mask, where)
        try:
            yield
        finally:
            del last.forward
        return

    def select(_body: Any, _inputs: Any, output: Any) -> Any:
        output.last_hidden_state = output.last_hidden_state[where].unsqueeze(0)
        return output

    handle = body.register_forward_hook(select)
    try:
        yield
    finally:
        handle.remove()
