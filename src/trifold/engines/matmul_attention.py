"""Attention by plain matrix products, where that beats PyTorch's fused one: in bfloat16 on a CPU.

PyTorch's fused attention is slow there: of a forward pass over reviews it takes two fifths of the time for a tenth of
the operations. Two products do the same two to seven times as fast (benchmarks/LOG.md): queries by keys, and the
exponential of that by the values, beside which a column of ones sums up what the result is divided by. A key that
counts for nothing has zeros in both, so no mask is added to anything. On a processor that multiplies whole tiles,
PyTorch's own is the faster one again where nothing is learned.
"""

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from trifold.runtime import cpu_multiplies_tiles

_NAME = "matmul"
# Beyond, a row's weights no longer fit a core's cache, and all of them take memory that grows with the square.
_LONGEST = 512
# Between these a row's sum of powers is exact enough, and none of those that matter was too small or large a number.
_SMALLEST_SUM, _LARGEST_SUM = 1e-20, 1e36
# So many scores are computed at once as a core's cache holds.
_SCORES_AT_ONCE = 3_000_000
# What an architecture may ask of attention that is not done here.
_NOT_PLAIN = ("is_causal", "position_bias", "softcap", "sliding_window", "cache", "output_attentions", "s_aux")


def registered_attention() -> str:
    """Register this attention with transformers and return its name; where it does not apply, their `sdpa` computes."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(_NAME, _forward)
    AttentionMaskInterface.register(_NAME, _mask)
    return _NAME


def _mask(*, mask_function: Any, q_length: int, **named: Any) -> torch.Tensor | None:
    """As theirs, but one row for all queries where every token sees all others: `(batch, 1, 1 or queries, keys)`.

    None at all where nothing is masked, also while a GPU's work is captured: some versions of theirs make one then.
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
    if _learns(query, key, value):
        found: torch.Tensor = _Learned.apply(query, key, value, mask, scaling)  # type: ignore[no-untyped-call]
        return found
    return _mix(*_laid_out(query, key, value, mask, scaling), mask)


class _Learned(torch.autograd.Function):
    """The same with a way back, which goes over the texts as the way there does: a few at a time, in a core's cache."""

    @staticmethod
    def forward(
        ctx: Any,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        scaling: float,
    ) -> torch.Tensor:
        query, key, counted = _laid_out(query, key, value, mask, scaling)
        powers = query.new_empty(*query.shape[:-1], key.shape[-2])
        sums = query.new_empty(*query.shape[:-1], 1)
        found = _mix(query, key, counted, mask, (powers, sums))
        ctx.save_for_backward(query, key, counted, mask, powers, sums, found)
        ctx.scaling = scaling
        return found

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        query, key, counted, mask, powers, sums, found = ctx.saved_tensors
        of_query, of_key, of_value = (_tokens_first(query) for _ in range(3))
        for some in _few(query):
            shared = grad[some] / sums[some]
            # The last column is of the sum that the others are divided by.
            shared = torch.cat([shared, (shared * found[some]).sum(-1, keepdim=True).neg_()], dim=-1)
            of_scores = (shared @ counted[some].transpose(-1, -2)).mul_(powers[some])
            torch.mul(of_scores @ key[some], ctx.scaling, out=of_query[some])
            # The queries are laid out for powers of two.
            torch.mul(of_scores.transpose(-1, -2) @ query[some], math.log(2), out=of_key[some])
            of_value[some] = (powers[some].transpose(-1, -2) @ shared)[..., :-1]
        if mask is not None:
            of_value *= mask.transpose(-1, -2)
        return of_query, of_key, of_value, None, None


def _laid_out(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, mask: torch.Tensor | None, scaling: float
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Each in one piece: scaled queries, keys, and values with a column of ones, zeros where a key does not count.

    Powers are of two, which are quicker to take than those of e.
    """
    query = torch.mul(query, scaling * math.log2(math.e), out=query.new_empty(query.shape))
    counted = value.new_ones(*value.shape[:-1], value.shape[-1] + 1)
    counted[..., :-1] = value
    if mask is None:
        return query, key.contiguous(), counted
    counts = mask.transpose(-1, -2)
    counted *= counts
    # Its score is zero, too: the power of a large one would be infinite, and that times zero is no number.
    return query, torch.mul(key, counts, out=key.new_empty(key.shape)), counted


def _mix(
    query: torch.Tensor,
    key: torch.Tensor,
    counted: torch.Tensor,
    mask: torch.Tensor | None,
    kept: tuple[torch.Tensor, torch.Tensor] | None = None,
) -> torch.Tensor:
    """Values weighted by powers of the scores, over the sums of those; `kept` takes both down."""
    found = _tokens_first(query)
    for some in _few(query):
        scores = (query[some], key[some].transpose(-1, -2))
        room = None if kept is None else kept[0][some]
        # In place: what is read and written again stays in the cache.
        weights = torch.matmul(*scores, out=room).exp2_()
        mixed = weights @ counted[some]
        if not (mixed[..., -1].min() > _SMALLEST_SUM and mixed[..., -1].max() < _LARGEST_SUM):
            # Too high or too low to be powers: less the largest of each row that counts, the shares stay the same.
            weights = torch.matmul(*scores, out=room)
            if mask is not None:
                weights.masked_fill_(~mask[some], -torch.inf)
            weights = weights.sub_(weights.amax(-1, keepdim=True)).exp2_()
            mixed = weights @ counted[some]
        torch.div(mixed[..., :-1], mixed[..., -1:], out=found[some])
        if kept is not None:
            kept[1][some] = mixed[..., -1:]
    return found


def _few(query: torch.Tensor) -> Iterator[slice]:
    """So many texts at once that their scores stay in a core's cache."""
    texts, heads, tokens, _ = query.shape
    step = max(1, _SCORES_AT_ONCE // (heads * tokens * tokens))
    return (slice(begin, begin + step) for begin in range(0, texts, step))


def _tokens_first(states: torch.Tensor) -> torch.Tensor:
    """Room in the shape of `states` that lies as the product before or behind wants it: token by token."""
    texts, heads, tokens, width = states.shape
    return states.new_empty(texts, tokens, heads, width).transpose(1, 2)
