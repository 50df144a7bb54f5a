"""Cross-entropy over a vocabulary, with the logits of a few hundred positions in memory at a time.

The logits of one batch can be larger than the model: 600 positions and 30,522 words take 75 MB, and the plain
implementation writes, reads and allocates that seven times. Here one buffer takes the logits of a chunk. Its rows are
turned into the loss's gradient by the logits, a few at a time so that they stay in the processor's cache, and are then
multiplied into the gradients of hidden states and words.
"""

from typing import Any

import torch
from torch.autograd.function import once_differentiable

# Size of the buffer. With fewer chunks, the gradient of the words, which is as large as their vectors, is added to less
# often.
CHUNK_BYTES = 96 << 20
CACHED_ROWS = 32


def linear_cross_entropy(
    hidden: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """`cross_entropy(linear(hidden, weight, bias), targets, reduction="sum")`, in float32.

    Args:
        hidden: Hidden states, `(positions, width)`.
        weight: Word vectors, `(words, width)`.
        bias: `(words,)`.
        targets: The true words, `(positions,)` int64.

    Returns:
        The loss summed over positions, and at how many positions the true word has the highest logit; both scalars.

    Source: Hsu et al. 2024, "Liger Kernel: Efficient Triton Kernels for LLM Training", section 3.2, for chunks and for
    gradients made with the loss.
    """
    learns = torch.is_grad_enabled()
    total, right = _LinearCrossEntropy.apply(hidden, weight, bias, targets, learns)  # type: ignore[no-untyped-call]
    return total, right


class _LinearCrossEntropy(torch.autograd.Function):
    """Computes the gradients in the forward pass, while the probabilities exist; the backward pass only scales them."""

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        targets: torch.Tensor,
        learns: bool,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        device = hidden.device.type
        mixed = torch.is_autocast_enabled(device)
        precision = torch.get_autocast_dtype(device) if mixed else hidden.dtype
        with torch.autocast(device, enabled=False):
            states, words = hidden.to(precision), weight.to(precision)
            need = [learns and given for given in ctx.needs_input_grad[:3]]
            grads = [
                torch.zeros_like(given, dtype=torch.float32) if wanted and given is not None else None
                for wanted, given in zip(need, (hidden, weight, bias), strict=True)
            ]
            losses = torch.empty(len(hidden), device=hidden.device)
            right = torch.empty(len(hidden), dtype=torch.bool, device=hidden.device)
            rows = max(1, CHUNK_BYTES // (4 * len(weight)))
            # One size for all batches, so that the allocator reuses its memory.
            buffer = torch.empty(rows, len(weight), device=hidden.device)
            for begin in range(0, len(hidden), rows):
                part = slice(begin, begin + rows)
                some = states[part]
                logits = buffer[: len(some)]
                if precision == torch.float32:
                    torch.mm(some, words.t(), out=logits)
                else:
                    logits.copy_(some @ words.t())
                _to_gradient(logits, bias, targets[part], losses[part], right[part])
                _add_gradients(grads, logits.to(precision), some, words, part)
        ctx.save_for_backward(*grads)
        ctx.dtypes = [given.dtype if given is not None else None for given in (hidden, weight, bias)]
        counted = right.sum()
        ctx.mark_non_differentiable(counted)
        return losses.sum(), counted

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, scale: torch.Tensor, _counted: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scaled = [
            None if grad is None else grad.mul_(scale).to(dtype)
            for grad, dtype in zip(ctx.saved_tensors, ctx.dtypes, strict=True)
        ]
        return *scaled, None, None


def _to_gradient(
    logits: torch.Tensor, bias: torch.Tensor | None, targets: torch.Tensor, losses: torch.Tensor, right: torch.Tensor
) -> None:
    """Turn logits, to which the bias is still to be added, into the loss's gradient by the logits, in place."""
    step = CACHED_ROWS if logits.device.type == "cpu" else len(logits)
    for begin in range(0, len(logits), step):
        part = slice(begin, begin + step)
        rows, true = logits[part], targets[part].unsqueeze(1)
        if bias is not None:
            rows.add_(bias)
        highest, first = rows.max(1, keepdim=True)
        right[part] = (first == true).squeeze(1)
        true_logit = rows.gather(1, true)
        rows.sub_(highest).exp_()
        summed = rows.sum(1, keepdim=True)
        losses[part] = (summed.log() + highest - true_logit).squeeze(1)
        rows.div_(summed)
        rows.scatter_add_(1, true, torch.full_like(true, -1, dtype=rows.dtype))


def _add_gradients(
    grads: list[torch.Tensor | None], by_logits: torch.Tensor, some: torch.Tensor, words: torch.Tensor, part: slice
) -> None:
    """Add one chunk's part to the gradients of hidden states, words and bias."""
    of_hidden, of_words, of_bias = grads
    if of_hidden is not None:
        of_hidden[part] = by_logits @ words
    if of_words is not None and by_logits.dtype == of_words.dtype:
        of_words.addmm_(by_logits.t(), some)
    elif of_words is not None:
        of_words.add_(by_logits.t() @ some)
    if of_bias is not None:
        of_bias.add_(by_logits.sum(0, dtype=torch.float32))
