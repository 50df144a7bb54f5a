"""Pooling: from the hidden states of a text's tokens to one vector for the text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

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
