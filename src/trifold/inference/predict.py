"""Texts to labels with their probabilities."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from trifold.data.columns import unusable_text
from trifold.errors import DataError
from trifold.events import track
from trifold.formatting import counted
from trifold.methods.contract import Predictor, Scores
from trifold.types import Target, Text

_TEXTS_PER_SLICE = 1_024
# What is said of a text that gets none of several labels.
NO_LABEL = "no label reaches its threshold"


@dataclass(frozen=True)
class Prediction:
    """What a model predicts for one text.

    Attributes:
        label: The most probable label, or in a multi-label task a tuple of the labels above their thresholds; `None`
            where the model is less sure than it was asked to be.
        probability: That the label is right; in a multi-label task, that all of the decisions are.
        truncated: Whether the text was longer than the model reads.
        probabilities: Label to probability, for every label.
    """

    label: Target | None
    probability: float
    truncated: bool
    probabilities: dict[str, float]


def score_texts(predictor: Predictor, texts: Sequence[Text], what: str = "scoring") -> Scores:
    """Score many texts in slices, with progress; memory beyond the result does not grow with their number."""
    if not texts:
        return predictor.score(texts)
    parts = []
    with track(f"{what} {counted(len(texts), 'text')}", sum(len(text) for text in texts)) as advance:
        for start in range(0, len(texts), _TEXTS_PER_SLICE):
            part = texts[start : start + _TEXTS_PER_SLICE]
            parts.append(predictor.score(part))
            advance(sum(len(text) for text in part))
    return Scores(
        np.concatenate([p.logits for p in parts]),
        np.concatenate([p.truncated for p in parts]),
        sum(p.cached_seconds for p in parts),
    )


def predict_texts(predictor: Predictor, texts: Sequence[Text], reject_below: float = 0.0) -> list[Prediction]:
    """Predict the labels of some texts.

    Args:
        predictor: The model.
        texts: Any number.
        reject_below: A text whose prediction has a lower probability gets no label.

    Raises:
        DataError: If a text is empty: a model has nothing to go by.
    """
    for text in texts:
        reason = unusable_text(text)
        if reason:
            raise DataError(f"{reason}: give a text with at least one word")
    return as_predictions(predictor, score_texts(predictor, texts), reject_below)


def as_predictions(predictor: Predictor, scores: Scores, reject_below: float = 0.0) -> list[Prediction]:
    """The predictions that scores stand for, one for each text.

    Args:
        predictor: Which gave the scores.
        scores: Of some texts.
        reject_below: As in `predict_texts`.
    """
    labels = predictor.labels
    probabilities = labels.probabilities(scores.logits)
    decided = labels.decide(probabilities)
    confidence = labels.confidence(probabilities, decided)
    names = [str(name) for name in labels.names]
    return [
        Prediction(
            label=answer if sure >= reject_below else None,
            probability=float(sure),
            truncated=bool(cut),
            probabilities=dict(zip(names, row.tolist(), strict=True)),
        )
        for answer, sure, cut, row in zip(
            labels.decode(decided), confidence, scores.truncated, probabilities, strict=True
        )
    ]
