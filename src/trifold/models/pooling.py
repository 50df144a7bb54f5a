"""Pooling: from the hidden states of a text's tokens to one vector for the text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from trifold.models.long_text import mean_over_windows

POOLINGS = ("first", "mean", "max")
# The number of a hidden state (0 is the embeddings) and how its tokens are pooled, one of `POOLINGS`.
LayerPooling = tuple[int, str]


@dataclass(frozen=True)
class Pooled:
    """Pooled vectors of many texts.

    Attributes:
        vectors: `(texts, layers, poolings, width)` float32, or float16 as the cache keeps them.
        layers: Numbers of the hidden states that were pooled; 0 is the embeddings.
    """

    vectors: np.ndarray
    layers: tuple[int, ...]

    def join(self, layer_poolings: Sequence[LayerPooling]) -> np.ndarray:
        """The vectors of `layer_poolings` joined, `(texts, len(layer_poolings) * width)` float32."""
        found = [self.vectors[:, self.layers.index(layer), POOLINGS.index(how)] for layer, how in layer_poolings]
        return np.concatenate(found, axis=1, dtype=np.float32)

    def rows(self, part: slice) -> "Pooled":
        """The pooled vectors of some of the texts."""
        return Pooled(self.vectors[part], self.layers)


def pool_windows(vectors: np.ndarray, windows: np.ndarray | None) -> np.ndarray:
    """The pooled vectors of texts from those of their windows: as over all tokens of all windows of a text.

    The windows of a text have equally many tokens, so that the mean of their means is the mean over all their tokens.
    Of their first tokens, which stand for the window each, the mean is taken, too.

    Args:
        vectors: `(windows, layers, poolings, width)`, the windows of a text one after the other.
        windows: `(texts,)`, how many each text has; `None` where each has one.

    Returns:
        `(texts, layers, poolings, width)`.
    """
    pooled = mean_over_windows(vectors, windows)
    if windows is not None and len(windows):
        highest = POOLINGS.index("max")
        pooled[:, :, highest] = np.maximum.reduceat(vectors[:, :, highest], np.cumsum(windows) - windows, axis=0)
    return pooled


def window_shares(windows: np.ndarray) -> torch.Tensor:
    """What each window counts in the mean of its text.

    Args:
        windows: `(texts,)`, how many windows each text has.

    Returns:
        `(texts, windows of all)` float32, whose rows sum to 1.
    """
    texts = np.repeat(np.arange(len(windows)), windows)
    shares = np.zeros((len(windows), len(texts)), dtype=np.float32)
    shares[texts, np.arange(len(texts))] = 1 / windows[texts]
    return torch.from_numpy(shares)


def mean_of_windows(values: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
    """`mean_over_windows` with a gradient.

    Args:
        values: `(windows, width)` float32.
        shares: From `window_shares`, on the same device.

    Returns:
        `(texts, width)` float32.
    """
    # Autocast would round it to bfloat16.
    with torch.autocast(values.device.type, enabled=False):
        return shares @ values


def pool_tokens(states: torch.Tensor, mask: torch.Tensor | None, how: str) -> torch.Tensor:
    """Pool the hidden states of a batch.

    Args:
        states: `(batch, tokens, width)`.
        mask: Attention mask, `(batch, tokens)`; `None` if no token is padding.
        how: One of `POOLINGS`.

    Returns:
        `(batch, width)` float32.
    """
    if how == "first":
        return states[:, 0].float()
    if mask is None:
        return states.mean(1, dtype=torch.float32) if how == "mean" else states.amax(1).float()
    weights = mask.unsqueeze(-1)
    if how == "mean":
        return (states * weights.to(states.dtype)).sum(1, dtype=torch.float32) / weights.sum(1)
    # Adding minus infinity to the padding takes half the time of filling it in.
    return (states + torch.where(weights == 0, -torch.inf, 0.0).to(states.dtype)).amax(1).float()
