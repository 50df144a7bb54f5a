"""A trained classifier as plain numbers: what any engine for classifiers can be made from."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from trifold.engines.protocol import Weights


@dataclass(frozen=True)
class Head:
    """What makes logits of the pooled states of the last layer.

    Attributes:
        module: `(batch, width)` to `(batch, classes)`, in single precision; linear layers, and what lies between them.
        pooling: What it reads, one of `POOLINGS`.
    """

    module: torch.nn.Module
    pooling: str


@dataclass(frozen=True)
class ClassifierWeights:
    """An encoder with a head.

    Attributes:
        backbone: The encoder's configuration and weights; the library's own classification head's, too, if any.
        head: Stands in for the library's own head, where given.
        inserted: Modules that follow the last matrix of attention and that of the feed-forward in each of the top
            layers, two a layer, lowest first.
    """

    backbone: Weights
    head: Head | None = None
    inserted: Sequence[torch.nn.Module] = ()


def linear_of(tensors: dict[str, torch.Tensor], name: str) -> torch.nn.Linear:
    """The linear layer `name` of some weights, which it shares where they are in single precision.

    Raises:
        KeyError: If there is none.
    """
    weight, bias = (tensors[f"{name}.{part}"].detach().float() for part in ("weight", "bias"))
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise KeyError(name)
    with torch.device("meta"):
        part = torch.nn.Linear(weight.shape[1], weight.shape[0])
    part.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    return part.requires_grad_(requires_grad=False)
