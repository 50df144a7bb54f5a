"""Runs on one backbone, runs swapped under load, and a shadow."""

import asyncio
import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from conftest import BAD, GOOD, THINGS
from serving import EXACT, gated, served, small_run, until
from trifold import TextClassifier
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.models.layers import encoder_layers
from trifold.serve.backbone_groups import PooledPass
from trifold.serve.errors import UnknownRunError
from trifold.serve.model_server import ModelServer
from trifold.serve.observer import Observer
from trifold.serve.replies import Reply
from trifold.types import Text

TEXTS = [f"The {thing} is {word}" for thing, word in zip(THINGS, (*GOOD, *BAD), strict=False)]
_EXACT = {"device": "cpu", "precision": "float32", "offline": True}


def _head(folder: Path, model: Path, words: tuple[str, ...], method: str = "features", **settings: object) -> Path:
    """A head that tells some words from others."""
    texts = [f"The {thing} is {word} {n}" for n in range(2) for word in (*GOOD, *BAD) for thing in THINGS[:4]]
    labels = [str(any(word in text for word in words)) for text in texts]
    TextClassifier(method, str(model), **_EXACT, **settings).fit(texts, labels).save(folder)  # type: ignore[arg-type]
    return folder


class _Counts(Observer):
    def __init__(self) -> None:
        self.passes: list[tuple[tuple[str, ...], int]] = []
        self.sizes: list[int] = []
        self.shadowed_texts = self.disagreements = self.dropped = 0
        self.reloads: list[tuple[str, str, str]] = []

    def batch(self, runs: tuple[str, ...], texts: int, tokens: int, _computed: int, _seconds: float) -> None:
        self.passes.append((runs, texts))
        self.sizes.append(tokens)

    def shadowed(self, _run: str, _shadow: str, texts: int, disagreements: int) -> None:
        self.shadowed_texts += texts
        self.disagreements += disagreements

    def shadow_dropped(self, _shadow: str, texts: int) -> None:
        self.dropped += texts

    def reloaded(self, run: str, version: str, error: str) -> None:
        self.reloads.append((run, version, error))


def test_five_heads_take_one_pass_of_one_encoder(tiny_model: Path, tmp_path: Path) -> None:
    folders = {f"head{n}": _head(tmp_path / str(n), tiny_model, GOOD[n : n + 3]) for n in range(4)}
    folders["zero-shot"] = _head(tmp_path / "zero", tiny_model, GOOD, "zero-shot")
    counts = _Counts()

    async def ask(server: ModelServer) -> dict[str, Reply]:
        works = {server._versions[name].work for name in folders}
        assert len(works) == 1
        assert isinstance(work := works.pop(), PooledPass)
        assert {id(server._versions[name].predictor._encoder) for name in folders} == {id(work._pooled.encoder)}  # type: ignore[attr-defined]
        assert server.runs["head0"].shares_with == ("head1", "head2", "head3", "zero-shot")
        counts.passes.clear()
        replies = await server.predict_each(list(folders), TEXTS)
        assert {names for names, _ in counts.passes} == {tuple(folders)}
        assert sum(texts for _, texts in counts.passes) == len(TEXTS)
        return replies

    for name, reply in served(folders, ask, observer=counts).items():
        expected = predict_texts(load_run(folders[name], EXACT).predictor, TEXTS)
        for answer, one in zip(reply.answers, expected, strict=True):
            np.testing.assert_allclose(answer.probabilities, list(one.probabilities.values()), atol=2e-4)


def test_equal_texts_of_several_requests_go_through_once(tiny_model: Path, tmp_path: Path) -> None:
    folders = {f"head{n}": _head(tmp_path / str(n), tiny_model, GOOD[n : n + 3]) for n in range(2)}
    plug, counts = small_run(tmp_path / "plug"), _Counts()

    async def ask(server: ModelServer) -> None:
        gate = gated(server, "plug")
        first = asyncio.create_task(server.predict("plug", ["superb"]))
        await until(gate.reached)
        asked = [asyncio.create_task(server.predict(name, [TEXTS[0]])) for name in folders]
        while server.load.texts < 2:
            await asyncio.sleep(0.001)
        counts.passes.clear()
        gate.open.set()
        await asyncio.gather(first, *asked)
        assert counts.passes[1:] == [(("head0", "head1"), 1)]

    served({"plug": plug, **folders}, ask, observer=counts)


def test_heads_that_read_other_lengths_share_the_encoder_and_no_pass(tiny_model: Path, tmp_path: Path) -> None:
    folders = {
        "short": _head(tmp_path / "short", tiny_model, GOOD, max_length=8),
        "long": _head(tmp_path / "long", tiny_model, GOOD, max_length=64),
    }

    async def ask(server: ModelServer) -> None:
        short, long = (server._versions[name] for name in folders)
        assert short.work is not long.work
        assert short.predictor._encoder is long.predictor._encoder  # type: ignore[attr-defined]
        assert server.runs["short"].shares_with == ()

    served(folders, ask)


@pytest.mark.parametrize("method", ["features", "full"])
def test_a_short_text_is_computed_between_the_layers_of_a_long_pass(
    method: str, tiny_model: Path, tmp_path: Path
) -> None:
    more = {"epochs": 1} if method == "full" else {}
    folder, counts = _head(tmp_path / "run", tiny_model, GOOD, method, **more), _Counts()

    async def ask(server: ModelServer) -> None:
        loop, work = asyncio.get_running_loop(), server._versions["run"].work
        # As if the short text were much faster, which of this tiny model it is not.
        for tokens, seconds in ((3, 0.001), (250, 0.250)) * 50:
            work.pace.add(tokens, seconds)
        asked: list[asyncio.Future[Reply]] = []

        def come(*_: object) -> None:
            hook.remove()
            asked.append(asyncio.run_coroutine_threadsafe(server.predict("run", ["dull"]), loop))  # type: ignore[arg-type]
            while server.load.texts < 1:
                time.sleep(0.001)

        first_layer = encoder_layers(work._model.layered())[0]  # type: ignore[attr-defined]
        hook = first_layer.register_forward_pre_hook(come)
        counts.sizes.clear()
        (long,) = (await server.predict("run", ["The film is superb. " * 60])).answers
        (short,) = (await asyncio.wrap_future(asked[0])).answers  # type: ignore[arg-type]
        assert (short.tokens, long.tokens) == (3, 250)
        # Told when it is done, the short one first.
        assert counts.sizes == [3, 250]
        for text, answer in (("dull", short), ("The film is superb. " * 60, long)):
            (expected,) = predict_texts(load_run(folder, EXACT).predictor, [text])
            np.testing.assert_allclose(answer.probabilities, list(expected.probabilities.values()), atol=1e-5)

    served({"run": folder}, ask, observer=counts)


def test_vectors_come_from_the_encoder_that_the_heads_read(tiny_model: Path, tmp_path: Path) -> None:
    folder = _head(tmp_path / "run", tiny_model, GOOD)

    async def ask(server: ModelServer) -> None:
        before = (await server.predict("run", TEXTS)).answers
        await server.embed("run", TEXTS)
        version = server._versions["run"]
        assert version.vectors.embedder._encoder is version.predictor._encoder  # type: ignore[attr-defined]
        after = (await server.predict("run", TEXTS)).answers
        for one, other in zip(before, after, strict=True):
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-5)

    served({"run": folder}, ask)


def test_a_run_that_is_deleted_goes_on_answering_until_it_is_reloaded(tiny_model: Path, tmp_path: Path) -> None:
    folders = {"head": _head(tmp_path / "head", tiny_model, GOOD), "full": tmp_path / "full"}
    _head(folders["full"], tiny_model, GOOD, "full", epochs=1)
    counts = _Counts()

    async def ask(server: ModelServer) -> None:
        before = {name: await server.predict(name, TEXTS) for name in folders}
        for folder in folders.values():
            shutil.rmtree(folder)
        errors = await server.reload()
        assert set(errors) == set(folders)
        assert all("there is no run folder" in error for error in errors.values())
        for name, reply in before.items():
            again = await server.predict(name, TEXTS)
            assert again.version == reply.version
            assert again.answers == reply.answers

    served(folders, ask, observer=counts)
    assert [name for name, _, error in counts.reloads if error] == list(folders)


def test_a_run_is_swapped_without_a_lost_request_or_half_an_answer(tmp_path: Path) -> None:
    folder, new = small_run(tmp_path / "run"), small_run(tmp_path / "new", good="dull", bad="superb")
    counts = _Counts()

    async def ask(server: ModelServer) -> None:
        texts: list[Text] = ["superb"] * 40
        replies: list[Reply] = []
        going = True

        async def client() -> None:
            while going:
                replies.append(await server.predict("run", texts))

        clients = [asyncio.create_task(client()) for _ in range(8)]
        old = server.runs["run"].version
        while len(replies) < 20:
            await asyncio.sleep(0.001)
        shutil.rmtree(folder)
        shutil.copytree(new, folder)
        assert await server.reload("run") == {}
        swapped = len(replies)
        while len(replies) < swapped + 20:
            await asyncio.sleep(0.001)
        going = False
        await asyncio.gather(*clients)
        now = server.runs["run"].version
        given = {reply.version: {answer.labels for answer in reply.answers} for reply in replies}
        assert given == {old: {("good",)}, now: {("bad",)}}
        for reply in replies:
            assert len({answer.labels for answer in reply.answers}) == 1
        with pytest.raises(UnknownRunError):
            await server.reload("none")

    served({"run": folder}, ask, observer=counts)
    assert [(name, error) for name, _, error in counts.reloads] == [("run", "")]


def test_a_request_ends_on_the_version_that_it_came_to(tmp_path: Path) -> None:
    folder, new = small_run(tmp_path / "run"), small_run(tmp_path / "new", good="dull", bad="superb")

    async def ask(server: ModelServer) -> None:
        gate, old = gated(server, "run"), server.runs["run"].version
        gate.open.set()
        shutil.rmtree(folder)
        shutil.copytree(new, folder)
        gate.open.clear()
        waiting = asyncio.create_task(server.predict("run", ["superb"] * 50))
        await until(gate.reached)
        reloading = asyncio.create_task(server.reload("run"))
        await asyncio.sleep(0.05)
        gate.open.set()
        assert await reloading == {}
        reply = await waiting
        assert (reply.version, {answer.labels for answer in reply.answers}) == (old, {("good",)})
        assert (await server.predict("run", ["superb"])).answers[0].labels == ("bad",)

    served({"run": folder}, ask)


def test_a_new_head_on_a_shared_backbone_takes_the_place_of_the_old_one(tiny_model: Path, tmp_path: Path) -> None:
    folders = {"one": _head(tmp_path / "one", tiny_model, GOOD), "two": _head(tmp_path / "two", tiny_model, BAD)}

    async def ask(server: ModelServer) -> None:
        before = await server.predict("one", TEXTS)
        beside = await server.predict("two", TEXTS)
        shutil.rmtree(folders["one"])
        shutil.copytree(folders["two"], folders["one"])
        assert await server.reload("one") == {}
        after = await server.predict("one", TEXTS)
        assert (
            [a.labels for a in after.answers]
            == [b.labels for b in beside.answers]
            != [b.labels for b in before.answers]
        )
        assert server.runs["one"].shares_with == ("two",)
        assert server.runs["one"].version == server.runs["two"].version

    served(folders, ask)


def test_a_shadow_answers_unseen_and_its_disagreements_are_counted(tmp_path: Path) -> None:
    folder, shadow = small_run(tmp_path / "run"), small_run(tmp_path / "shadow", good="superb", bad="tedious")
    counts = _Counts()

    async def ask(server: ModelServer) -> None:
        assert list(server.runs) == ["run"]
        reply = await server.predict("run", ["superb film", "dull film", "tedious film"])
        assert [answer.labels for answer in reply.answers][:2] == [("good",), ("bad",)]
        while not counts.shadowed_texts:
            await asyncio.sleep(0.001)

    served({"run": folder}, ask, observer=counts, shadow=shadow)
    expected = [
        predict_texts(load_run(one).predictor, ["superb film", "dull film", "tedious film"]) for one in (folder, shadow)
    ]
    assert counts.shadowed_texts == 3
    assert counts.disagreements == sum(a.label != b.label for a, b in zip(*expected, strict=True))
    assert counts.dropped == 0


def test_a_shadow_is_dropped_where_too_much_waits_for_it(tmp_path: Path) -> None:
    folder, shadow, counts = small_run(tmp_path / "run"), small_run(tmp_path / "shadow"), _Counts()

    async def ask(server: ModelServer) -> None:
        assert server._shadow is not None
        await server.predict("run", ["superb"] * 300)

    served({"run": folder}, ask, observer=counts, shadow=shadow)
    assert (counts.dropped, counts.shadowed_texts) == (300, 0)


def test_a_text_of_megabytes_is_cut_like_any_long_one(tiny_model: Path, tmp_path: Path) -> None:
    folder = _head(tmp_path / "run", tiny_model, GOOD)

    async def ask(server: ModelServer) -> None:
        (answer,) = (await server.predict("run", ["The film is superb. " * 250_000])).answers
        assert answer.truncated
        assert answer.tokens == 250

    served({"run": folder}, ask)
