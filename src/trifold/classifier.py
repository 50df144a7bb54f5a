"""`TextClassifier`: any method behind scikit-learn's estimator interface."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.exceptions import NotFittedError

from trifold.artifact.folder import new_folder, write_json
from trifold.backbone.settings import BackboneSettings, ComputeSettings
from trifold.data.split import split_train_validation
from trifold.errors import DataError, SettingsError
from trifold.methods.catalogue import method_entry, method_name
from trifold.methods.contract import MethodSettings, Predictor
from trifold.methods.settings import HeadSettings
from trifold.pipeline.request import versions
from trifold.predict import load_run, score_texts
from trifold.runtime import hardware, prepare
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.types import Examples, Label


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Learn labels of texts by one of Trifold's methods.

    A fifth of the rows given to `fit` is held out as validation, on which settings and checkpoints are chosen.

    Args:
        method: `tfidf`, `zero-shot`, `features`, `adapter-lora`, `adapter-bottleneck`, `contrastive` or `full`.
        model: Backbone: `minilm`, a folder, or a hub id.
        max_length: Tokens of a text that are read.
        head: For `features`: `auto`, `logistic` or `mlp`.
        learning_rate: `None` for the method's default.
        epochs: `None` for the method's default.
        batch_size: Examples per optimiser step; `None` for the method's default.
        seed: Of everything random in training.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto`, `float32` or `bfloat16`.
        offline: Open no connection.

    Attributes:
        classes_: `(classes,)` labels as given, in the order of `predict_proba`'s columns.
    """

    def __init__(
        self,
        method: str = "features",
        model: str = "minilm",
        *,
        max_length: int = 250,
        head: str = "auto",
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
        seed: int = 42,
        device: str = "auto",
        precision: str = "auto",
        offline: bool = False,
    ) -> None:
        self.method = method
        self.model = model
        self.max_length = max_length
        self.head = head
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size
        self.seed = seed
        self.device = device
        self.precision = precision
        self.offline = offline

    def fit(self, texts: Sequence[str], labels: Sequence[Label]) -> "TextClassifier":
        """Learn from texts and their labels.

        Args:
            texts: `(rows,)` strings, none empty.
            labels: `(rows,)` strings or integers, at least two distinct.

        Raises:
            DataError: If the two differ in length, a text is empty, or the labels make no task.
        """
        examples = _examples(texts, labels)
        entry = method_entry(self.method)
        if entry.needs_backbone:
            prepare()
        method = entry.load()(self._settings())
        train, validation = split_train_validation(examples)
        fitted = method.fit(train, validation, LabelMap.of(examples.labels))
        self._predictor: Predictor = fitted.predictor
        self.classes_ = np.array(fitted.predictor.labels.names)
        return self

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        """Probabilities of each class, `(rows, classes)`; columns as in `classes_`."""
        return score_texts(self._fitted(), _texts(texts)).probabilities

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        """The likeliest label of each text, `(rows,)`."""
        probabilities = self.predict_proba(texts)
        predicted: np.ndarray = self.classes_[probabilities.argmax(axis=1)]
        return predicted

    def save(self, path: str | Path) -> None:
        """Write a run folder that `load`, and the command line's `predict`, take.

        Raises:
            SettingsError: If `path` exists and is not an empty folder.
        """
        predictor, target = self._fitted(), Path(path)
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise SettingsError(f"{target} exists and is not empty: name another path or remove it")
        with new_folder(target) as folder:
            predictor.save(folder / "model")
            facts = {
                "method": method_name(self.method),
                "command": "TextClassifier.save",
                "started": datetime.now(UTC).isoformat(timespec="seconds"),
                "settings": self.get_params(),
                "seed": self.seed,
                "labels": list(predictor.labels.names),
                "versions": versions(),
                "hardware": hardware(),
            }
            write_json(folder / "run.json", facts)

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> "TextClassifier":
        """Read back what `save`, `trifold finetune` or `trifold compare` wrote.

        Raises:
            ArtifactError: If a file is missing or damaged; the message names it.
        """
        run = load_run(path, ComputeSettings(device=device))  # type: ignore[arg-type]
        known = cls().get_params()
        settings = run.facts.get("settings") or {}
        classifier = cls(**{name: value for name, value in settings.items() if name in known})
        classifier.method, classifier.device = str(run.facts["method"]), device
        classifier._predictor = run.predictor
        classifier.classes_ = np.array(run.predictor.labels.names)
        return classifier

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_predictor")

    def _fitted(self) -> Predictor:
        if not hasattr(self, "_predictor"):
            raise NotFittedError("this TextClassifier is not fitted: call fit or TextClassifier.load first")
        return self._predictor

    def _settings(self) -> MethodSettings:
        backbone: dict[str, Any] = {
            "model": self.model,
            "max_length": self.max_length,
            "device": self.device,
            "precision": self.precision,
            "offline": self.offline,
        }
        train = TrainSettings(
            learning_rate=self.learning_rate, epochs=self.epochs, batch_size=self.batch_size, seed=self.seed
        )
        if self.head not in ("auto", "logistic", "mlp"):
            raise SettingsError(f"head {self.head!r} is unknown: use auto, logistic or mlp")
        head = replace(HeadSettings(), head=self.head)  # type: ignore[arg-type]
        return MethodSettings(BackboneSettings(**backbone), train, head)


def _texts(texts: Sequence[str]) -> list[str]:
    if isinstance(texts, str):
        raise DataError("one string was given where a list of texts is expected: put it into a list")
    found = list(texts)
    for number, text in enumerate(found):
        if not isinstance(text, str) or not text.strip():
            raise DataError(f"text number {number} is {text!r}: every text must be a string with at least one word")
    return found


def _examples(texts: Sequence[str], labels: Sequence[Label]) -> Examples:
    kept = _texts(texts)
    # NumPy's own scalars become Python's, so that labels are saved and compared as what they look like.
    plain = [label.item() if isinstance(label, np.generic) else label for label in labels]
    if len(kept) != len(plain):
        raise DataError(f"there are {len(kept)} texts and {len(plain)} labels: give one label per text")
    for label in plain:
        if isinstance(label, bool) or not isinstance(label, str | int):
            raise DataError(f"the label {label!r} is neither a string nor an integer: convert the labels first")
    return Examples(tuple(range(len(kept))), tuple(kept), tuple(plain))
