"""`tfidf`: word 1-2-grams and logistic regression, the bar that any neural method has to clear. Needs no PyTorch."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.backbone.settings import ComputeSettings
from trifold.methods.contract import Fitted, Method, Predictor, Scores
from trifold.methods.logistic import LinearHead, Sample, fit_path
from trifold.progress import say
from trifold.schema import read_value
from trifold.tasks.labels import LabelMap
from trifold.types import Examples

_STRENGTHS = (3.0, 10.0, 30.0, 100.0, 300.0)
_VOCABULARY = "vocabulary.json"
# Unlike the default, one-letter words count: "I" is one.
_WORD = r"(?u)\b\w+\b"
# From so much text on, n-grams that stand in one text only cost time and memory and bring nothing; with less, they do
# help (benchmarks/LOG.md).
_CHARACTERS_FOR_MIN_DF_2 = 3_000_000
# Terms times classes: with thousands of classes, only the commonest terms get weights, or memory would not suffice.
_MOST_WEIGHTS = 10_000_000


class TfidfPredictor(Predictor):
    """A TF-IDF vectoriser with a linear head."""

    def __init__(self, vectoriser: Any, head: LinearHead, labels: LabelMap) -> None:
        self.labels = labels
        self._vectoriser = vectoriser
        self._head = head

    def score(self, texts: Sequence[str]) -> Scores:
        """See `Predictor.score`. Nothing is ever truncated: every word counts."""
        truncated = np.zeros(len(texts), dtype=bool)
        if not len(texts):
            return Scores(np.zeros((0, len(self.labels)), dtype=np.float32), truncated)
        return Scores(self._head.logits(self._vectoriser.transform(texts)), truncated)

    def save(self, folder: Path) -> None:
        """Write the vocabulary, its weights and the head."""
        arrays = {"idf": self._vectoriser.idf_, **self._head.arrays()}
        write_state(folder, self.labels.described(), arrays)
        terms = sorted(self._vectoriser.vocabulary_, key=self._vectoriser.vocabulary_.__getitem__)
        (folder / _VOCABULARY).write_text(json.dumps(terms, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "TfidfPredictor":  # noqa: ARG003 - it has none
        """See `Predictor.load`."""
        settings, arrays = read_state(folder)
        columns = {term: column for column, term in enumerate(read_value(folder / _VOCABULARY, list[str]))}
        labels = LabelMap.saved(settings)
        vectoriser = _vectoriser(1, columns)
        vectoriser.idf_ = arrays.of_shape("idf", len(columns))
        return cls(vectoriser, LinearHead.saved(arrays, len(columns), len(labels)), labels)

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self._head = self._head.cooled(temperature)

    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        self._head = replace(self._head, bias=self._head.bias + shift)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        words = sum(len(term.encode()) + 4 for term in self._vectoriser.vocabulary_)
        return words + sum(array.nbytes for array in self._head.arrays().values()) + int(self._vectoriser.idf_.nbytes)


class Tfidf(Method):
    """Bag of words and word pairs."""

    name = "tfidf"
    summary = "words and word pairs counted, no language model"
    predictor = TfidfPredictor

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.learn`."""
        characters = sum(len(text) for text in train.texts)
        most_terms = _MOST_WEIGHTS // len(labels)
        vectoriser = _vectoriser(2 if characters >= _CHARACTERS_FOR_MIN_DF_2 else 1, None, most_terms)
        matrix = vectoriser.fit_transform(train.texts)
        data = Sample(
            train=matrix,
            train_classes=labels.encode(train.labels),
            validation=vectoriser.transform(validation.texts),
            validation_classes=labels.encode(validation.labels),
            classes=len(labels),
            class_weight=self.settings.train.class_weight,
        )
        chosen = fit_path(data, _STRENGTHS, tolerance=1e-5)
        say(f"tfidf: {matrix.shape[1]:,} words and word pairs, strength {chosen.strength:g} chosen on validation")
        return Fitted(
            predictor=TfidfPredictor(vectoriser, chosen.head, labels),
            history=None,
            trainable_parameters=chosen.head.parameters(),
            choices={"terms": matrix.shape[1], "strength": chosen.strength, "validation_loss": chosen.validation_loss},
            validation_logits=chosen.head.logits(data.validation),
        )


def _vectoriser(min_df: int, vocabulary: dict[str, int] | None, most_terms: int | None = None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

    return TfidfVectorizer(
        ngram_range=(1, 2),
        sublinear_tf=True,
        min_df=min_df,
        max_features=most_terms,
        vocabulary=vocabulary,
        dtype=np.float32,
        token_pattern=_WORD,
    )
