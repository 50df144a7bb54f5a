"""What stands on a frozen encoder, as one module with it: the form in which such a predictor is exported."""

from collections.abc import Sequence

import numpy as np
import torch

from trifold.engines.encoder import Encoder
from trifold.engines.pooled_states import PooledStates
from trifold.features.number_format import HALF_LIMIT
from trifold.models.pooling import POOLINGS, LayerPooling


class HeadOnEncoder(torch.nn.Module):
    """A frozen encoder, some of its pooled states side by side, and linear steps with a ReLU between two of them.

    Args:
        encoder: Holds the layers that `layer_poolings` name.
        layer_poolings: Joined in this order.
        steps: Weight `(in, out)` and bias of each linear step.
        normalised: Whether the joined vector is brought to length 1 first.
        halved: Whether it is rounded to half precision first, as cached vectors are.
    """

    def __init__(
        self,
        encoder: Encoder,
        layer_poolings: Sequence[LayerPooling],
        steps: Sequence[tuple[np.ndarray, np.ndarray]],
        *,
        normalised: bool = False,
        halved: bool = False,
    ) -> None:
        super().__init__()
        self.layers = sorted({layer for layer, _ in layer_poolings})
        self.pooled = PooledStates(encoder.model, self.layers)
        self.layer_poolings = [(self.layers.index(layer), POOLINGS.index(how)) for layer, how in layer_poolings]
        self.steps = torch.nn.ModuleList(_linear(weight, bias) for weight, bias in steps)
        self.normalised, self.halved = normalised, halved

    def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """`(batch, tokens)` ids and mask to `(batch, classes)`."""
        pooled = self.pooled(ids, mask)
        values = torch.cat([pooled[:, layer, how] for layer, how in self.layer_poolings], 1)
        if self.normalised:
            values = torch.nn.functional.normalize(values, dim=1)
        if self.halved:
            values = values.clamp(-HALF_LIMIT, HALF_LIMIT).half().float()
        for number, step in enumerate(self.steps):
            values = step(torch.relu(values) if number else values)
        return values


def _linear(weight: np.ndarray, bias: np.ndarray) -> torch.nn.Linear:
    module = torch.nn.Linear(*weight.shape)
    module.load_state_dict({"weight": torch.from_numpy(weight.T.copy()), "bias": torch.from_numpy(bias.copy())})
    return module
