"""What every method promises: `fit` takes the training and validation parts and returns a predictor."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from trifold.events import say
from trifold.methods.pickling import load_files, saved_files
from trifold.methods.settings import MethodSettings as MethodSettings
from trifold.models.backbone_files import BackboneFiles
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.statistics.calibration import best_prior_shift, best_temperature
from trifold.statistics.thresholds import F1Weights, common_threshold, label_thresholds
from trifold.tasks.labels import LabelMap
from trifold.train.history import History
from trifold.types import Examples, Text

# Classes are even as long as the commonest has less than so many times the rows of the rarest.
_EVEN = 1.5
# Where one of these decides, thresholds are chosen for it; otherwise for all of them.
_F1_WEIGHTS = {
    "macro_f1": F1Weights(micro=0, samples=0),
    "micro_f1": F1Weights(macro=0, samples=0),
    "samples_f1": F1Weights(macro=0, micro=0),
}


@dataclass(frozen=True)
class Scores:
    """What a predictor says of some texts.

    Attributes:
        logits: `(texts, classes)` float32, before softmax or sigmoid; classes as in the predictor's label map,
            which turns them into probabilities.
        truncated: `(texts,)` bool, whether the text was too long to be read whole.
        cached_seconds: What those parts of the work once took that were done before.
    """

    logits: np.ndarray
    truncated: np.ndarray
    cached_seconds: float = 0.0


@dataclass(frozen=True)
class Exportable:
    """A predictor as one module.

    Attributes:
        module: From `(batch, tokens)` ids and mask to the logits of `score`; on the CPU, in evaluation mode. Where the
            tokenizer reads windows, the batch is those of one text, and gives one row.
        tokenizer: Gives the ids.
        files: Whose tokenizer and configuration it is.
    """

    module: Any
    tokenizer: Tokenizer
    files: BackboneFiles


class Predictor(ABC):
    """A trained model that scores texts, saves itself and comes back.

    Attributes:
        labels: Class order of the logits.
    """

    labels: LabelMap

    @abstractmethod
    def score(self, texts: Sequence[Text]) -> Scores:
        """Logits for `texts`, in their order. An empty sequence gives arrays with no row."""

    def read_spans(self, text: str) -> list[tuple[int, int]]:
        """Start and end of each part of a text that is read, in characters: all of it, unless it is too long."""
        return [(0, len(text))]

    def contributions(self, text: str, direction: np.ndarray) -> np.ndarray | None:  # noqa: ARG002 - linear models alone
        """What each character of a text adds to a sum of the logits, where the model is a sum over parts of the text.

        Args:
            text: As for `score`.
            direction: `(classes,)`, how much each class's logit counts in the sum.

        Returns:
            `(characters,)` float64, whose sum is that of the logits less that of the biases; `None` where the model is
            no such sum.
        """
        return None

    def vectors(self, texts: Sequence[str]) -> Any:  # noqa: ARG002 - TF-IDF alone has its own
        """`(texts, features)` sparse rows of length 1 that tell which texts are alike; `None` where an encoder does."""
        return None

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
    def divide_logits(self, temperature: float) -> None:
        """Fold a temperature into the last linear step, so that `score` and what is saved are calibrated."""

    def shift_logits(self, shift: np.ndarray) -> None:
        """Add a number to each class's logit in the last linear step; every predictor that is trained can.

        Args:
            shift: `(classes,)` float32.
        """
        raise NotImplementedError(f"{type(self).__name__} has no step that was trained")

    def account(self) -> dict[str, object]:
        """What was found out in use, besides scores, for `run.json` and the report: calls, failures, money."""
        return {}

    @abstractmethod
    def size_bytes(self) -> int:
        """Bytes needed on disk to run this predictor, a shared backbone included."""

    def exportable(self) -> Exportable | None:
        """The predictor as one module; `None` where no neural network reads a row in one pass."""
        return None

    def load_arguments(self) -> tuple[Any, ...]:
        """What `load` takes after the folder, to bring this predictor back as it runs now."""
        return (ComputeSettings(),)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle, and copy, by way of the files that `save` writes."""
        return load_files, (type(self), saved_files(self), self.load_arguments())


@dataclass(frozen=True)
class Fitted:
    """What `fit` returns.

    Attributes:
        predictor: Ready to use.
        history: History of the training loop, or of a head's training; `None` where nothing was trained by steps.
        trainable_parameters: Numbers that were learned from the data.
        choices: What was chosen on validation, in words as keys and plain values, for `run.json`.
        validation_logits: `(validation rows, classes)`, what the temperature is fitted on; no row where nothing is.
        cached_seconds: What those parts of the work once took that came from the cache this time.
    """

    predictor: Predictor
    history: History | None
    trainable_parameters: int
    choices: dict[str, object]
    validation_logits: np.ndarray
    cached_seconds: float = 0.0


class Adaptation(ABC):
    """A way to adapt a backbone, whatever comes out: labels (`Method`) or texts (`GenerativeMethod`).

    Args:
        settings: What the user asked for.

    Attributes:
        name: As on the command line.
        summary: One line for help and report.
    """

    name: ClassVar[str]
    summary: ClassVar[str]

    def __init__(self, settings: MethodSettings) -> None:
        self.settings = settings


class Method(Adaptation):
    """A way to adapt a backbone to a labelled task.

    Attributes:
        predictor: What `fit` returns, for loading.
        uses_labels: Whether any labelled text has a say in it, be it for calibration.
    """

    predictor: ClassVar[type[Predictor]]
    uses_labels: ClassVar[bool] = True

    @abstractmethod
    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """Learn from `train`; choose settings and checkpoints on `validation`, never learning from it."""

    def reload(self, folder: Path) -> Predictor:
        """What was learned and saved in `folder`, by the settings that it was learned with."""
        return self.predictor.load(folder, self.settings.backbone)

    def fit(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """Learn, then choose on `validation` what turns logits into answers.

        One temperature, so that probabilities mean what they say; in a multi-label task a threshold for each label; and
        where classes are to be balanced, how much more readily rare ones are named (docs/decisions/0012).

        Args:
            train: To learn from.
            validation: To choose on.
            labels: Every label of the task, those of the test part included.

        Raises:
            SettingsError: If a threshold is given and each row has one label.
        """
        self.settings.labels.require_used(several_labels=labels.multi_label)
        fitted = self.learn(train, validation, labels)
        if not self.uses_labels or not len(fitted.validation_logits):
            return fitted
        truth, choices = labels.encode(validation.labels), dict(fitted.choices)
        logits, temperature = _calibrated(fitted.predictor, fitted.validation_logits, truth)
        if self.settings.train.class_weight == "balanced" and fitted.trainable_parameters and not labels.multi_label:
            priors = np.bincount(labels.encode(train.labels), minlength=len(labels)) / len(train)
            choices["prior_shift"], shift = best_prior_shift(logits, truth, priors)
            fitted.predictor.shift_logits(shift)
            _say_if_unchanged(logits, shift, priors)
            logits, again = _calibrated(fitted.predictor, logits + shift, truth)
            temperature *= again
        choices["temperature"] = temperature
        if labels.multi_label:
            thresholds = self._thresholds(labels.probabilities(logits), truth)
            fitted.predictor.labels = replace(labels, thresholds=thresholds)
            choices["thresholds"] = {str(name): value for name, value in zip(labels.names, thresholds, strict=True)}
        return replace(fitted, choices=choices, validation_logits=logits)

    def _thresholds(self, probabilities: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
        """A threshold for each label: as given, or the best on validation for the metric that decides."""
        asked, weights = self.settings.labels.threshold, _F1_WEIGHTS.get(str(self.settings.ranking.metric))
        if asked == "per-label":
            return label_thresholds(probabilities, truth, weights)
        one = asked if isinstance(asked, float) else common_threshold(probabilities, truth, weights)
        return (one,) * int(truth.shape[1])


def _say_if_unchanged(logits: np.ndarray, shift: np.ndarray, priors: np.ndarray) -> None:
    """Say where `--class-weight balanced` changes no answer on the validation rows, and why."""
    if (logits.argmax(1) != (logits + shift).argmax(1)).any():
        return
    if priors.max() < _EVEN * priors.min():
        reason = "the classes are even"
    else:
        reason = "naming rare classes more readily does not raise macro-F1 on the validation rows"
    say(f"note: --class-weight balanced changes nothing: {reason}")


def _calibrated(predictor: Predictor, logits: np.ndarray, truth: np.ndarray) -> tuple[np.ndarray, float]:
    """Fold the best temperature for these validation rows into the predictor: the logits it gives then, and which."""
    temperature = best_temperature(logits, truth)
    predictor.divide_logits(temperature)
    return logits / temperature, temperature
