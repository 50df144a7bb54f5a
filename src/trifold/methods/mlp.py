"""A two-layer head on fixed vectors, trained by the one training loop."""

from dataclasses import dataclass, replace

import numpy as np
import torch

from trifold.methods.logistic import Sample
from trifold.runtime import Runtime
from trifold.train.history import History
from trifold.train.loop import train
from trifold.train.objective import BatchLoss, classification_loss
from trifold.train.plan import Plan
from trifold.train.settings import TrainSettings

_HIDDEN = 256
_DROPOUT = 0.3
PLAN = Plan(
    learning_rate=5e-4,
    epochs=20,
    batch_size=64,
    token_budget=1 << 30,
    seed=42,
    weight_decay=0.05,
    warmup_ratio=0.1,
    max_grad_norm=1.0,
    ema_decay=0.99,
    patience=3,
    quiet=True,
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
    def of(cls, arrays: dict[str, np.ndarray]) -> "MlpHead":
        """The inverse of `arrays`."""
        return cls(**{name: arrays[name] for name in ("hidden_weight", "hidden_bias", "weight", "bias")})

    def layers(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Weight `(in, out)` and bias of each linear step; between two of them stands a ReLU."""
        return [(self.hidden_weight, self.hidden_bias), (self.weight, self.bias)]

    def parameters(self) -> int:
        """Numbers learned."""
        return sum(int(array.size) for array in self.arrays().values())


@dataclass(frozen=True)
class _Vectors:
    """Objective: cross-entropy of a head on fixed vectors; each counts as one token."""

    vectors: torch.Tensor
    classes: torch.Tensor
    weights: torch.Tensor

    @property
    def lengths(self) -> np.ndarray:
        return np.ones(len(self.classes), dtype=np.int64)

    def loss(self, model: torch.nn.Module, positions: np.ndarray) -> BatchLoss:
        logits = model(self.vectors[positions])
        return classification_loss(logits, self.classes[positions], self.weights[positions])


def fit_mlp(
    data: Sample, given: TrainSettings, plan: Plan = PLAN, *, hidden: int = _HIDDEN, dropout: float = _DROPOUT
) -> tuple[MlpHead, History]:
    """Train a head of `features -> hidden -> classes`; the best epoch by validation loss is kept.

    Args:
        data: Dense float32 vectors.
        given: Learning rate, epochs and batch size win over the plan's where the user named them.
        plan: Everything else.
        hidden: Width of the hidden layer.
        dropout: Behind it.
    """
    plan = replace(
        plan,
        learning_rate=given.learning_rate or plan.learning_rate,
        epochs=given.epochs or plan.epochs,
        batch_size=given.batch_size or plan.batch_size,
        seed=given.seed,
    )
    model = torch.nn.Sequential(
        torch.nn.Linear(data.train.shape[1], hidden),
        torch.nn.ReLU(),
        torch.nn.Dropout(dropout),
        torch.nn.Linear(hidden, data.classes),
    )
    objectives = [
        _Vectors(*(torch.from_numpy(array) for array in part))
        for part in (
            (data.train, data.train_classes, data.train_weights),
            (data.validation, data.validation_classes, data.validation_weights),
        )
    ]
    history, _ = train(model, objectives[0], objectives[1], plan, Runtime("cpu", "float32"))
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    head = MlpHead(state["0.weight"].T.copy(), state["0.bias"], state["3.weight"].T.copy(), state["3.bias"])
    return head, history
