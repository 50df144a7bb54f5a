"""What every method promises: `fit` takes the training and validation parts and returns a predictor."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np

from trifold.backbone.settings import BackboneSettings, ComputeSettings
from trifold.methods.settings import HeadSettings
from trifold.tasks.labels import LabelMap
from trifold.train.history import History
from trifold.train.settings import TrainSettings
from trifold.types import Examples


@dataclass(frozen=True)
class Scores:
    """What a predictor says of some texts.

    Attributes:
        logits: `(texts, classes)` float32, before the softmax; classes as in the predictor's label map.
        truncated: `(texts,)` bool, whether the text was too long to be read whole.
    """

    logits: np.ndarray
    truncated: np.ndarray

    @property
    def probabilities(self) -> np.ndarray:
        """Softmax of the logits, `(texts, classes)` float64; each row sums to 1."""
        shifted = self.logits.astype(np.float64) - self.logits.max(axis=1, keepdims=True)
        exponentials = np.exp(shifted)
        result: np.ndarray = exponentials / exponentials.sum(axis=1, keepdims=True)
        return result


@dataclass(frozen=True)
class MethodSettings:
    """All that a method may be told.

    Attributes:
        backbone: Which model, and how it is run.
        train: How it is trained.
        head: What stands on frozen features.
    """

    backbone: BackboneSettings = field(default_factory=BackboneSettings)
    train: TrainSettings = field(default_factory=TrainSettings)
    head: HeadSettings = field(default_factory=HeadSettings)


@dataclass(frozen=True)
class Workload:
    """How much there is to do and how fast this machine is: what a forecast is made from.

    Attributes:
        train_texts: Rows of the training part.
        validation_texts: Rows of the validation part.
        test_texts: Rows of the test part.
        characters_per_text: Mean.
        tokens_per_text: Mean, after truncation.
        flops_per_token: Of one forward pass of the backbone.
        parameters: Of the backbone.
        flops_per_second: Of this machine's matrix products, measured just now.
    """

    train_texts: int
    validation_texts: int
    test_texts: int
    characters_per_text: float
    tokens_per_text: float
    flops_per_token: float
    parameters: int
    flops_per_second: float

    def encoding_seconds(self, texts: float) -> float:
        """Forward passes over `texts`. Real layers reach about 0.65 of the plain matrix product's rate."""
        return texts * self.tokens_per_text * self.flops_per_token / (0.65 * self.flops_per_second)


class Predictor(ABC):
    """A trained model that scores texts, saves itself and comes back.

    Attributes:
        labels: Class order of the logits.
    """

    labels: LabelMap

    @abstractmethod
    def score(self, texts: Sequence[str]) -> Scores:
        """Logits for `texts`, in their order. An empty sequence gives arrays with no row."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write everything `load` needs into `folder`."""

    @classmethod
    @abstractmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "Predictor":
        """Read a predictor back.

        Args:
            folder: As given to `save`.
            compute: How to run it on this machine; everything else was saved.

        Raises:
            ArtifactError: If a file is missing or damaged.
        """

    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes needed on disk to run this predictor, a shared backbone included."""


@dataclass(frozen=True)
class Fitted:
    """What `fit` returns.

    Attributes:
        predictor: Ready to use.
        history: Of the training loop, or of a head's training; `None` where nothing was trained by steps.
        trainable_parameters: Numbers that were learned from the data.
        choices: What was chosen on validation, in words as keys and plain values, for `run.json`.
    """

    predictor: Predictor
    history: History | None
    trainable_parameters: int
    choices: dict[str, object]


class Method(ABC):
    """A way to adapt a backbone to a labelled task.

    Attributes:
        name: As on the command line.
        summary: One line for help and report.
        predictor: What `fit` returns, for loading.
        needs_backbone: Whether a pretrained model, and so PyTorch, is needed.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    predictor: ClassVar[type[Predictor]]
    needs_backbone: ClassVar[bool] = True

    def __init__(self, settings: MethodSettings) -> None:
        self.settings = settings

    @abstractmethod
    def forecast(self, work: Workload) -> float:
        """Seconds that training and testing will take, roughly, start-up included."""

    @abstractmethod
    def fit(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """Learn from `train`; choose settings and checkpoints on `validation`, never learning from it."""
