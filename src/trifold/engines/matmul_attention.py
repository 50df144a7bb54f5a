"""Scaled dot-product attention by two plain matmuls, where that beats PyTorch's fused one: in bfloat16 on a CPU.

There PyTorch's fused attention takes two fifths of the time of a forward pass for a tenth of its operations. Two
matmuls compute the same two to seven times as fast (benchmarks/LOG.md): queries by keys, and the exponential of the
scores by the values, beside which a column of ones sums up what the result is divided by. A masked key has zeros in
both, so no mask is added to the scores. Elsewhere PyTorch's fused attention computes: on other devices, in single
precision, with other masks, for very long texts, and without gradients on a processor that multiplies whole tiles.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from trifold.runtime import cpu_multiplies_tiles

NAME = "matmul"
# Tokens beyond which a row's weights no longer fit a core's cache, and memory grows with the square of the length.
_LONGEST = 512
# Between these a row's sum of powers is exact enough, and no power that matters was too small or too large a number.
_SMALLEST_SUM, _LARGEST_SUM = 1e-20, 1e36
# Scores computed at once: as many as a core's cache holds.
SCORES_AT_ONCE = 3_000_000
# Variants of attention, by the names of transformers' arguments, that are not computed here.
_NOT_PLAIN = ("is_causal", "position_bias", "softcap", "sliding_window", "cache", "output_attentions", "s_aux")


def registered_attention() -> str:
    """Register this attention with transformers; where it does not apply, their `sdpa` computes.

    Returns:
        The name to load a model with.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _forward)
    AttentionMaskInterface.register(NAME, _mask)
    return NAME


def _mask(*, mask_function: Any, q_length: int, **named: Any) -> torch.Tensor | None:
    """The mask of transformers, with one row for all queries where every token sees all others.

    Returns:
        `(batch, 1, 1 or queries, keys)`; `None` where nothing is masked, also while a CUDA graph is captured, when some
        versions of transformers make a mask all the same.
    """
    from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

    everywhere = mask_function is bidirectional_mask_function
    if everywhere and named.get("attention_mask") is None and named.get("allow_is_bidirectional_skip"):
        return None
    queries = 1 if everywhere else q_length
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
    """The function that transformers calls: `(batch, heads, tokens, width)` each to `(batch, tokens, heads, width)`."""
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
    """Whether `attend` gives the results of PyTorch's attention, and is faster."""
    same_for_all_queries = mask is None or (mask.dtype == torch.bool and mask.shape[2] == 1)
    return (
        query.dtype == torch.bfloat16
        and query.device.type == "cpu"
        and query.shape == key.shape
        and key.shape[2] <= _LONGEST
        and same_for_all_queries
        and (_needs_gradient(query, key) or not cpu_multiplies_tiles())
    )


def _needs_gradient(*states: torch.Tensor) -> bool:
    return torch.is_grad_enabled() and any(part.requires_grad for part in states)


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float | None = None
) -> torch.Tensor:
    """Scaled dot-product attention.

    Args:
        query: `(batch, heads, tokens, width)`.
        key: `(batch, heads, tokens, width)`.
        value: `(batch, heads, tokens, width)`.
        mask: `(batch, 1, 1, tokens)` bool, false at padding; `None` where nothing is masked.
        scaling: Scaling factor of the scores; one over the root of `width` where `None`.

    Returns:
        `(batch, heads, tokens, width)`.
    """
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    if _needs_gradient(query, key, value):
        found: torch.Tensor = _Attention.apply(query, key, value, mask, scaling)  # type: ignore[no-untyped-call]
        return found
    return _mix(*_prepared(query, key, value, mask, scaling), mask)


class _Attention(torch.autograd.Function):
    """Attention with its gradient, which takes a few texts at a time, too, so that they stay in a core's cache."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        scaling: float,
    ) -> torch.Tensor:
        query, key, value_and_one = _prepared(query, key, value, mask, scaling)
        powers = query.new_empty(*query.shape[:-1], key.shape[-2])
        sums = query.new_empty(*query.shape[:-1], 1)
        found = _mix(query, key, value_and_one, mask, (powers, sums))
        ctx.save_for_backward(query, key, value_and_one, mask, powers, sums, found)
        ctx.scaling = scaling
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, value_and_one, mask, powers, sums, found = ctx.saved_tensors
        of_query, of_key, of_value = (_tokens_first(query) for _ in range(3))
        for some in _few(query):
            shared = grad[some] / sums[some]
            # The last column belongs to the sum that the others are divided by.
            shared = torch.cat([shared, (shared * found[some]).sum(-1, keepdim=True).neg_()], dim=-1)
            of_scores = (shared @ value_and_one[some].transpose(-1, -2)).mul_(powers[some])
            torch.mul(of_scores @ key[some], ctx.scaling, out=of_query[some])
            # The queries are laid out for powers of two.
            torch.mul(of_scores.transpose(-1, -2) @ query[some], math.log(2), out=of_key[some])
            of_value[some] = (powers[some].transpose(-1, -2) @ shared)[..., :-1]
        if mask is not None:
            of_value *= mask.transpose(-1, -2)
        return of_query, of_key, of_value, None, None


def _prepared(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Contiguous copies: scaled queries, keys, and values with a column of ones; zeros where a key is masked.

    Queries are scaled for powers of two, which are quicker to compute than those of e.
    """
    query = torch.mul(query, scaling * math.log2(math.e), out=query.new_empty(query.shape))
    value_and_one = value.new_ones(*value.shape[:-1], value.shape[-1] + 1)
    value_and_one[..., :-1] = value
    if mask is None:
        return query, key.contiguous(), value_and_one
    counts = mask.transpose(-1, -2)
    value_and_one *= counts
    # A masked key's score is zero, too: a large one's power would be infinite, and that times zero is no number.
    return query, torch.mul(key, counts, out=key.new_empty(key.shape)), value_and_one


def _mix(
    query: torch.Tensor,
    key: torch.Tensor,
    value_and_one: torch.Tensor,
    mask: torch.Tensor | None,
    kept: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """The values' means, weighted by powers of the scores.

    Args:
        query: From `_prepared`.
        key: From `_prepared`.
        value_and_one: From `_prepared`.
        mask: As for `attend`.
        kept: Where to write the powers, `(batch, heads, tokens, tokens)`, and their sums, for the gradient.
    """
    found = _tokens_first(query)
    for some in _few(query):
        scores = (query[some], key[some].transpose(-1, -2))
        room = None if kept is None else kept[0][some]
        # In place, so that it stays in the cache.
        weights = torch.matmul(*scores, out=room).exp2_()
        mixed = weights @ value_and_one[some]
        if not (mixed[..., -1].min() > _SMALLEST_SUM and mixed[..., -1].max() < _LARGEST_SUM):
            # Some powers are too large or too small. Less the largest score of each row, their shares are the same.
            weights = torch.matmul(*scores, out=room)
            if mask is not None:
                weights.masked_fill_(~mask[some], -torch.inf)
            weights = weights.sub_(weights.amax(-1, keepdim=True)).exp2_()
            mixed = weights @ value_and_one[some]
        torch.div(mixed[..., :-1], mixed[..., -1:], out=found[some])
        if kept is not None:
            kept[1][some] = mixed[..., -1:]
    return found


def _few(query: torch.Tensor) -> Iterator[slice]:
    """Slices of texts whose scores together stay in a core's cache."""
    texts, heads, tokens, _ = query.shape
    step = max(1, SCORES_AT_ONCE // (heads * tokens * tokens))
    return (slice(begin, begin + step) for begin in range(0, texts, step))


def _tokens_first(states: torch.Tensor) -> torch.Tensor:
    """An empty tensor shaped as `states`, laid out token by token, as the matmuls before and behind want it."""
    texts, heads, tokens, width = states.shape
    return states.new_empty(texts, tokens, heads, width).transpose(1, 2)
