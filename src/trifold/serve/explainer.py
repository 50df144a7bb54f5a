"""Explanations while others are served: each of the many texts that it takes waits for its turn."""

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from trifold.explanations.explain import explain_texts
from trifold.explanations.explanation import Explanation
from trifold.explanations.settings import ExplanationSettings
from trifold.serve.errors import QueueFullError, TextTooLongError
from trifold.serve.lanes import Lanes
from trifold.serve.opening import Version
from trifold.serve.queued_predictor import QueuedPredictor
from trifold.serve.requests import Request
from trifold.types import Text

# Threads that wait for the queue on behalf of an explanation, and explanations that may wait for one of these.
_AT_ONCE, _WAITING = 2, 8
# Of a text: each of a million words would have its weight in the answer, and everyone else would wait for that.
MOST_CHARACTERS = 50_000


def require_explainable(text: str) -> None:
    """Refuse a text that is too long to be explained beside others' requests.

    Raises:
        TextTooLongError: If it is.
    """
    if len(text) > MOST_CHARACTERS:
        raise TextTooLongError(
            f"the text has {len(text):,} characters, and up to {MOST_CHARACTERS:,} are explained here: send a part of "
            "it, or explain it by trifold explain"
        )


class Explainer:
    """Explains texts in threads of its own, which compute next to nothing.

    Args:
        lanes: Compute the texts.
    """

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._threads = ThreadPoolExecutor(_AT_ONCE, "trifold-explaining")
        self._under_way = 0

    async def explain(
        self, version: Version, text: str, settings: ExplanationSettings | None, seconds: float
    ) -> Explanation:
        """Explain a label of a text.

        Args:
            version: The run.
            text: Single.
            settings: Which label, and how thoroughly.
            seconds: Deadline.

        Raises:
            QueueFullError: If many are being explained.
            TrifoldError: As `explain_texts`.
        """
        if self._under_way >= _AT_ONCE + _WAITING:
            raise QueueFullError(f"{self._under_way} texts are being explained: try again in a moment", 1.0)

        def submit(texts: Sequence[Text]) -> Request:
            request = Request(texts, version.work, [version.logits])
            self._lanes.of(version).submit(request, seconds, reads_pairs=False, ours=True)
            return request

        predictor = QueuedPredictor(version.predictor, submit)

        def explain() -> Explanation:
            return next(explain_texts(predictor, [text], settings, asks_llm=version.facts.asks_llm))

        self._under_way += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, explain)
        finally:
            self._under_way -= 1
            predictor.cancel()

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)
