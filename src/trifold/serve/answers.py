"""From what was computed of a request to its reply, and what is refused of a request before anything is computed."""

import math
from collections.abc import Sequence

import numpy as np

from trifold.data.columns import unusable_text
from trifold.inference.answers import given_labels
from trifold.inference.predict import Prediction
from trifold.models.vector_steps import unit_length
from trifold.serve.errors import TooManyTextsError, UnusableRequestError, UnusableTextError
from trifold.serve.opening import Vectors, Version
from trifold.serve.replies import Reply, TextAnswer, Timing
from trifold.serve.requests import Request

NO_TIME = Timing(0.0, 0.0, 0.0, 0.0)


def require_few(texts: Sequence[object], most: int) -> None:
    """Refuse a request of more texts than one may have.

    Raises:
        TooManyTextsError: If it has more.
    """
    if len(texts) > most:
        raise TooManyTextsError(f"the request has {len(texts):,} texts, and one may have {most:,}: send several")


def require_share(reject_below: float | None) -> float:
    """The least probability of an answer, 0 where none is asked for.

    Raises:
        UnusableRequestError: If it is no probability below 1.
    """
    least = 0.0 if reject_below is None else reject_below
    if not 0 <= least < 1:
        raise UnusableRequestError(f"reject_below is {least}, which is not allowed: give a probability such as 0.8")
    return least


def require_deadline(seconds: float) -> float:
    """The seconds within which a request is to be answered.

    Raises:
        UnusableRequestError: If they are no positive number.
    """
    if not 0 < seconds < math.inf:
        raise UnusableRequestError(f"deadline_seconds is {seconds}, which is not allowed: give more than 0")
    return seconds


def require_texts(texts: Sequence[str]) -> None:
    """Refuse empty texts, before anything is put before them.

    Raises:
        UnusableTextError: If there is one.
    """
    for number, text in enumerate(texts, start=1):
        if reason := unusable_text(text):
            raise UnusableTextError(f"text {number}: {reason}: give a text with at least one word")


def reply_of(version: Version, request: Request, found: Sequence[Prediction], reject_below: float) -> Reply:
    """The reply to a request for labels.

    Args:
        version: That answered.
        request: Answered.
        found: The predictions.
        reject_below: The least probability of an answer.
    """
    answers = tuple(
        _answer(one, tokens if version.reads_tokens else 0, reject_below)
        for one, tokens in zip(found, request.lengths, strict=True)
    )
    return Reply(answers, request.timing(), version.facts.version)


def _answer(found: Prediction, tokens: int, reject_below: float) -> TextAnswer:
    declined = found.probability < reject_below
    return TextAnswer(
        probabilities=tuple(found.probabilities.values()),
        labels=() if declined else given_labels(found),
        confidence=found.probability,
        declined=declined,
        tokens=tokens,
        truncated=found.truncated,
    )


def cut_vectors(vectors: np.ndarray, dimensions: int | None) -> np.ndarray:
    """The first numbers of some vectors, made length 1 again where they were of length 1.

    Args:
        vectors: `(texts, width)` float32.
        dimensions: How many; all where `None`.
    """
    if dimensions is None or dimensions == vectors.shape[1]:
        return vectors
    normal = np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-3)
    return unit_length(vectors[:, :dimensions]) if normal else vectors[:, :dimensions]


def require_dimensions(vectors: Vectors, dimensions: int | None) -> None:
    """Refuse more numbers than a vector has.

    Raises:
        UnusableRequestError: If it has fewer.
    """
    width = vectors.embedder.width
    if dimensions is not None and not 1 <= dimensions <= width:
        raise UnusableRequestError(f"dimensions is {dimensions}: these vectors have {width}, give from 1 to so many")
