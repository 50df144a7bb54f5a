"""A two-layer head on fixed vectors, trained by the one training loop.

Several are trained side by side and answer together: on few examples, where one starts decides much of what it learns,
and the mean of a few is better and less a matter of luck than any of them (benchmarks/LOG.md). Two layers' mean is two
layers again, wider, so what is saved and exported is one head.

A step is memory traffic as much as products: width, batch and patience are as small, large and short as cost no
accuracy (benchmarks/LOG.md), so that a further head on texts that were read before takes a second.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from trifold.artifact.arrays import Arrays
from trifold.methods.linear_head import HeadData
from trifold.models.classification_head import in_full_precision, start_at, starting_logits
from trifold.runtime import Runtime
from trifold.train.config import TrainingConfig
from trifold.train.history import History
from trifold.train.loop import train
from trifold.train.objective import BatchLoss, classification_loss, weighted_loss
from trifold.train.settings import TrainSettings

_HIDDEN = 128
_DROPOUT = 0.3
_MEMBERS = 3
# Between two validations there are at least so many steps, over several epochs where the rows are few.
_STEPS = 50
_BATCHES = (64, 128)
_RATE_OF_SMALLEST = 5e-4


def usual_plan(rows: int) -> TrainingConfig:
    """How heads train on so many rows, as far as the user leaves it open: up to twenty rounds of an epoch or more."""
    smallest, largest = _BATCHES
    batch = min(max(rows // _STEPS, smallest), largest)
    several_epochs = math.ceil(rows / batch) < _STEPS
    return TrainingConfig(
        # A larger batch's gradient is less a matter of luck, so its step may be longer, by the root of the size.
        learning_rate=_RATE_OF_SMALLEST * math.sqrt(batch / smallest),
        epochs=20,
        batch_size=batch,
        token_budget=1 << 30,
        seed=42,
        weight_decay=0.05,
        warmup_ratio=0.1,
        max_grad_norm=1.0,
        ema_decay=0.99,
        patience=2,
        quiet=True,
        # What few rows can teach may not show on the fewer that validate it: no error, and the linear head stays.
        must_move=not several_epochs,
        round_steps=_STEPS if several_epochs else None,
    )


@dataclass(frozen=True)
class MlpHead:
    """Logits from features through one hidden layer with ReLU.

    Attributes:
        hidden_weight: `(features, hidden)` float32.
        hidden_bias: `(hidden,)` float32.
        weight: `(hidden, classes)` float32.
        bias: `(classes,)` float32.
    """

    hidden_weight: np.ndarray
    hidden_bias: np.ndarray
    weight: np.ndarray
    bias: np.ndarray

    def logits(self, features: np.ndarray) -> np.ndarray:
        """`(rows, features)` to `(rows, classes)` float32."""
        hidden = np.maximum(features @ self.hidden_weight + self.hidden_bias, 0.0)
        result: np.ndarray = (hidden @ self.weight + self.bias).astype(np.float32)
        return result

    def cooled(self, temperature: float) -> "MlpHead":
        """The head whose logits are these, divided by `temperature`."""
        divisor = np.float32(temperature)
        return replace(self, weight=self.weight / divisor, bias=self.bias / divisor)

    def arrays(self) -> dict[str, np.ndarray]:
        """For saving."""
        return dict(vars(self))

    @classmethod
    def saved(cls, arrays: Arrays, features: int, classes: int) -> "MlpHead":
        """The inverse of `arrays`, from a file.

        Raises:
            ArtifactError: If the arrays are not those of a head from so many features to so many classes.
        """
        first = arrays.of_shape("hidden_weight", features, None)
        hidden = first.shape[1]
        rest = (arrays.of_shape("hidden_bias", hidden), arrays.of_shape("weight", hidden, classes))
        return cls(first, *rest, arrays.of_shape("bias", classes))

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weight `(in, out)` and bias of each linear step; between two of them stands a ReLU."""
        return [(self.hidden_weight, self.hidden_bias), (self.weight, self.bias)]

    def parameters(self) -> int:
        """Numbers learned."""
        return sum(int(array.size) for array in self.arrays().values())


class _Members(torch.nn.Module):
    """Heads of `features -> hidden -> classes` that share nothing but their batches."""

    def __init__(self, features: int, hidden: int, classes: int, dropout: float, count: int) -> None:
        super().__init__()
        # Side by side in one matrix; each draws what it would by itself.
        self.hidden = torch.nn.Linear(features, count * hidden)
        self.dropout = torch.nn.Dropout(dropout)
        self.out = torch.nn.ModuleList(torch.nn.Linear(hidden, classes) for _ in range(count))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """`(batch, features)` to the logits of each, `(members, batch, classes)`."""
        hidden = self.dropout(torch.relu(self.hidden(vectors))).chunk(len(self.out), dim=1)
        outs: Any = self.out
        return torch.stack([in_full_precision(out, own) for out, own in zip(outs, hidden, strict=True)])

    def mean(self) -> MlpHead:
        """One head that says what they say on average."""
        states = [out.state_dict() for out in self.out]
        weight = torch.cat([state["weight"].T for state in states]) / len(states)
        bias = torch.stack([state["bias"] for state in states]).mean(0)
        hidden = self.hidden.state_dict()
        tensors = (hidden["weight"].T, hidden["bias"], weight, bias)
        return MlpHead(*(tensor.contiguous().numpy() for tensor in tensors))


@dataclass(frozen=True)
class _Vectors:
    """Objective: cross-entropy of heads on fixed vectors; each counts as one token.

    Each head learns by itself; what is validated is their mean.
    """

    vectors: torch.Tensor
    classes: torch.Tensor
    weights: torch.Tensor

    @property
    def lengths(self) -> np.ndarray:
        return np.ones(len(self.classes), dtype=np.int64)

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        classes, weights = self.classes[positions], self.weights[positions]
        each = model(self.vectors[positions])
        together = classification_loss(each.mean(0), classes, weights)
        if not model.training:
            return together
        return replace(together, total=torch.stack([weighted_loss(one, classes, weights) for one in each]).mean())


def fit_mlp(
    data: HeadData,
    given: TrainSettings,
    config: TrainingConfig,
    *,
    precision: str = "float32",
    hidden: int = _HIDDEN,
    dropout: float = _DROPOUT,
    members: int = _MEMBERS,
) -> tuple[MlpHead, History]:
    """Train heads of `features -> hidden -> classes`; their best epoch by validation loss is kept.

    Args:
        data: Dense float32 vectors.
        given: Learning rate, epochs and batch size win over the config's where the user named them.
        config: Everything else.
        precision: Of the products in training, as in `Runtime`; a head that is done answers in float32.
        hidden: Width of each one's hidden layer.
        dropout: Behind it.
        members: How many there are.

    Returns:
        One head that says what they say on average, and the history of their training.
    """
    config = replace(
        config,
        learning_rate=given.learning_rate or config.learning_rate,
        epochs=given.epochs or config.epochs,
        round_steps=None if given.epochs else config.round_steps,
        batch_size=given.batch_size or config.batch_size,
        seed=given.seed,
    )
    model = _Members(data.train.shape[1], hidden, data.classes, dropout, members)
    start = starting_logits(data.train_classes, data.train_weights, data.classes)
    for out in model.out:
        start_at(out, start)
    # Each is rounded once here instead of in every batch it is part of.
    rounded = getattr(torch, precision)
    objectives = [
        _Vectors(torch.from_numpy(part[0]).to(rounded), *(torch.from_numpy(array) for array in part[1:]))
        for part in (
            (data.train, data.train_classes, data.train_weights),
            (data.validation, data.validation_classes, data.validation_weights),
        )
    ]
    history, _ = train(model, objectives[0], objectives[1], config, Runtime("cpu", precision))
    return model.mean(), history
