"""The hidden states of an encoder, pooled over each text's tokens: what features, search and prompts need of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch

from trifold.engines.fast_bert import FastBert
from trifold.models.pooling import POOLINGS, pool_tokens
from trifold.runtime import Runtime


class PooledStates(torch.nn.Module):
    """An encoder whose hidden states of some layers are pooled.

    Args:
        model: An encoder without a head.
        layers: Hidden states to pool, 0 being the embeddings.
    """

    def __init__(self, model: Any, layers: Sequence[int]) -> None:
        super().__init__()
        self.model, self.layers = model, layers
        # A module of our own is spared the layers that nobody reads; one of transformers has no such setting.
        self._only = {"highest": max(layers)} if isinstance(model, FastBert) else {}

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`(batch, tokens)` ids and mask, `None` where all count, to `(batch, layers, poolings, width)` float32.

        Mean and maximum run over the text's own tokens, special ones included, never over padding.
        """
        found = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True, **self._only)
        states = found.hidden_states
        pooled = [[pool_tokens(states[layer], mask, how) for how in POOLINGS] for layer in self.layers]
        return torch.stack([torch.stack(row, 1) for row in pooled], 1)


def cut(model: Any, layers: int) -> int:
    """Drop the layers above the lowest `layers`; architectures that name their layers otherwise stay whole.

    Returns:
        How many are left.
    """
    stack = getattr(getattr(model, "encoder", None), "layer", None)
    if isinstance(stack, torch.nn.ModuleList) and layers < len(stack):
        del stack[layers:]
        model.config.num_hidden_layers = layers
    return int(model.config.num_hidden_layers)


@torch.inference_mode()
def run_on_arrays(
    module: Any,
    runtime: Runtime,
    context: Callable[[], AbstractContextManager[Any]],
    ids: np.ndarray,
    mask: np.ndarray,
    *types: np.ndarray,
) -> np.ndarray:
    """Run a module on NumPy arrays.

    Args:
        module: From `(batch, tokens)` ids, mask, `None` where no token is padding, and token types to one tensor.
        runtime: Where the module is.
        context: Gives the context to run it in, such as autocast.
        ids: `(batch, tokens)` int64.
        mask: `(batch, tokens)` int64.
        *types: Token types of pairs, `(batch, tokens)` int64.
    """
    # Texts of one length, such as those that were cut, need no mask, which saves 3 % of the time.
    needed = None if mask.all() else torch.from_numpy(mask).to(runtime.device)
    read, *more = (torch.from_numpy(array).to(runtime.device) for array in (ids, *types))
    with context():
        found: np.ndarray = module(read, needed, *more).cpu().numpy()
    return found
