"""A server over real runs: what it answers is what `predict` answers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from threading import Event

import numpy as np
import pytest

from conftest import BAD, GOOD, THINGS, several_labels
from serving import EXACT, served, serving, small_run
from trifold import TextClassifier, TextEmbedder
from trifold.errors import ArtifactError
from trifold.explanations.explain import explain_texts
from trifold.explanations.settings import ExplanationSettings
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.models.settings import EncodingSettings
from trifold.pipeline.export import export
from trifold.serve.errors import (
    BrokenModelError,
    TextTooLongError,
    TooManyTextsError,
    UnknownRunError,
    UnusableRequestError,
)
from trifold.serve.model_server import ModelServer
from trifold.serve.observer import Observer
from trifold.serve.replies import Reply
from trifold.serve.settings import QueueSettings
from trifold.types import Text, TextPair

TEXTS = [
    "The film is wonderful, the plot brilliant",
    "dull",
    *(
        f"The {thing} is {word} in number {number}"
        for number, (thing, word) in enumerate(zip(THINGS, GOOD + BAD, strict=False))
    ),
    "The cast is awful. " * 60,
]
_EXACT = {"device": "cpu", "precision": "float32", "offline": True}
METHODS = ("tfidf", "zero-shot", "features", "adapter-lora", "adapter-bottleneck", "contrastive", "full")


def _trained(folder: Path, method: str, model: Path, **settings: object) -> Path:
    texts = [f"The {thing} is {word} {n}" for n in range(3) for word in (*GOOD, *BAD) for thing in THINGS[:4]]
    labels = [label for _ in range(3) for label in ["good"] * 24 + ["bad"] * 24]
    steps = {} if method in ("tfidf", "zero-shot") else {"epochs": 1, "learning_rate": 2e-4}
    asked = {} if method == "tfidf" else {"max_length": 48, **_EXACT}
    model_name = "minilm" if method == "tfidf" else str(model)
    TextClassifier(method, model_name, **steps, **asked, **settings).fit(texts, labels).save(folder)
    return folder


@pytest.fixture(scope="module", params=METHODS)
def run_folder(request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return _trained(tmp_path_factory.mktemp("runs") / request.param, request.param, tiny_model)


def _require_equal(folder: Path, reply: Reply, texts: Sequence[Text]) -> None:
    expected = predict_texts(load_run(folder, EXACT).predictor, texts)
    assert len(reply.answers) == len(texts)
    for answer, one in zip(reply.answers, expected, strict=True):
        np.testing.assert_allclose(answer.probabilities, list(one.probabilities.values()), atol=2e-4)
        given = one.label if isinstance(one.label, tuple) else (one.label,)
        assert answer.labels == tuple(map(str, given))
        assert answer.truncated == one.truncated
        assert answer.confidence == pytest.approx(one.probability, abs=2e-4)


def test_it_answers_as_predict_does(run_folder: Path) -> None:
    reply = served({"run": run_folder}, lambda server: server.predict("run", TEXTS))
    _require_equal(run_folder, reply, TEXTS)
    if run_folder.name != "tfidf":
        assert [answer.tokens for answer in reply.answers][1:2] == [3]
        assert reply.answers[-1].truncated
        assert reply.answers[-1].tokens == 48
    assert reply.timing.total >= reply.timing.inference > 0


def test_many_clients_get_the_answers_to_their_own_texts(run_folder: Path) -> None:
    async def ask(server: ModelServer) -> list[Reply]:
        return await asyncio.gather(*(server.predict("run", [text]) for text in TEXTS * 3))

    replies = served({"run": run_folder}, ask)
    answers = tuple(answer for reply in replies for answer in reply.answers)
    _require_equal(run_folder, Reply(answers, replies[0].timing, ""), TEXTS * 3)


def test_pairs_are_read_together_or_apart_as_their_method_does(tiny_model: Path, tmp_path: Path) -> None:
    pairs = [TextPair(f"The {one} is superb", f"The {other} is dull") for one in THINGS[:6] for other in THINGS[:6]]
    labels = ["same" if pair.first[4:8] == pair.second[4:8] else "other" for pair in pairs]
    folders = {}
    for method, more in (("tfidf", {}), ("features", _EXACT), ("full", {"epochs": 1, **_EXACT})):
        given = [(pair.first, pair.second) for pair in pairs]
        model = "minilm" if method == "tfidf" else str(tiny_model)
        TextClassifier(method, model, **more).fit(given, labels).save(tmp_path / method)
        folders[method] = tmp_path / method

    async def ask(server: ModelServer) -> dict[str, Reply]:
        with pytest.raises(Exception, match="this run reads pairs of texts"):
            await server.predict("full", ["one text"])
        with pytest.raises(UnusableRequestError, match="pairs"):
            await server.explain("full", "one text")
        return {name: await server.predict(name, pairs) for name in folders}

    for name, reply in served(folders, ask).items():
        _require_equal(folders[name], reply, pairs)


def test_a_text_may_have_several_labels(tiny_model: Path, tmp_path: Path) -> None:
    rows = several_labels(120)
    TextClassifier("features", str(tiny_model), **_EXACT).fit([t for t, _ in rows], [n for _, n in rows]).save(
        tmp_path / "run"
    )
    texts = [text for text, _ in rows[:20]]
    reply = served({"run": tmp_path / "run"}, lambda server: server.predict("run", texts))
    _require_equal(tmp_path / "run", reply, texts)
    assert {len(answer.labels) for answer in reply.answers} > {1}


def test_an_exported_run_and_one_that_reads_windows_answer_alike(tiny_model: Path, tmp_path: Path) -> None:
    folder = _trained(tmp_path / "full", "full", tiny_model, long_text="window", max_windows=3)
    rows = [f"{text},{label}" for text in ("The film is superb", "The plot is dull") for label in ("good", "bad")]
    (tmp_path / "rows.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    export(folder, tmp_path / "exported", data=tmp_path / "rows.csv")
    folders = {"torch": folder, "onnx": tmp_path / "exported"}
    for name, one in folders.items():
        _require_equal(one, served({name: one}, lambda server, n=name: server.predict(n, TEXTS)), TEXTS)  # type: ignore[misc]


def test_what_it_is_not_sure_of_is_declined(tmp_path: Path) -> None:
    async def ask(server: ModelServer) -> Reply:
        with pytest.raises(UnusableRequestError, match="reject_below"):
            await server.predict("run", ["superb"], reject_below=1.5)
        return await server.predict("run", ["superb film", "neither word"], reject_below=0.9)

    sure, unsure = served({"run": small_run(tmp_path / "run")}, ask).answers
    assert (sure.declined, sure.labels) == (False, ("good",))
    assert (unsure.declined, unsure.labels) == (True, ())
    assert sum(unsure.probabilities) == pytest.approx(1)


def test_a_text_that_is_too_long_is_refused_where_it_is_not_to_be_cut(tiny_model: Path, tmp_path: Path) -> None:
    folder = _trained(tmp_path / "run", "features", tiny_model)

    async def ask(server: ModelServer) -> Reply:
        with pytest.raises(TextTooLongError, match="text 2 is longer than this run reads"):
            await server.predict("run", ["short", TEXTS[-1]], truncate=False)
        return await server.predict("run", ["short"], truncate=False)

    assert len(served({"run": folder}, ask).answers) == 1


def test_vectors_are_those_of_embed(tiny_model: Path, tmp_path: Path) -> None:
    folder = _trained(tmp_path / "features", "features", tiny_model)
    tuned = _trained(tmp_path / "full", "full", tiny_model)

    async def ask(server: ModelServer) -> None:
        for name, one in (("features", folder), ("full", tuned)):
            reply = await server.embed(name, TEXTS)
            embedder = TextEmbedder(str(one), settings=EncodingSettings(**vars(EXACT)))
            np.testing.assert_allclose(reply.vectors, embedder.encode(TEXTS), atol=1e-5)
            assert reply.truncated == tuple(embedder.encode_counting(TEXTS).truncated)
        cut = await server.embed("features", TEXTS[:2], dimensions=8)
        assert cut.vectors.shape == (2, 8)
        np.testing.assert_allclose(np.linalg.norm(cut.vectors, axis=1), 1, atol=1e-6)
        assert (await server.embed("features", [])).vectors.shape == (0, 32)
        with pytest.raises(UnusableRequestError, match="give from 1 to"):
            await server.embed("features", ["a"], dimensions=33)
        with pytest.raises(UnusableRequestError, match="has no prompt 'nothing'"):
            await server.embed("features", ["a"], prompt_name="nothing")
        with pytest.raises(UnusableRequestError, match="holds no encoder"):
            await server.embed("tfidf", ["a"])

    served({"features": folder, "full": tuned, "tfidf": small_run(tmp_path / "tfidf")}, ask)


def test_vectors_that_were_asked_for_before_do_not_wait_for_a_run_that_is_opened(
    tiny_model: Path, tmp_path: Path
) -> None:
    folder, opened = _trained(tmp_path / "features", "features", tiny_model), Event()

    async def ask(server: ModelServer) -> None:
        await server.embed("features", ["a"])
        opening = asyncio.create_task(server._versions.off_loop(lambda: opened.wait(60)))
        try:
            await asyncio.sleep(0)
            reply = await asyncio.wait_for(server.embed("features", ["a"]), 30)
            assert reply.vectors.shape == (1, 32)
            assert not opening.done()
        finally:
            opened.set()
            await opening

    served({"features": folder}, ask)


def test_a_fault_of_an_observer_costs_one_answer_and_no_later_ones(tmp_path: Path) -> None:
    class Faulty(Observer):
        fails = False

        def batch(self, *_: object) -> None:
            if self.fails:
                self.fails = False
                raise ValueError("a fault")

    observer = Faulty()

    async def ask(server: ModelServer) -> None:
        observer.fails = True
        with pytest.raises(BrokenModelError, match="a fault"):
            await server.predict("tfidf", ["a superb film"])
        assert (await server.predict("tfidf", ["a superb film"])).answers[0].labels == ("good",)

    served({"tfidf": small_run(tmp_path / "tfidf")}, ask, observer=observer)


def test_an_explanation_is_the_one_that_explain_gives(tiny_model: Path, tmp_path: Path) -> None:
    folders = {"tfidf": small_run(tmp_path / "tfidf"), "full": _trained(tmp_path / "full", "full", tiny_model)}
    text, settings = "The film is superb, number 3", ExplanationSettings(label="bad", words=2, evaluations=40)

    async def ask(server: ModelServer) -> None:
        for name, folder in folders.items():
            found = (await server.explain(name, text, settings)).explanation
            (expected,) = explain_texts(load_run(folder, EXACT).predictor, [text], settings)
            assert found.deciding == pytest.approx(expected.deciding) or found.label == expected.label == "bad"
            np.testing.assert_allclose(
                [word.weight for word in found.words], [word.weight for word in expected.words], atol=2e-3
            )
        with pytest.raises(UnusableRequestError, match="there is no label 'none'"):
            await server.explain("tfidf", text, ExplanationSettings(label="none"))

    served(folders, ask)


def test_what_is_known_of_a_run_is_told(tiny_model: Path, tmp_path: Path) -> None:
    folders = {"one": _trained(tmp_path / "one", "features", tiny_model), "two": small_run(tmp_path / "two")}

    async def ask(server: ModelServer) -> None:
        one, two = server.runs.values()
        assert list(server.runs) == ["one", "two"]
        assert (one.labels, one.max_length, one.backbone) == (("bad", "good"), 48, str(tiny_model))
        assert (two.max_length, two.backbone, two.reads_pairs, two.multi_label) == (None, None, False, False)
        assert one.version != two.version
        assert one.folder == folders["one"]
        with pytest.raises(UnknownRunError, match="there is no run 'three' here: name one of one, two"):
            await server.predict("three", ["a"])
        assert (await server.predict("one", [])).answers == ()
        with pytest.raises(TooManyTextsError):
            await server.predict("one", ["a"] * 5)

    served(folders, ask, settings=QueueSettings(texts_per_request=4))


def test_a_folder_that_is_no_run_ends_the_start(tmp_path: Path) -> None:
    async def start() -> None:
        with pytest.raises(ArtifactError, match="there is no run folder"):
            async with serving({"one": small_run(tmp_path / "one"), "two": tmp_path / "none"}):
                pass

    asyncio.run(start())
