"""A BERT-like model whose last layer is computed only for the tokens that its head reads.

What is saved stays the same. Models whose layers are built otherwise compute every token.
"""

from types import MethodType
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention

from trifold.engines.architectures import has_bert_layers
from trifold.models.classification_head import find_last_linear, in_full_precision
from trifold.models.layers import encoder_layers


def speed_up_classifier(model: Any) -> Any:
    """Let a classifier compute its last layer for the first token alone, and its logits in single precision.

    Args:
        model: With the library's classification head; changed in place.

    Returns:
        The model.
    """
    final: Any = find_last_linear(model)
    if final is not None:
        final.forward = MethodType(in_full_precision, final)
    return compute_first_token_only(model)


def compute_first_token_only(model: Any) -> Any:
    """Let the last layer compute the first token alone, since a BERT-like classification head reads nothing else.

    Only its keys and values are needed of the other tokens, so ten twelfths of the layer's matmuls fall away, in
    training and in use. Architectures whose layers are built otherwise stay as they are.
    """
    if has_bert_layers(model):
        last = encoder_layers(model)[-1]
        # A bound method, so that a copy of the model computes with its own layer.
        last.forward = MethodType(_first_token, last)
    return model


def _first_token(
    layer: Any, hidden: torch.Tensor, attention_mask: torch.Tensor | None = None, *_: Any, **__: Any
) -> torch.Tensor:
    """One BERT layer for its first token: `(batch, tokens, width)` to `(batch, 1, width)`."""
    result: torch.Tensor = layer.feed_forward_chunk(_attended(layer, hidden[:, :1], hidden, attention_mask))
    return result


def layer_at(layer: Any, hidden: torch.Tensor, mask: torch.Tensor | None, where: torch.Tensor) -> torch.Tensor:
    """One BERT layer for some of its tokens: `(batch, tokens, width)` to `(1, places, width)`.

    Args:
        layer: Layer of a BERT-like encoder.
        hidden: Hidden states of the layer below.
        mask: The layer's attention mask, the same for every query; `None` where nothing is masked.
        where: `(batch, tokens)` bool, the places to compute.
    """
    # Rows have different numbers of places: each is padded to the longest with places that are dropped again.
    order = torch.argsort(where.int(), dim=1, descending=True, stable=True)[:, : max(1, int(where.sum(1).max()))]
    some = hidden.gather(1, order.unsqueeze(-1).expand(-1, -1, hidden.shape[-1]))
    attended = _attended(layer, some, hidden, mask)[where.gather(1, order)]
    result: torch.Tensor = layer.feed_forward_chunk(attended).unsqueeze(0)
    return result


def _attended(layer: Any, some: torch.Tensor, hidden: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
    """The attention of some tokens to all tokens, `(batch, places, width)`, before the layer's feed-forward part."""
    attention = layer.attention.self

    def heads(states: torch.Tensor) -> torch.Tensor:
        batch, tokens, _ = states.shape
        return states.view(batch, tokens, attention.num_attention_heads, -1).transpose(1, 2)

    mixed = scaled_dot_product_attention(
        heads(attention.query(some)),
        heads(attention.key(hidden)),
        heads(attention.value(hidden)),
        attn_mask=None if mask is None else mask[:, :, :1],
        dropout_p=attention.dropout.p if attention.training else 0.0,
    )
    result: torch.Tensor = layer.attention.output(mixed.transpose(1, 2).flatten(2), some)
    return result
