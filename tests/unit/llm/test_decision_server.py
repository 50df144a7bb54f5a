"""Decision servers of both forms: what they are sent, what is read, and every fault as a failed call and a sentence."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripted_server import Reply, Script, Scripted, scripted
from trifold.errors import LlmError
from trifold.llm import retry
from trifold.llm.call_log import read_log
from trifold.llm.decision_labeller import DecisionLabeller
from trifold.llm.few_shot import FixedShots
from trifold.llm.label_words import word_labels
from trifold.llm.labeller import LabellingTask
from trifold.llm.open_model import labeller_of, open_llm, open_text_generator
from trifold.llm.prompt_file import parse_prompt
from trifold.llm.prompt_template import Example
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.settings import ComputeSettings
from trifold.tasks.labels import LabelMap

SECRET = "sk-a-very-secret-key-0123456789"
KINDS = ("systemone", "decisions")
LABELS = LabelMap(("bad", "good"))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def decided(body: dict[str, Any], shares: dict[str, float]) -> Reply:
    """An answer in the form of the question."""
    best = max(shares, key=lambda one: shares[one])
    if "state" in body:
        found = {"type": "choice", "choice": best, "confidence": 0.5, "probabilities": shares}
        answers: object = dict.fromkeys(body["questions"], found)
    else:
        listed = [{"value": value, "probability": share} for value, share in shares.items()]
        (question,) = body["questions"]
        answers = [{"type": "choice", "name": question["name"], "choice": best, "probabilities": listed}]
    return Reply(
        raw=json.dumps({"model": "m", "answers": answers, "usage": {"input_tokens": 9, "output_tokens": 0}}).encode()
    )


def text_of(body: dict[str, Any]) -> str:
    return str(body.get("state", body.get("input")))


def praise(_number: int, body: dict[str, Any]) -> Reply:
    share = 0.9 if "superb" in text_of(body) else 0.2
    return decided(body, {"bad": 1 - share, "good": share})


def labeller(
    server: Scripted, kind: str, log: Path, task: LabellingTask | None = None, **more: Any
) -> DecisionLabeller:
    llm = LlmSettings(llm=server.decides(kind), log=log, **{"retries": 0, **more})
    prompt, words = word_labels(None, LABELS, {})
    found = labeller_of(
        open_llm(llm, ComputeSettings()),
        task or LabellingTask(prompt, words, "{text} {mask}"),
        llm,
        PromptingSettings(),
    )
    assert isinstance(found, DecisionLabeller)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_texts_get_the_probabilities_that_the_server_gives(kind: str, tmp_path: Path) -> None:
    with scripted(praise) as server:
        one = labeller(server, kind, tmp_path / "log")
        texts = ["a superb film", "a dull film", "a superb film"]
        found = one.judge(texts)
        np.testing.assert_allclose(LABELS.probabilities(found.logits)[:, 1], [0.9, 0.2, 0.9], atol=0.002)
        assert (found.problems, one.spent.calls, one.spent.prompt_tokens) == ({}, 2, 18)
        assert server.paths == [f"/v1/{kind}"] * 2
        assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
        # The same again comes from the log.
        again = labeller(server, kind, tmp_path / "log").judge(texts)
        assert len(server.requests) == 2
    np.testing.assert_array_equal(again.logits, found.logits)


def test_what_labels_are_called_is_sent_as_descriptions(tmp_path: Path) -> None:
    prompt, words = word_labels(None, LabelMap((0, 1)), {"0": "blame", "1": "praise"})
    task = LabellingTask(prompt, words, "{text} {mask}")
    with scripted(lambda _, body: decided(body, {"0": 0.3, "1": 0.7})) as server:
        for kind in KINDS:
            labeller(server, kind, tmp_path / "log", task).judge(["a film"])
        first, second = server.requests
    assert first == {
        "model": "scripted",
        "state": "a film",
        "questions": {
            "label": {
                "type": "choice",
                "instructions": "Which label fits the text?",
                "criteria": {"0": "blame", "1": "praise"},
            }
        },
    }
    assert second == {
        "model": "scripted",
        "input": "a film",
        "questions": [
            {
                "type": "choice",
                "name": "label",
                "instructions": "Which label fits the text?",
                "choices": [{"value": "0", "description": "blame"}, {"value": "1", "description": "praise"}],
            }
        ],
    }


def test_a_prompt_file_is_the_question(tmp_path: Path) -> None:
    given = parse_prompt(
        'role = "You read reviews."\ntask = "Review: {text}"\ninstructions = ["Praise outweighs."]\n'
        'output = { labels = ["bad", "good"] }\nvariables = { text = "" }'
    )
    prompt, words = word_labels(given, LABELS, {})
    with scripted(praise) as server:
        labeller(server, "systemone", tmp_path / "log", LabellingTask(prompt, words, "")).judge(["superb"])
        (sent,) = server.requests
    assert sent["state"] == "Review: superb"
    assert sent["questions"]["label"]["instructions"] == "You read reviews.\n\n- Praise outweighs."


def raw(**fields: Any) -> Reply:
    return Reply(raw=json.dumps(fields).encode())


FAULTS: dict[str, tuple[Script, str]] = {
    "too many requests": (lambda *_: Reply("slow down", 429, {"Retry-After": "0"}), "answered 429: slow down"),
    "a server's error": (lambda *_: Reply("oops", 500), "answered 500: oops"),
    "too slow": (lambda *_: Reply(wait_seconds=0.8), r"no answer within 0\.5 s"),
    "no JSON": (lambda *_: Reply(raw=b"{ this is"), "makes no sense"),
    "JSON of something else": (lambda *_: raw(hello=[1]), "makes no sense"),
    "answers that are a number": (lambda *_: raw(answers=3), "makes no sense"),
    "no answer to the question": (lambda _, body: raw(answers={} if "state" in body else []), "no answer to the question|makes no sense"),
    "other choices": (lambda _, body: decided(body, {"bad": 0.5, "ugly": 0.5}), "not of the choices"),
    "one choice too few": (lambda _, body: decided(body, {"good": 1.0}), "not of the choices"),
    "more than all": (lambda _, body: decided(body, {"bad": 0.9, "good": 0.9}), "do not add up to 1"),
    "less than nothing": (lambda _, body: decided(body, {"bad": -0.5, "good": 1.5}), "below 0 or above 1"),
    "a probability in words": (lambda _, body: decided(body, {"bad": "half", "good": "half"}), "is no number"),  # type: ignore[dict-item]
    "no such model": (lambda *_: Reply("this model does not decide", 400), "answered 400: this model does not decide"),
    "the key in an error": (lambda *_: Reply(f"your key {SECRET}", 400), r"your key \[key removed\]"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_a_failed_call_and_a_sentence(fault: str, kind: str, tmp_path: Path) -> None:
    script, sentence = FAULTS[fault]
    # Only where the wait is the fault: on a busy machine any other answer may take as long.
    limits = {"timeout_seconds": 0.5} if fault == "too slow" else {}
    with scripted(script) as server:
        one = labeller(server, kind, tmp_path / "log", **limits)
        found = one.judge(["a film"])
    assert list(found.problems) == [0]
    assert re.search(sentence, found.problems[0])
    np.testing.assert_allclose(LABELS.probabilities(found.logits), 0.5)
    (call,) = read_log(tmp_path / "log", 10)
    assert call.answer is None
    assert call.error
    assert SECRET not in str(call) + found.problems[0]


@pytest.mark.parametrize("kind", KINDS)
def test_probabilities_that_are_all_zero_are_none(kind: str, tmp_path: Path) -> None:
    """With so many labels, rounding could make the sum of honest ones as small."""
    names = tuple(f"label {number}" for number in range(255))
    with scripted(lambda _, body: decided(body, dict.fromkeys(names, 0.0))) as server:
        found = labeller(server, kind, tmp_path / "log", task(255)).judge(["a film"])
    assert "do not add up to 1" in found.problems[0]
    (call,) = read_log(tmp_path / "log", 10)
    assert call.answer is None


def test_a_fault_that_passes_is_tried_again(tmp_path: Path) -> None:
    with scripted(lambda number, body: Reply("oops", 500) if number == 1 else praise(number, body)) as server:
        found = labeller(server, "decisions", tmp_path / "log", retries=1).judge(["superb"])
    assert not found.problems


def test_a_refusal_to_decide_is_no_label(tmp_path: Path) -> None:
    with scripted(lambda *_: raw(answers=[{"type": "refusal", "name": "label"}])) as server:
        found = labeller(server, "decisions", tmp_path / "log", retries=3).judge(["a film"])
        assert len(server.requests) == 1
    assert found.problems == {0: "the server's model refuses to decide on this text"}


@pytest.mark.parametrize("status", [401, 404])
def test_what_every_call_would_meet_stops_at_once(status: int, tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("no", status)) as server, pytest.raises(LlmError, match=f"answered {status}: no"):
        labeller(server, "systemone", tmp_path / "log").judge([str(number) for number in range(200)])
    assert len(read_log(tmp_path / "log", 300)) < 20


def task(labels: int = 2, shots: tuple[Example, ...] = (), examples: str = "") -> LabellingTask:
    names = tuple(f"label {number}" for number in range(labels))
    prompt, words = word_labels(None, LabelMap(names), {})
    if examples:
        prompt = parse_prompt(
            f'task = "{{text}}"\nvariables = {{ text = "" }}\noutput = {{ labels = ["label 0", "label 1"] }}\n{examples}'
        )
    return LabellingTask(prompt, words, "", FixedShots(shots))


@pytest.mark.parametrize(
    ("given", "votes", "sentence"),
    [
        (task(256), 1, "takes at most 255 labels, and there are 256: name a server that writes"),
        (task(shots=(Example({"text": "a"}, "label 0"),)), 1, "cannot use --shots 1: leave it out"),
        (task(examples='[[examples]]\ntext = "a"\noutput = "label 0"'), 1, r"cannot use the prompt file's \[\[examples\]\]"),
        (task(), 5, "cannot use --votes 5: leave it out"),
    ],
)  # fmt: skip
def test_what_a_decision_server_cannot_use_is_refused_by_name(
    given: LabellingTask, votes: int, sentence: str, tmp_path: Path
) -> None:
    with scripted(praise) as server:
        llm = LlmSettings(llm=server.decides("systemone"), log=tmp_path / "log")
        with pytest.raises(LlmError, match=sentence):
            labeller_of(open_llm(llm, ComputeSettings()), given, llm, PromptingSettings(votes=votes))
        assert not server.requests
    assert labeller_of(open_llm(llm, ComputeSettings()), task(255), llm, PromptingSettings())


@pytest.mark.parametrize(
    ("flag", "setting"),
    [("--max-tokens", {"max_tokens": 9}), ("--temperature", {"temperature": 0.5}), ("--stop", {"stop": ("x",)})],
)
def test_settings_of_writing_are_refused(flag: str, setting: dict[str, Any]) -> None:
    with pytest.raises(LlmError, match=f"{flag} is about writing"):
        open_llm(LlmSettings(llm="decisions:http://127.0.0.1:9/v1#m", **setting), ComputeSettings())


def test_it_writes_nothing_and_offline_asks_nothing() -> None:
    named = LlmSettings(llm="systemone:http://127.0.0.1:9/v1#m")
    with pytest.raises(LlmError, match="decides and writes no answers"):
        open_text_generator(named, ComputeSettings())
    with pytest.raises(LlmError, match="--llm systemone: asks a server, and --offline"):
        open_llm(named, ComputeSettings(offline=True))
    with pytest.raises(LlmError, match="write decisions:BASE_URL#MODEL"):
        open_llm(LlmSettings(llm="decisions:localhost"), ComputeSettings())
