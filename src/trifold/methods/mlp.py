"""A two-layer head on fixed vectors, trained by the one training loop.

An ensemble of heads is trained together, and the mean of their logits is the result. On few examples the random start
decides much of what a head learns; the mean of a few is better and varies less than any of them (benchmarks/LOG.md).
The mean of two-layer heads is a wider two-layer head, so one head is saved and exported.

A step spends as much time on memory traffic as on matmuls. Hidden width and patience are as small, and batches as
large, as accuracy allows (benchmarks/LOG.md), so that another head on cached vectors takes a second.
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
# Steps between two validations, at least; with few rows that is several epochs.
_STEPS = 50
_BATCHES = (64, 128)
_RATE_OF_SMALLEST = 5e-4


def default_training_config(rows: int) -> TrainingConfig:
    """The training config for `rows` rows, where the user sets nothing: up to twenty rounds of an epoch or more."""
    smallest, largest = _BATCHES
    batch = min(max(rows // _STEPS, smallest), largest)
    several_epochs = math.ceil(rows / batch) < _STEPS
    return TrainingConfig(
        # The gradient of a larger batch varies less, so the learning rate grows with the square root of its size.
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
        # With few rows the validation loss may not fall. That is no error: the linear head is chosen then.
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
        """The head whose logits are this one's divided by `temperature`."""
        divisor = np.float32(temperature)
        return replace(self, weight=self.weight / divisor, bias=self.bias / divisor)

    def arrays(self) -> dict[str, np.ndarray]:
        """Its arrays by name, for saving."""
        return dict(vars(self))

    @classmethod
    def saved(cls, arrays: Arrays, features: int, classes: int) -> "MlpHead":
        """The head from a file.

        Raises:
            ArtifactError: If the file does not hold a head from `features` features to `classes` classes.
        """
        first = arrays.of_shape("hidden_weight", features, None)
        hidden = first.shape[1]
        rest = (arrays.of_shape("hidden_bias", hidden), arrays.of_shape("weight", hidden, classes))
        return cls(first, *rest, arrays.of_shape("bias", classes))

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weight `(in, out)` and bias `(out,)` of each linear layer; between two layers comes a ReLU."""
        return [(self.hidden_weight, self.hidden_bias), (self.weight, self.bias)]

    def parameters(self) -> int:
        """Number of trainable parameters."""
        return sum(int(array.size) for array in self.arrays().values())


class HeadEnsemble(torch.nn.Module):
    """Independent heads `features -> hidden -> classes` that are trained on common batches.

    Args:
        features: Numbers of one vector.
        hidden: Width of the hidden layer of each head.
        classes: Classes of the task.
        dropout: Dropout after the hidden layer.
        count: Number of heads.
    """

    def __init__(self, features: int, hidden: int, classes: int, dropout: float, count: int) -> None:
        super().__init__()
        # One matrix for the first layers of all heads; each is initialised as it would be alone.
        self.hidden = torch.nn.Linear(features, count * hidden)
        self.dropout = torch.nn.Dropout(dropout)
        self.out = torch.nn.ModuleList(torch.nn.Linear(hidden, classes) for _ in range(count))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """From `(batch, features)` to the logits of every head, `(heads, batch, classes)`."""
        hidden = self.dropout(torch.relu(self.hidden(vectors))).chunk(len(self.out), dim=1)
        outs: Any = self.out
        return torch.stack([in_full_precision(out, own) for out, own in zip(outs, hidden, strict=True)])

    def mean(self) -> MlpHead:
        """One wider head, whose logits are the mean of all heads' logits."""
        states = [out.state_dict() for out in self.out]
        weight = torch.cat([state["weight"].T for state in states]) / len(states)
        bias = torch.stack([state["bias"] for state in states]).mean(0)
        hidden = self.hidden.state_dict()
        tensors = (hidden["weight"].T, hidden["bias"], weight, bias)
        return MlpHead(*(tensor.contiguous().numpy() for tensor in tensors))


@dataclass(frozen=True)
class FixedVectors:
    """Objective: cross-entropy of an ensemble of heads on fixed vectors; a vector counts as one token.

    In training each head has a loss of its own; in validation the mean of their logits has one.

    Attributes:
        vectors: `(rows, features)`.
        classes: `(rows,)` class numbers, or `(rows, classes)` bool.
        weights: How much each row counts, as `row_weights` returns it.
    """

    vectors: torch.Tensor
    classes: torch.Tensor
    weights: torch.Tensor

    @property
    def lengths(self) -> np.ndarray:
        """See `Objective.lengths`: 1 for each vector."""
        return np.ones(len(self.classes), dtype=np.int64)

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        """See `Objective.loss`."""
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
    """Train an ensemble of heads `features -> hidden -> classes`; the best epoch by validation loss is kept.

    Args:
        data: Dense float32 vectors and their classes.
        given: The user's settings; learning rate, epochs and batch size override the config's where set.
        config: Everything else about the training.
        precision: Number format of the matmuls in training, as in `Runtime`; the resulting head computes in float32.
        hidden: Width of each head's hidden layer.
        dropout: Dropout after the hidden layer.
        members: Number of heads.

    Returns:
        One head whose logits are the mean of all heads' logits, and the history of their training.
    """
    config = replace(
        config,
        learning_rate=given.learning_rate or config.learning_rate,
        epochs=given.epochs or config.epochs,
        round_steps=None if given.epochs else config.round_steps,
        batch_size=given.batch_size or config.batch_size,
        seed=given.seed,
    )
    model = HeadEnsemble(data.train.shape[1], hidden, data.classes, dropout, members)
    start = starting_logits(data.train_classes, data.train_weights, data.classes)
    for out in model.out:
        start_at(out, start)
    # Converted once here instead of in every batch.
    dtype = getattr(torch, precision)
    objectives = [
        FixedVectors(torch.from_numpy(part[0]).to(dtype), *(torch.from_numpy(array) for array in part[1:]))
        for part in (
            (data.train, data.train_classes, data.train_weights),
            (data.validation, data.validation_classes, data.validation_weights),
        )
    ]
    history, _ = train(model, objectives[0], objectives[1], config, Runtime("cpu", precision))
    return model.mean(), history
