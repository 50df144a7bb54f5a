"""The requests that are under way: counted, so that the last of them can be waited for, and told where they fail."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from trifold.errors import TrifoldError
from trifold.serve.errors import BrokenModelError, ServingError, StoppingError, UnusableRequestError
from trifold.serve.observer import Observer

_STEP_SECONDS = 0.01


class UnderWay:
    """Requests that are under way; for one event loop.

    Args:
        observer: Hears of those that get no answer.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        self._count = 0
        self._stopping = False

    @asynccontextmanager
    async def request(self, runs: Sequence[str], kind: str) -> AsyncIterator[None]:
        """Inside, a request is under way.

        Args:
            runs: That are asked.
            kind: As for `Observer.answered`.

        Raises:
            ServingError: What was raised inside; what the run cannot do becomes an `UnusableRequestError`.
        """
        if self._stopping:
            raise StoppingError("the server is stopping: send the request again in a moment")
        self._count += 1
        try:
            yield
        except asyncio.CancelledError:
            self._tell(runs, kind, "cancelled")
            raise
        except ServingError as error:
            self._tell(runs, kind, type(error).__name__)
            raise
        except TrifoldError as error:
            self._tell(runs, kind, UnusableRequestError.__name__)
            raise UnusableRequestError(str(error)) from None
        except Exception:
            self._tell(runs, kind, BrokenModelError.__name__)
            raise
        finally:
            self._count -= 1

    def _tell(self, runs: Sequence[str], kind: str, reason: str) -> None:
        for run in runs:
            self._observer.refused(run, kind, reason)

    async def drain(self, seconds: float) -> bool:
        """Let nothing new in and wait for the rest, so long at most; whether nothing is left."""
        self._stopping = True
        end = time.perf_counter() + seconds
        while self._count and time.perf_counter() < end:
            await asyncio.sleep(_STEP_SECONDS)
        return not self._count
