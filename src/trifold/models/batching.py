"""Which texts are computed together: sorted by length, cut by a budget in tokens.

With every text padded to the maximum length, most of the work on short texts is padding; with texts sorted by length,
almost none is.
"""

from collections.abc import Callable, Iterator

import numpy as np

from trifold.runtime import Runtime

# A padding rule: from the tokens of a batch's longest text to the tokens that every text of it is padded to.
PadTo = Callable[[int], int]


def to_longest(longest: int) -> int:
    """Pad to the longest text and no further."""
    return longest


def to_multiple_of(step: int) -> PadTo:
    """A rule that pads to multiples of `step` tokens."""
    return lambda longest: -(-longest // step) * step


def to_sixteenths(longest: int) -> int:
    """Pad to a multiple of the largest power of two that is at most a sixteenth of `longest`."""
    return to_multiple_of(1 << max(0, longest.bit_length() - 5))(longest)


def default_padding(runtime: Runtime) -> PadTo:
    """The padding rule for a device.

    On a CPU, the library of bfloat16 matmuls (oneDNN) generates code for every shape and keeps it. If every length
    occurs, encoding takes 10 to 20 % more memory for that code and is no faster (benchmarks/LOG.md), so lengths are
    padded to few values.
    """
    if runtime.precision != "bfloat16":
        return to_longest
    return to_sixteenths if runtime.device == "cpu" else to_multiple_of(8)


def by_token_budget(lengths: np.ndarray, token_budget: int) -> list[np.ndarray]:
    """Cut texts into batches of similar length, the longest texts first.

    With the longest first, a batch that does not fit in memory fails at the start and not after an hour.

    Args:
        lengths: Tokens of each text, `(texts,)`.
        token_budget: The most tokens of a batch, counted as `texts * longest`; a single longer text is a batch alone.

    Returns:
        Positions into `lengths`, each text in exactly one batch.
    """
    order = np.argsort(-lengths, kind="stable")
    batches: list[np.ndarray] = []
    start = 0
    while start < len(order):
        size = max(1, token_budget // max(1, int(lengths[order[start]])))
        batches.append(order[start : start + size])
        start += size
    return batches


def training_steps(
    lengths: np.ndarray, batch_size: int, token_budget: int, rng: np.random.Generator, window: int = 16
) -> Iterator[list[np.ndarray]]:
    """One epoch of optimiser steps, each a list of micro-batches.

    Texts are shuffled, then sorted by length inside windows of `window` steps, so that the texts of a step have similar
    lengths while steps stay random. Then the order of the steps is shuffled.

    Args:
        lengths: Tokens of each text, `(texts,)`.
        batch_size: Examples per optimiser step; the last step may have fewer.
        token_budget: As in `by_token_budget`, for each micro-batch.
        rng: Draws the order.
        window: Steps whose texts are sorted together.

    Yields:
        Micro-batches of positions into `lengths`; over the epoch every text appears exactly once.
    """
    order = rng.permutation(len(lengths))
    steps: list[np.ndarray] = []
    for start in range(0, len(order), batch_size * window):
        chunk = order[start : start + batch_size * window]
        chunk = chunk[np.argsort(-lengths[chunk], kind="stable")]
        steps.extend(chunk[i : i + batch_size] for i in range(0, len(chunk), batch_size))
    for index in rng.permutation(len(steps)):
        step = steps[index]
        yield [step[batch] for batch in by_token_budget(lengths[step], token_budget)]


def padded_length(lengths: np.ndarray, pad_to: PadTo, most: int) -> int:
    """Tokens that every text of a batch is padded to.

    Args:
        lengths: Tokens of each text of the batch, `(batch,)`.
        pad_to: The padding rule.
        most: Tokens of the longest text of the whole corpus, which padding never exceeds.
    """
    return min(pad_to(int(lengths.max())), most)


def padding_share(lengths: np.ndarray, batches: list[np.ndarray], pad_to: PadTo = to_longest) -> float:
    """Fraction of the computed token positions that are padding."""
    most = int(lengths.max(initial=0))
    computed = sum(len(batch) * padded_length(lengths[batch], pad_to, most) for batch in batches)
    return 1.0 - float(lengths.sum()) / computed if computed else 0.0
