"""Which thread computes what: one for all models on this machine, and one for each run that asks a language model."""

import asyncio
import time
from collections.abc import Sequence

from trifold.serve.batches import even_length
from trifold.serve.errors import DeadlineError
from trifold.serve.lane import Lane
from trifold.serve.observer import Observer
from trifold.serve.opening import Version
from trifold.serve.replies import Load
from trifold.serve.requests import Request
from trifold.serve.settings import QueueSettings
from trifold.types import Text, TextPair

_MODELS = "models"
# Until the first texts of a version are computed, however busy the server is.
_WARM_UP_SECONDS = 600.0
_CANARY = "Is it well?"
# For computing batches of every shape; what is left then comes with the requests.
_SHAPES_SECONDS = 2.0
# Words of one token mostly, so that the longest text is reached.
_LONG_TEXT = "so it is " * 2_048


class Lanes:
    """The lanes of a server, made when they are first needed.

    Args:
        settings: What each lets in.
        observer: Hears of each batch.
    """

    def __init__(self, settings: QueueSettings, observer: Observer) -> None:
        self._settings, self._observer = settings, observer
        self._lanes: dict[str, Lane] = {}

    def of(self, version: Version) -> Lane:
        """The lane that computes a version's texts."""
        # While a server of language models is waited for, others compute.
        name = f"asking-{version.facts.name}" if version.facts.asks_llm else _MODELS
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name, self._settings, self._observer)
        return lane

    def warm_up(self, version: Version) -> None:
        """Compute a short text and the longest, which shows that the version works and how fast it is.

        A run that asks a language model is not asked: that may cost money.

        Raises:
            ServingError: If it does not work.
        """
        lane = self.of(version)
        if version.facts.asks_llm:
            return
        for text in ("a", _LONG_TEXT, "a", _LONG_TEXT):
            given: Sequence[Text] = [TextPair(text, text) if version.facts.reads_pairs else text]
            request = Request(given, version.work, [version.labels])
            lane.submit(request, _WARM_UP_SECONDS, reads_pairs=version.facts.reads_pairs, ours=True)
            request.future.result(_WARM_UP_SECONDS)
        if version.work.few_shapes and not version.facts.reads_pairs:
            self._compute_shapes(lane, version)

    async def canary(self, version: Version, seconds: float) -> None:
        """Compute a short text, to see whether a version still works.

        Raises:
            ServingError: If it does not, or not within so long.
        """
        text: Text = TextPair(_CANARY, _CANARY) if version.facts.reads_pairs else _CANARY
        await self.answered([(version, Request([text], version.work, [version.labels]))], seconds)

    def _compute_shapes(self, lane: Lane, version: Version) -> None:
        """Compute batches of every shape, the largest first, so that memory is taken now and not bit by bit."""
        end, most = time.perf_counter() + _SHAPES_SECONDS, version.facts.max_length or 0
        for length in sorted({even_length(tokens, most) for tokens in range(1, most + 1)}, reverse=True):
            for texts in (1, 2, 4, 8, 16, 32):
                if texts * length > version.work.least_tokens or time.perf_counter() > end:
                    break
                given = [f"{number} " + "a " * max(1, length - 8) for number in range(texts)]
                request = Request(given, version.work, [version.labels])
                lane.submit(request, _WARM_UP_SECONDS, reads_pairs=False, ours=True)
                request.future.result(_WARM_UP_SECONDS)

    async def answered(self, asked: Sequence[tuple[Version, Request]], seconds: float) -> None:
        """Wait until some requests are answered; if one is not, nobody waits for the others either.

        Raises:
            ServingError: If one is not.
        """
        try:
            for version, request in asked:
                self.of(version).submit(request, seconds, reads_pairs=version.facts.reads_pairs)
            async with asyncio.timeout(seconds):
                await asyncio.gather(*(asyncio.wrap_future(request.future) for _, request in asked))
        except TimeoutError:
            raise late(seconds) from None
        finally:
            for _, request in asked:
                request.future.cancel()

    @property
    def load(self) -> Load:
        """How busy all of them are together."""
        loads = [lane.load for lane in self._all()]
        return Load(
            sum(load.requests for load in loads),
            sum(load.texts for load in loads),
            sum(load.tokens for load in loads),
            max((load.wait_seconds for load in loads), default=0.0),
        )

    def close(self) -> None:
        """Give up what is not answered, and end the threads."""
        for lane in self._all():
            lane.close()

    def join(self, seconds: float) -> None:
        """Wait until the passes that are being computed are done."""
        for lane in self._all():
            lane.join(seconds)

    def _all(self) -> list[Lane]:
        # A copy: the thread in which runs are opened may add one meanwhile.
        return list(self._lanes.values())


def late(seconds: float) -> DeadlineError:
    """That there was no answer within so many seconds."""
    return DeadlineError(f"there was no answer within {seconds:g} seconds: send fewer texts, or give it more time")
