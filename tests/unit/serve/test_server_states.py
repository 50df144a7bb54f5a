"""A server that is asked in odd ways and at odd moments: no time, no texts, too many, cancelled, reloaded, stopped."""

import asyncio
import shutil
from pathlib import Path

import pytest

from serving import served, small_run
from trifold import TextClassifier
from trifold.serve.errors import ServingError, StoppingError, TooManyTextsError, UnknownRunError, UnusableRequestError
from trifold.serve.model_server import ModelServer


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_run(tmp_path_factory.mktemp("states") / "run")


@pytest.mark.parametrize("seconds", [0, 0.0, -1.0, float("nan"), float("inf")])
def test_a_deadline_that_is_no_time_is_refused(run: Path, seconds: float) -> None:
    async def ask(server: ModelServer) -> None:
        for asked in (
            server.predict("run", ["superb"], deadline_seconds=seconds),
            server.embed("run", ["superb"], deadline_seconds=seconds),
            server.explain("run", "superb", deadline_seconds=seconds),
        ):
            with pytest.raises(UnusableRequestError, match="give more than 0"):
                await asked

    served({"run": run}, ask)


def test_no_texts_many_and_too_many(run: Path) -> None:
    async def ask(server: ModelServer) -> None:
        assert (await server.predict("run", [])).answers == ()
        assert len((await server.predict("run", ["superb"] * 1_024)).answers) == 1_024
        with pytest.raises(TooManyTextsError):
            await server.predict("run", ["superb"] * 1_025)
        with pytest.raises(UnknownRunError):
            await server.predict("other", ["superb"])
        assert await server.predict_each([], ["superb"]) == {}
        assert server.load.requests == server.load.tokens == 0

    served({"run": run}, ask)


def test_whoever_is_cancelled_at_any_moment_leaves_nothing_behind(run: Path) -> None:
    async def ask(server: ModelServer) -> None:
        for turns in range(60):
            asked = asyncio.create_task(server.predict("run", ["superb film " * 50] * 200))
            for _ in range(turns):
                await asyncio.sleep(0.0005)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        assert (await server.predict("run", ["superb"])).answers[0].labels == ("good",)
        assert server.load.requests == server.load.tokens == 0

    served({"run": run}, ask)


def test_an_answer_is_of_the_version_that_the_request_came_to(run: Path, tmp_path: Path) -> None:
    folder, other = tmp_path / "run", tmp_path / "other"
    shutil.copytree(run, folder)
    texts = [f"the {word} film number {number}" for number, word in enumerate(["superb", "dull", "long"] * 20)]
    TextClassifier("tfidf").fit(texts, ["fine", "poor", "slow"] * 20).save(other)

    async def ask(server: ModelServer) -> None:
        before = server.runs["run"]
        asked = server.predict_each(["run"], ["superb"])
        folder.rename(tmp_path / "former")
        other.rename(folder)
        assert await server.reload() == {}
        reply = (await asked)["run"]
        assert (reply.version, reply.answers[0].labels) == (before.version, ("good",))
        assert len(reply.answers[0].probabilities) == len(before.labels)
        newer = await server.predict("run", ["superb"])
        assert (newer.version, newer.answers[0].labels) == (server.runs["run"].version, ("fine",))

    served({"run": folder}, ask)


def test_folders_that_are_opened_again_while_the_server_stops(run: Path) -> None:
    async def ask(server: ModelServer) -> None:
        reloads = [asyncio.create_task(server.reload()) for _ in range(5)]
        asked = [asyncio.create_task(server.predict("run", ["superb"])) for _ in range(5)]
        await asyncio.sleep(0)
        assert await server.drain(10)
        for reply in await asyncio.gather(*asked):
            assert reply.answers[0].labels == ("good",)
        for found in await asyncio.gather(*reloads):
            assert set(found) <= {"run"}
        with pytest.raises(StoppingError):
            await server.predict("run", ["superb"])
        assert set(await server.reload()) == {"run"}
        assert await server.drain(0)

    served({"run": run}, ask)


def test_a_server_that_was_never_started_answers_nothing_and_ends(run: Path) -> None:
    async def ask() -> None:
        server = ModelServer({"run": run})
        with pytest.raises(ServingError):
            await server.predict("run", ["superb"])
        assert await server.drain(0)

    asyncio.run(ask())


def test_what_is_told_of_a_run_is_of_the_version_that_answers(run: Path, tmp_path: Path) -> None:
    folder = tmp_path / "run"
    shutil.copytree(run, folder)

    async def ask(server: ModelServer) -> None:
        before = server.runs["run"]
        shutil.rmtree(folder)
        small_run(folder, "wonderful", "tedious")
        assert server.runs["run"] is before
        assert (await server.predict("run", ["superb"])).version == before.version
        # Its encoder would be opened only now, and would be the other run's.
        with pytest.raises(UnusableRequestError, match="has changed since it was opened"):
            await server.embed("run", ["superb"])
        shutil.rmtree(folder)
        with pytest.raises(UnusableRequestError, match="has changed since it was opened"):
            await server.embed("run", ["superb"])

    served({"run": folder}, ask)
