"""What a server answers."""

from dataclasses import dataclass

import numpy as np

from trifold.explanations.explanation import Explanation


@dataclass(frozen=True)
class Timing:
    """Where the time of a request went, in seconds.

    Attributes:
        tokenising: Until all its texts were tokens, waiting for that included.
        queue: Until the first of them was computed.
        inference: From then until the last was.
        total: All of it.
    """

    tokenising: float
    queue: float
    inference: float
    total: float


@dataclass(frozen=True)
class TextAnswer:
    """What a run says of one text.

    Attributes:
        probabilities: Of each label, in the order of `ServedRun.labels`.
        labels: The label that is given, or of a multi-label run those above their thresholds; none where `declined`.
        confidence: The probability that what is given is right as a whole.
        declined: Whether the run is less sure than `reject_below`.
        tokens: Tokens that were read; 0 where the run reads no tokens (`tfidf`).
        truncated: Whether the text was longer than the run reads.
    """

    probabilities: tuple[float, ...]
    labels: tuple[str, ...]
    confidence: float
    declined: bool
    tokens: int
    truncated: bool


@dataclass(frozen=True)
class Reply:
    """A run's answers to one request, all by the same version of it.

    Attributes:
        answers: One for each text, in their order.
        timing: Where the time went.
        version: Of the run, as `ServedRun.version` was when the request came.
    """

    answers: tuple[TextAnswer, ...]
    timing: Timing
    version: str


@dataclass(frozen=True)
class EmbedReply:
    """The vectors of a request's texts.

    Attributes:
        vectors: `(texts, width)` float32, in the order of the texts: those of `trifold embed RUN`, cut to `dimensions`.
        tokens: Of each text.
        truncated: Whether each text was longer than the encoder reads.
        timing: Where the time went.
        version: Of the run.
    """

    vectors: np.ndarray
    tokens: tuple[int, ...]
    truncated: tuple[bool, ...]
    timing: Timing
    version: str


@dataclass(frozen=True)
class ExplainReply:
    """The explanation of one text.

    Attributes:
        explanation: As `trifold explain` has it.
        seconds: How long it took.
        version: Of the run.
    """

    explanation: Explanation
    seconds: float
    version: str


@dataclass(frozen=True)
class Load:
    """How busy a server is at this moment.

    Attributes:
        requests: That wait or are being computed, tokenising included.
        texts: That wait to be computed.
        tokens: Of these.
        wait_seconds: About how long the last of them will wait.
    """

    requests: int
    texts: int
    tokens: int
    wait_seconds: float
