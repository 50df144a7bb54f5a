"""What every endpoint asks: the runs, by name, with what a request has to bear in mind."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from fastapi import Request

from trifold.documents.search.query import SearchIndex
from trifold.errors import ArtifactError, BackboneError, TrifoldError
from trifold.events import say
from trifold.formatting import shortened
from trifold.serve.errors import (
    BrokenModelError,
    DeadlineError,
    QueueFullError,
    StoppingError,
    TextTooLongError,
    TooManyTextsError,
    UnknownRunError,
)
from trifold.serve.http.metrics import Metrics
from trifold.serve.http.settings import HttpSettings
from trifold.serve.model_server import ModelServer
from trifold.serve.replies import Reply, Timing
from trifold.serve.served_run import ServedRun
from trifold.types import Text
from trifold.web.refusals import Refusal
from trifold.web.request_log import CLIENT_GONE, tell

_STATUS: dict[type[TrifoldError], int] = {
    UnknownRunError: 404,
    TooManyTextsError: 413,
    TextTooLongError: 413,
    QueueFullError: 429,
    BrokenModelError: 500,
    ArtifactError: 500,
    BackboneError: 500,
    StoppingError: 503,
    DeadlineError: 504,
}
_Result = TypeVar("_Result")


@dataclass
class Service:
    """The runs that are asked, and how.

    Attributes:
        server: Holds them.
        settings: Where and for whom.
        metrics: What is counted.
        index: What `/search` looks in; `None` where there is none.
        report: Takes what is known of a fault of the server.
        stopping: Whether the server has been told to end.
    """

    server: ModelServer
    settings: HttpSettings
    metrics: Metrics
    index: SearchIndex | None = None
    report: Callable[[str], None] = say
    stopping: bool = False

    def run(self, name: str | None) -> ServedRun:
        """The run of a name; the first where no name is given.

        Raises:
            UnknownRunError: If there is none.
        """
        runs = self.server.runs
        if name is None:
            return next(iter(runs.values()))
        if name not in runs:
            raise UnknownRunError(f"there is no run {shortened(name, 100)!r}: this server has {', '.join(runs)}")
        return runs[name]

    async def predict(
        self,
        request: Request,
        run: ServedRun,
        texts: Sequence[Text],
        *,
        truncate: bool = True,
        reject_below: float | None = None,
    ) -> Reply:
        """The labels of some texts; given up where the client goes away.

        Raises:
            ServingError: As `ModelServer.predict`.
            Refusal: If the client is gone.
        """
        replies = await self.predict_each(request, [run], texts, truncate=truncate, reject_below=reject_below)
        return replies[run.name]

    async def predict_each(
        self,
        request: Request,
        runs: Sequence[ServedRun],
        texts: Sequence[Text],
        *,
        truncate: bool = True,
        reject_below: float | None = None,
    ) -> dict[str, Reply]:
        """As `predict`, by several runs: name of each to its reply.

        Raises:
            ServingError: As `ModelServer.predict_each`.
            Refusal: If the client is gone.
        """
        least = self.settings.reject_below if reject_below is None else reject_below
        names = [run.name for run in runs]
        asked = self.server.predict_each(names, texts, truncate=truncate, reject_below=least or None)
        replies = await until_gone(request, asked)
        answers = [answer for reply in replies.values() for answer in reply.answers]
        tell(
            request.scope,
            run=",".join(names),
            version=",".join(reply.version for reply in replies.values()),
            texts=len(texts),
            tokens=sum(answer.tokens for answer in answers),
            truncated=sum(answer.truncated for answer in answers),
        )
        return replies


def refusal_of(error: TrifoldError) -> Refusal:
    """How a request ends that raised an error of ours."""
    status = next((found for kind, found in _STATUS.items() if isinstance(error, kind)), 422)
    headers = {}
    if isinstance(error, QueueFullError):
        headers = {"Retry-After": str(max(1, round(error.retry_after_seconds)))}
    if isinstance(error, StoppingError):
        headers = {"Retry-After": "5", "Connection": "close"}
    return Refusal(status, str(error), headers)


async def until_gone(request: Request, work: Awaitable[_Result]) -> _Result:
    """What the work gives; it is cancelled where the client goes away before.

    Raises:
        Refusal: If the client is gone, for the log: nobody reads the answer.
    """
    working = asyncio.ensure_future(work)
    gone = asyncio.create_task(_cancel_when_gone(request, working))
    try:
        return await working
    except asyncio.CancelledError:
        working.cancel()
        if not gone.done():
            raise
        tell(request.scope, status=CLIENT_GONE)
        raise Refusal(400, "the client went away before the answer was there") from None
    finally:
        gone.cancel()


async def _cancel_when_gone(request: Request, working: "asyncio.Future[_Result]") -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
    working.cancel()


def answer_headers(timing: Timing, version: str, characters: int, tokens: int) -> dict[str, str]:
    """Where the time of an answer went, in the headers of text-embeddings-inference and in the browsers' own.

    Args:
        timing: Where the time went.
        version: Of the run that answered.
        characters: Of the request's texts.
        tokens: That were read.
    """
    parts = {"tokenising": timing.tokenising, "queue": timing.queue, "inference": timing.inference}
    thousandths = {name: 1_000 * seconds for name, seconds in parts.items()}
    return {
        "X-Run-Version": version,
        "X-Compute-Time": f"{1_000 * timing.total:.0f}",
        "X-Compute-Characters": str(characters),
        "X-Compute-Tokens": str(tokens),
        "X-Tokenization-Time": f"{thousandths['tokenising']:.0f}",
        "X-Queue-Time": f"{thousandths['queue']:.0f}",
        "X-Inference-Time": f"{thousandths['inference']:.0f}",
        "Server-Timing": ", ".join(f"{name};dur={value:.2f}" for name, value in thousandths.items()),
    }
