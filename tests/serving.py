"""What the tests of the server share: small runs, and a server that lives as long as a block."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Event
from typing import Any, TypeVar

from trifold import TextClassifier
from trifold.methods.contract import Predictor, Scores
from trifold.models.settings import ComputeSettings
from trifold.serve.model_server import ModelServer
from trifold.types import Text

EXACT = ComputeSettings(device="cpu", precision="float32", offline=True)
_Found = TypeVar("_Found")


def small_run(folder: Path, good: str = "superb", bad: str = "dull") -> Path:
    """A run of TF-IDF that tells two words apart."""
    texts = [f"the {word} film number {number}" for number, word in enumerate([good, bad] * 20)]
    TextClassifier("tfidf").fit(texts, ["good", "bad"] * 20).save(folder)
    return folder


@asynccontextmanager
async def serving(folders: dict[str, Path], **options: Any) -> AsyncIterator[ModelServer]:
    """A server of some runs, inside the block."""
    server = ModelServer(folders, EXACT, **options)
    await server.start()
    try:
        yield server
    finally:
        await server.drain(10)


def served(folders: dict[str, Path], asking: Callable[[ModelServer], Awaitable[_Found]], **options: Any) -> _Found:
    """What a function that asks a server comes to."""

    async def ask() -> _Found:
        async with serving(folders, **options) as server:
            return await asking(server)

    return asyncio.run(ask())


class Gate(Predictor):
    """A predictor that computes only while its gate is open, and knows in which order texts went through."""

    def __init__(self, predictor: Predictor) -> None:
        self.labels = predictor.labels
        self.seen: list[Text] = []
        self.passes: list[int] = []
        self.open, self.reached = Event(), Event()
        self._predictor = predictor

    def score(self, texts: Sequence[Text]) -> Scores:
        self.reached.set()
        assert self.open.wait(30)
        self.seen += texts
        self.passes.append(len(texts))
        return self._predictor.score(texts)

    def save(self, folder: Path) -> None:
        self._predictor.save(folder)

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "Gate":
        raise NotImplementedError

    def divide_logits(self, temperature: float) -> None:
        self._predictor.divide_logits(temperature)

    def size_bytes(self) -> int:
        return self._predictor.size_bytes()


def gated(server: ModelServer, run: str) -> Gate:
    """Put a gate before the predictor of a run that reads texts as they are; it is closed."""
    work = server._versions[run].work
    gate = Gate(work._predictor)  # type: ignore[attr-defined]
    work._predictor = gate  # type: ignore[attr-defined]
    return gate


async def until(reached: Event) -> None:
    """Wait for another thread."""
    assert await asyncio.to_thread(reached.wait, 30)
