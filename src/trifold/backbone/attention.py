"""Attention by plain matrix products, where that beats PyTorch's fused one: in bfloat16 on a CPU.

PyTorch's fused attention is slow there: of a forward pass over reviews it takes two fifths of the time for a tenth of
the operations. Two products do the same two to seven times as fast (benchmarks/LOG.md): queries by keys, and the
exponential of that by the values, beside which a column of ones sums up what the result is divided by. A key that
counts for nothing has zeros in both, so no mask is added to anything. On a processor that multiplies whole tiles,
PyTorch's own is the faster one again where nothing is learned.
"""

import math
from collections.abc import Callable
from typing import Any

import torch

from trifold.runtime import cpu_multiplies_tiles

NAME = "products"
# Beyond, a row's weights no longer fit a core's cache, and all of them take memory that grows with the square.
_LONGEST = 512
# Between these a row's sum of powers is exact enough, and none of those that matter was too small or large a number.
_SMALLEST_SUM, _LARGEST_SUM = 1e-20, 1e36
# Where no gradient is wanted, so many scores are computed at once as a core's cache holds.
_SCORES_AT_ONCE = 3_000_000
# What an architecture may ask of attention that is not done here.
_NOT_PLAIN = ("is_causal", "position_bias", "softcap", "sliding_window", "cache", "output_attentions", "s_aux")


def register_attention() -> None:
    """Make it known to transformers under `NAME`; wherever it does not apply, it is their `sdpa`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _forward)
    AttentionMaskInterface.register(NAME, _mask)


def _mask(*, mask_function: Any, q_length: int, **named: Any) -> torch.Tensor | None:
    """As theirs, but one row for all queries where every token sees all others: `(batch, 1, 1 or queries, keys)`."""
    from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

    queries = 1 if mask_function is bidirectional_mask_function else q_length
    found: torch.Tensor | None = sdpa_mask(mask_function=mask_function, q_length=queries, **named)
    return found


def _forward(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **named: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls: `(batch, heads, tokens, width)` each to `(batch, tokens, heads, width)`."""
    plain = not getattr(module, "is_causal", False) and not any(
        named.get(name) is not None and named[name] is not False for name in _NOT_PLAIN
    )
    if plain and not dropout and applies(query, key, attention_mask):
        return attend(query, key, value, attention_mask, scaling).transpose(1, 2), None
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    found: torch.Tensor = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **named
    )[0]
    return found, None


def applies(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None) -> bool:
    """Whether `attend` gives the same as scaled dot-product attention, and sooner."""
    same_for_all_queries = mask is None or (mask.dtype == torch.bool and mask.shape[2] == 1)
    return (
        query.dtype == torch.bfloat16
        and query.device.type == "cpu"
        and query.shape == key.shape
        and key.shape[2] <= _LONGEST
        and same_for_all_queries
        and (_learns(query, key) or not cpu_multiplies_tiles())
    )


def _learns(*states: torch.Tensor) -> bool:
    return torch.is_grad_enabled() and any(part.requires_grad for part in states)


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float | None = None
) -> torch.Tensor:
    """Scaled dot-product attention.

    Args:
        query: `(batch, heads, tokens, width)`.
        key: Likewise.
        value: Likewise.
        mask: `(batch, 1, 1, tokens)` bool: the keys that count.
        scaling: Of the scores; one over the root of `width` where `None`.

    Returns:
        `(batch, heads, tokens, width)`.
    """
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return (_attend_learning if _learns(query, key, value) else _attend_reading)(query, key, value, mask, scaling)


def _attend_learning(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    value = torch.cat([value, value.new_ones(*value.shape[:-1], 1)], dim=-1)
    if mask is not None:
        value = value * mask.transpose(-1, -2)
    mixed = _mix(query * scaling, key, value, mask, torch.exp)
    return mixed[..., :-1] / mixed[..., -1:]


def _attend_reading(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """The same where every pass over memory may be spared, since nobody asks for a gradient.

    What products read lies in one piece, the result as the next layer wants it, and powers are of two, whose are
    quicker to take than those of e.
    """
    texts, heads, tokens, width = query.shape
    query = torch.mul(query, scaling * math.log2(math.e), out=query.new_empty(query.shape))
    key = key.contiguous()
    counted = value.new_ones(texts, heads, tokens, width + 1)
    counted[..., :-1] = value
    if mask is not None:
        counted *= mask.transpose(-1, -2)
    found = value.new_empty(texts, tokens, heads, width).transpose(1, 2)
    step = max(1, _SCORES_AT_ONCE // (heads * tokens * tokens))
    for begin in range(0, texts, step):
        some = slice(begin, begin + step)
        mixed = _mix(query[some], key[some], counted[some], None if mask is None else mask[some], torch.exp2)
        torch.div(mixed[..., :-1], mixed[..., -1:], out=found[some])
    return found


def _mix(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    mask: torch.Tensor | None,
    power: Callable[[torch.Tensor], torch.Tensor],
) -> torch.Tensor:
    """Values weighted by powers of the scores, and in the last column the sum of those."""
    scores = query @ key.transpose(-1, -2)
    mixed = power(scores) @ value
    sums = mixed.detach()[..., -1]
    if bool(sums.min() > _SMALLEST_SUM) and bool(sums.max() < _LARGEST_SUM):
        return mixed
    # Scores too high or too low to be powers: less the largest of each row that counts, the shares stay the same.
    counted = scores if mask is None else scores.masked_fill(~mask, -torch.inf)
    return power(counted - counted.detach().amax(-1, keepdim=True)) @ value
