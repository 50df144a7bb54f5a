"""What becomes of requests while others are computed: deadlines, cancelled ones, a full queue, the end."""

import asyncio
from pathlib import Path

import pytest

from serving import gated, served, small_run, until
from trifold.serve.errors import DeadlineError, QueueFullError, StoppingError, UnusableTextError
from trifold.serve.model_server import ModelServer
from trifold.serve.observer import Observer
from trifold.serve.replies import Reply
from trifold.serve.settings import QueueSettings
from trifold.types import TextPair

LONG = "the superb film " * 400


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("runs") / "run")


class _Notes(Observer):
    def __init__(self) -> None:
        self.refusals: list[tuple[str, str, str]] = []
        self.batches: list[tuple[tuple[str, ...], int]] = []
        self.answers: list[tuple[str, str, int]] = []
        self.labels: list[str] = []

    def refused(self, run: str, kind: str, reason: str) -> None:
        self.refusals.append((run, kind, reason))

    def batch(self, runs: tuple[str, ...], texts: int, tokens: int, computed_tokens: int, seconds: float) -> None:
        assert 0 < tokens <= computed_tokens
        assert seconds > 0
        self.batches.append((runs, texts))

    def answered(self, run: str, kind: str, texts: int, _timing: object) -> None:
        self.answers.append((run, kind, texts))

    def predicted(self, _run: str, reply: Reply) -> None:
        self.labels += [label for answer in reply.answers for label in answer.labels]


def test_a_short_text_is_computed_before_the_long_ones_that_came_first(run: Path) -> None:
    async def ask(server: ModelServer) -> None:
        gate = gated(server, "run")
        first = asyncio.create_task(server.predict("run", ["superb plug"]))
        await until(gate.reached)
        long = [asyncio.create_task(server.predict("run", [f"{number} {LONG}"] * 4)) for number in range(8)]
        while server.load.texts < 32:
            await asyncio.sleep(0.001)
        short = asyncio.create_task(server.predict("run", ["superb"]))
        while server.load.texts < 33:
            await asyncio.sleep(0.001)
        gate.open.set()
        assert (await short).answers[0].labels == ("good",)
        await asyncio.gather(first, *long)
        assert gate.seen.index("superb") == 1
        # Each of the long requests had a turn before any had its last.
        last = [max(at for at, text in enumerate(gate.seen) if text == f"{number} {LONG}") for number in range(8)]
        begun = [gate.seen.index(f"{number} {LONG}") for number in range(8)]
        assert max(begun) < min(last)

    served({"run": run}, ask, settings=QueueSettings(queue_seconds=100))


def test_a_request_is_given_up_at_its_deadline_and_leaves_the_queue(run: Path) -> None:
    notes = _Notes()

    async def ask(server: ModelServer) -> None:
        gate = gated(server, "run")
        plug = asyncio.create_task(server.predict("run", ["superb plug"]))
        await until(gate.reached)
        with pytest.raises(DeadlineError, match=r"there was no answer within 0.05 seconds"):
            await server.predict("run", ["too late"], deadline_seconds=0.05)
        assert server.load.texts == 0
        gate.open.set()
        await plug
        assert gate.seen == ["superb plug"]

    served({"run": run}, ask, observer=notes)
    assert notes.refusals == [("run", "predict", "DeadlineError")]


def test_a_cancelled_request_leaves_the_queue(run: Path) -> None:
    notes = _Notes()

    async def ask(server: ModelServer) -> None:
        gate = gated(server, "run")
        plug = asyncio.create_task(server.predict("run", ["superb plug"]))
        await until(gate.reached)
        gone = asyncio.create_task(server.predict("run", ["nobody waits for this"] * 100))
        while server.load.texts < 100:
            await asyncio.sleep(0.001)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert (server.load.texts, server.load.tokens) == (0, 0)
        gate.open.set()
        await plug
        assert gate.seen == ["superb plug"]

    served({"run": run}, ask, observer=notes)
    assert notes.refusals == [("run", "predict", "cancelled")]


def test_more_than_may_wait_is_refused_and_there_is_room_again_afterwards(run: Path) -> None:
    async def ask(server: ModelServer) -> None:
        gate = gated(server, "run")
        waiting = [asyncio.create_task(server.predict("run", [f"superb {number}"])) for number in range(3)]
        await until(gate.reached)
        while server.load.requests < 3:
            await asyncio.sleep(0.001)
        with pytest.raises(QueueFullError, match="the server is busy: 3 requests") as refused:
            await server.predict("run", ["one too many"])
        assert refused.value.retry_after_seconds > 0
        gate.open.set()
        assert [reply.answers[0].labels for reply in await asyncio.gather(*waiting)] == [("good",)] * 3
        assert (await server.predict("run", ["dull"])).answers[0].labels == ("bad",)

    served({"run": run}, ask, settings=QueueSettings(queue_requests=3))


def test_draining_answers_what_is_under_way_and_takes_nothing_new(run: Path) -> None:
    async def ask(server: ModelServer) -> None:
        gate = gated(server, "run")
        waiting = asyncio.create_task(server.predict("run", ["superb"] * 3))
        await until(gate.reached)
        stopping = asyncio.create_task(server.drain(20))
        await asyncio.sleep(0)
        with pytest.raises(StoppingError, match="the server is stopping"):
            await server.predict("run", ["too late"])
        gate.open.set()
        assert len((await waiting).answers) == 3
        assert await stopping

    served({"run": run}, ask)


def test_what_is_not_done_when_the_server_stops_is_told(run: Path) -> None:
    async def ask(server: ModelServer) -> None:
        gate = gated(server, "run")
        computed = asyncio.create_task(server.predict("run", ["superb"]))
        await until(gate.reached)
        waiting = asyncio.create_task(server.predict("run", ["dull"]))
        while server.load.texts < 1:
            await asyncio.sleep(0.001)
        stopping = asyncio.create_task(server.drain(0.05))
        for request in (waiting, computed):
            with pytest.raises(StoppingError):
                await request
        gate.open.set()
        assert not await stopping

    served({"run": run}, ask)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "text 2 is '' .the text is empty."),
        (" \u200b\n", "text 2 .*the text is empty"),
        ("half \ud83d a character", "text 2 holds half a character"),
        (TextPair("a", "b"), "text 2 is of the wrong kind: this run reads single texts"),
    ],
)
def test_a_text_that_cannot_be_read_is_named(run: Path, text: str, said: str) -> None:
    async def ask(server: ModelServer) -> None:
        with pytest.raises(UnusableTextError, match=said):
            await server.predict("run", ["superb", text, "dull"])
        with pytest.raises(UnusableTextError, match=r"text 41 .*the text is empty"):
            await server.predict("run", ["superb"] * 40 + ["", "dull"])
        assert server.load.requests == server.load.texts == 0
        assert (await server.predict("run", ["superb"])).answers[0].labels == ("good",)

    served({"run": run}, ask)


def test_what_happens_is_told(run: Path) -> None:
    notes = _Notes()

    async def ask(server: ModelServer) -> None:
        await server.predict("run", ["superb film", "dull film"])
        await server.explain("run", "superb film")

    served({"run": run}, ask, observer=notes)
    assert notes.answers == [("run", "predict", 2), ("run", "explain", 1)]
    assert notes.labels == ["good", "bad"]
    assert {names for names, _ in notes.batches} == {("run",)}


def test_a_failing_model_costs_one_request_its_answer_and_no_other(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async def ask(server: ModelServer) -> None:
        gate = gated(server, "run")
        plug = asyncio.create_task(server.predict("run", ["superb plug"]))
        await until(gate.reached)
        works = gate._predictor.score

        def score(texts: list[str]) -> object:
            if any("poison" in text for text in texts):
                raise RuntimeError("no such kernel")
            return works(texts)

        gate._predictor.score = score  # type: ignore[method-assign, assignment]
        asked = [asyncio.create_task(server.predict("run", [text])) for text in ("superb", "poison", "dull")]
        while server.load.texts < 3:
            await asyncio.sleep(0.001)
        gate.open.set()
        good, broken, bad = await asyncio.gather(*asked, return_exceptions=True)
        await plug
        assert isinstance(good, Reply)
        assert isinstance(bad, Reply)
        assert (good.answers[0].labels, bad.answers[0].labels) == (("good",), ("bad",))
        assert str(broken) == "the model failed on this request: RuntimeError: no such kernel"

    served({"run": run}, ask)
    assert "no such kernel" in capsys.readouterr().err
