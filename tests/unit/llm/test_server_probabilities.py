"""Labels' probabilities from a server's log-probabilities, and what happens where it gives none."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripted_server import Reply, Script, Scripted, scripted
from trifold.llm import retry
from trifold.llm.generation_labeller import GenerationLabeller
from trifold.llm.label_words import word_labels
from trifold.llm.labeller import LabellingTask
from trifold.llm.open_model import labeller_of, open_llm
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.settings import ComputeSettings
from trifold.tasks.labels import LabelMap

LABELS = LabelMap(("bad", "good"))
SURE = ({"good": 0.6, " bad": 0.3, "Well": 0.1},)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.01)


def labeller(server: Scripted, log: Path, votes: int = 1) -> GenerationLabeller:
    llm = LlmSettings(llm=server.llm, log=log, retries=0)
    prompt, words = word_labels(None, LABELS, {})
    found = labeller_of(
        open_llm(llm, ComputeSettings()), LabellingTask(prompt, words, ""), llm, PromptingSettings(votes=votes)
    )
    assert isinstance(found, GenerationLabeller)
    return found


def goods(labelled: GenerationLabeller, texts: list[str]) -> np.ndarray:
    return LABELS.probabilities(labelled.judge(texts).logits)[:, 1]


def test_one_answer_gives_probabilities_and_the_log_keeps_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(lambda *_: Reply("good", places=SURE)) as server:
        labelled = labeller(server, tmp_path / "log")
        first = goods(labelled, ["a film", "another"])
        np.testing.assert_allclose(labelled.beside, 0.1, atol=1e-6)
        assert {request["top_logprobs"] for request in server.requests} == {20}
        second = goods(labeller(server, tmp_path / "log"), ["a film", "another"])
        assert len(server.requests) == 2
    np.testing.assert_allclose(first, 2 / 3, atol=1e-3)
    np.testing.assert_array_equal(first, second)
    assert "log-probabilities" not in capsys.readouterr().err


def without_logprobs(answer: str) -> Script:
    return lambda *_: Reply(answer)


def refusing(status: int, reason: str, most: int = 0) -> Script:
    def script(_: int, body: dict[str, Any]) -> Reply:
        if body.get("top_logprobs", 0) > most:
            return Reply(reason, status)
        return Reply("good", places=SURE if "top_logprobs" in body else ())

    return script


def test_a_server_without_them_is_told_of_once_and_asked_for_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        labelled = labeller(server, tmp_path / "log")
        found = goods(labelled, [str(number) for number in range(20)])
        assert not any("top_logprobs" in request for request in server.requests[6:])
    assert (found > 0.8).all()
    said = capsys.readouterr().err
    assert said.count("tells no log-probabilities: an answer is one vote, and --votes 5 asks for more") == 1


def test_an_empty_answer_does_not_switch_them_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A filtered answer has no places; the next answers have."""

    def script(_: int, body: dict[str, Any]) -> Reply:
        empty = "text 3" in str(body["messages"])
        return Reply("" if empty else "good", places=() if empty else SURE)

    with scripted(script) as server:
        labelled = labeller(server, tmp_path / "log")
        goods(labelled, [f"text {number}" for number in range(10)])
        assert all("top_logprobs" in request for request in server.requests)
    assert "tells no log-probabilities" not in capsys.readouterr().err


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_server_that_refuses_them_is_asked_again_without(
    status: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(refusing(status, "logprobs are not supported by this model")) as server:
        labelled = labeller(server, tmp_path / "log")
        found = goods(labelled, [str(number) for number in range(20)])
        assert labelled.spent.calls == 20
        assert len(server.requests) <= 20 + 2 * 4
    assert (found > 0.8).all()
    assert capsys.readouterr().err.count("tells no log-probabilities") == 1


def test_a_server_that_gives_fewer_is_asked_for_fewer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(refusing(400, "top_logprobs must be at most 5", most=5)) as server:
        found = goods(labeller(server, tmp_path / "log"), [str(number) for number in range(9)])
        assert server.requests[-1]["top_logprobs"] == 5
    np.testing.assert_allclose(found, 2 / 3, atol=1e-3)
    assert "log-probabilities" not in capsys.readouterr().err


def test_another_refusal_is_not_taken_for_that(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("the prompt is too long", 400)) as server:
        found = labeller(server, tmp_path / "log").judge(["a film"])
        assert len(server.requests) == 1
    assert "the prompt is too long" in found.problems[0]


def test_votes_are_votes(tmp_path: Path) -> None:
    with scripted(lambda number, _: Reply("good" if number % 4 else "bad")) as server:
        labelled = labeller(server, tmp_path / "log", votes=8)
        assert 0.6 < goods(labelled, ["a film"])[0] < 0.8
        assert not any("logprobs" in request for request in server.requests)


SHAPES = {
    "of the older completions": {"tokens": ["good"], "token_logprobs": [-0.5], "top_logprobs": [{"good": -0.5, "bad": -1.0}]},
    "without bytes": {"content": [{"token": "good", "logprob": -0.5, "top_logprobs": [{"token": "good", "logprob": -0.5}, {"token": "bad", "logprob": -1.0}]}]},
    "without the written token": {"content": [{"token": "good", "logprob": -0.5, "top_logprobs": [{"token": "bad", "logprob": -1.0}]}]},
}  # fmt: skip


def answer_with(logprobs: object) -> Reply:
    choice = {"message": {"content": "good"}, "logprobs": logprobs}
    return Reply(raw=json.dumps({"choices": [choice]}).encode())


@pytest.mark.parametrize("shape", SHAPES)
def test_other_shapes_are_read(shape: str, tmp_path: Path) -> None:
    with scripted(lambda *_: answer_with(SHAPES[shape])) as server:
        found = goods(labeller(server, tmp_path / "log"), ["a film"])
    np.testing.assert_allclose(found, np.exp(-0.5) / (np.exp(-0.5) + np.exp(-1)), atol=1e-3)


@pytest.mark.parametrize(("least", "asked"), [(-11.0, 0.99), (-0.1, 0.5)])
def test_an_answer_counts_whatever_rounding_makes_of_its_probabilities(
    least: float, asked: float, tmp_path: Path
) -> None:
    """The written token has all of it, and another spelling something; where that is a lot, the answer is a vote."""
    tops = [{"token": "good", "logprob": 0.0}, {"token": " Good", "logprob": least}]
    logprobs = {"content": [{**tops[0], "top_logprobs": tops}]}
    with scripted(lambda *_: answer_with(logprobs)) as server:
        one = labeller(server, tmp_path / "log")
        assert goods(one, ["a film"]) > asked
        assert len(server.requests) == 1
        assert goods(labeller(server, tmp_path / "log"), ["a film"]) > asked
        assert len(server.requests) == 1


BROKEN: dict[str, object] = {
    "a number": 3,
    "content that is a number": {"content": 3},
    "no token": {"content": [{"logprob": -1}]},
    "a log-probability in words": {"content": [{"token": "good", "logprob": "high"}]},
    "a token that is a number": {"content": [{"token": 7, "logprob": -1}]},
    "lists of different lengths": {"tokens": ["good", "."], "token_logprobs": [-0.5], "top_logprobs": None},
}


@pytest.mark.parametrize("shape", BROKEN)
def test_broken_ones_are_a_failed_call_or_none(shape: str, tmp_path: Path) -> None:
    with scripted(lambda *_: answer_with(BROKEN[shape])) as server:
        found = labeller(server, tmp_path / "log").judge(["a film"])
    assert "makes no sense" in found.problems.get(0, "makes no sense")
    assert np.isfinite(found.logits).all()


def test_what_all_prompts_share_comes_first(tmp_path: Path) -> None:
    """So that a server which caches by beginnings computes it once."""
    with scripted(lambda *_: Reply("good", places=SURE)) as server:
        labeller(server, tmp_path / "log").judge(["first text", "second text"])
        first, second = (request["messages"] for request in server.requests)
    assert [one["role"] for one in first] == ["system", "user"]
    assert first[:-1] == second[:-1]
    assert {first[-1]["content"], second[-1]["content"]} == {"Text: first text\nLabel:", "Text: second text\nLabel:"}
