"""A frozen encoder and the head on it as one module: the form in which such a predictor is exported."""

from collections.abc import Sequence

import numpy as np
import torch

from trifold.engines.encoder import Encoder
from trifold.engines.pooled_states import PooledStates
from trifold.features.half_precision import HALF_LIMIT
from trifold.models.pooling import POOLINGS, LayerPooling


class HeadOnEncoder(torch.nn.Module):
    """A frozen encoder, some of its pooled states joined, and linear layers with a ReLU between two of them.

    Args:
        encoder: Holds the layers that `layer_poolings` names.
        layer_poolings: The pooled states, joined in this order.
        layers: Weight `(in, out)` and bias `(out,)` of each linear layer.
        normalised: Whether the joined vector is first scaled to length 1.
        in_half_precision: Whether the joined vector is first converted to float16, as cached vectors are.
        windows: Whether the batch is the windows of one text, pooled as in `pool_windows`.
    """

    def __init__(
        self,
        encoder: Encoder,
        layer_poolings: Sequence[LayerPooling],
        layers: Sequence[tuple[np.ndarray, np.ndarray]],
        *,
        normalised: bool = False,
        in_half_precision: bool = False,
        windows: bool = False,
    ) -> None:
        super().__init__()
        pooled_layers = sorted({layer for layer, _ in layer_poolings})
        self.pooled = PooledStates(encoder.model, pooled_layers)
        self.indices = [(pooled_layers.index(layer), POOLINGS.index(pooling)) for layer, pooling in layer_poolings]
        self.linears = torch.nn.ModuleList(_linear(weight, bias) for weight, bias in layers)
        self.normalised, self.in_half_precision, self.windows = normalised, in_half_precision, windows

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`(batch, tokens)` ids and attention mask to logits, `(batch, classes)`; `(1, classes)` of windows."""
        pooled = self.pooled(ids, mask)
        values = torch.cat([self._of_text(pooled[:, layer, pooling], pooling) for layer, pooling in self.indices], 1)
        if self.normalised:
            values = torch.nn.functional.normalize(values, dim=1)
        if self.in_half_precision:
            values = values.clamp(-HALF_LIMIT, HALF_LIMIT).half().float()
        for number, linear in enumerate(self.linears):
            values = linear(torch.relu(values) if number else values)
        return values

    def _of_text(self, vectors: torch.Tensor, pooling: int) -> torch.Tensor:
        if not self.windows:
            return vectors
        return vectors.amax(0, keepdim=True) if POOLINGS[pooling] == "max" else vectors.mean(0, keepdim=True)


def _linear(weight: np.ndarray, bias: np.ndarray) -> torch.nn.Linear:
    module = torch.nn.Linear(*weight.shape)
    module.load_state_dict({"weight": torch.from_numpy(weight.T.copy()), "bias": torch.from_numpy(bias.copy())})
    return module
