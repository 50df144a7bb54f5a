"""Answers in JSON: what the prompt says, what servers are held to, and what they are asked for where they refuse."""

import json
from pathlib import Path
from typing import Any

import pytest

from scripted_server import Reply, scripted
from trifold.errors import PromptError
from trifold.llm import retry
from trifold.llm.call_log import CallLog
from trifold.llm.client import Client
from trifold.llm.open_model import sampling_of
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.prompt_file import format_prompt, parse_prompt
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit
from trifold.models.settings import ComputeSettings
from trifold.pipeline.prompt_files import Session

HEAD = 'task = "Who wrote {text}?"\nvariables = { text = "" }\n'
ANY = HEAD + 'output = { format = "json" }\n'
SCHEMA = (
    HEAD
    + '[output]\nformat = "json"\n[output.schema]\ntype = "object"\nrequired = ["author"]\n'
    + 'properties = { author = { type = "string", enum = ["{a}", "b"] }, year = { minimum = 0.5, type = "number" } }\n'
)
LABELS = (
    'task = "{text}"\nvariables = { text = "" }\noutput = { format = "json", labels = { 0 = "bad", 1 = "good" } }\n'
)
BOOK = {"text": "Emma"}


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.01)


def ask(llm: str, text: str, log: Path, times: int = 1) -> None:
    prompt = parse_prompt(text)
    model = OpenAIServer(llm.removeprefix("openai:"), LlmSettings(llm=llm))
    client = Client(model, CallLog(log), SpendingLimit(), retries=0)
    for number in range(times):
        client.ask(prompt.render({"text": f"Emma {number}"}), sampling_of(LlmSettings(), prompt))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ANY, "Answer with JSON and nothing else."),
        (SCHEMA, 'Answer with JSON that obeys this schema and nothing else: {"type": "object", "required": ["author"], '),
        (LABELS, '"properties": {"label": {"enum": ["bad", "good"]}}'),
        (LABELS.replace("labels =", "several = true, labels ="), '"labels": {"type": "array", "items": {"enum": ["bad", "good"]}}'),
        (HEAD + 'output = "JSON, please"', "JSON, please"),
    ],
)  # fmt: skip
def test_the_prompt_asks_for_it(text: str, said: str) -> None:
    assert said in parse_prompt(text).render(BOOK)[0].content


@pytest.mark.parametrize("text", [ANY, SCHEMA, LABELS])
def test_a_prompt_file_is_written_as_it_was_read(text: str) -> None:
    prompt = parse_prompt(text)
    assert parse_prompt(format_prompt(prompt)) == prompt


@pytest.mark.parametrize(
    ("output", "sentence"),
    [
        ('{ schema = { type = "object" } }', 'output.schema is for JSON: write format = "json" beside it'),
        ('{ format = "json", schema = "object" }', "schema must be a table"),
        ('{ format = "json", schema = { default = 2024-01-01 } }', "such as a date: write it in quotes"),
        ('{ format = "json", schema = { default = nan } }', "output.schema holds what JSON has not"),
    ],
)
def test_a_schema_that_is_none_is_refused(output: str, sentence: str) -> None:
    with pytest.raises(PromptError, match=sentence):
        parse_prompt(f"{HEAD}output = {output}")


@pytest.mark.parametrize(("text", "mode"), [(ANY, "json_object"), (SCHEMA, "json_schema"), (LABELS, "json_schema")])
def test_servers_are_held_to_it(text: str, mode: str, tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("{}")) as server:
        ask(server.llm, text, tmp_path / "log")
        asked = server.requests[0]["response_format"]
    assert asked["type"] == mode
    if mode == "json_schema":
        assert asked["json_schema"]["schema"] == parse_prompt(text).output.json_schema()


def test_a_text_without_a_form_is_asked_for_as_before(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("Austen")) as server:
        ask(server.llm, HEAD, tmp_path / "log")
    assert "response_format" not in server.requests[0]


def refusing(*modes: str) -> Any:
    def script(_: int, body: dict[str, Any]) -> Reply:
        if body.get("response_format", {}).get("type") in modes:
            return Reply("response_format is not supported", 400)
        return Reply("{}")

    return script


@pytest.mark.parametrize(
    ("modes", "left", "said"),
    [
        (("json_schema",), "json_object", "scripted cannot be held to a JSON schema: it is asked for any JSON\n"),
        (
            ("json_schema", "json_object"),
            None,
            "scripted cannot be held to a JSON schema: it is asked for any JSON\n"
            "scripted cannot be held to JSON: only the prompt asks for it\n",
        ),
    ],
)
def test_where_it_is_refused_less_is_asked_for_and_said_once(
    modes: tuple[str, ...], left: str | None, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(refusing(*modes)) as server:
        ask(server.llm, SCHEMA, tmp_path / "log", times=3)
        assert len(server.requests) == 3 + len(modes)
        assert server.requests[-1].get("response_format", {}).get("type") == left
    assert capsys.readouterr().err.partition("\n")[2] == said


@pytest.mark.parametrize(("answer", "wrong"), [('{"author": "Austen"}', False), ("It was Austen.", True)])
def test_an_answer_that_is_no_json_is_told(
    answer: str, wrong: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt = parse_prompt(ANY)
    with scripted(lambda *_: Reply(answer)) as server:
        session = Session(LlmSettings(llm=server.llm, log=tmp_path / "log"), ComputeSettings(), prompt)
        assert session.ask(prompt.render(BOOK)).text == answer
    assert ("note: the answer is no JSON, which the prompt asks for" in capsys.readouterr().err) is wrong


def test_labels_are_read_from_json(tmp_path: Path) -> None:
    from trifold.llm.label_words import word_labels
    from trifold.llm.labeller import LabellingTask
    from trifold.llm.open_model import labeller_of, open_llm
    from trifold.llm.settings import PromptingSettings
    from trifold.tasks.labels import LabelMap

    labels = LabelMap((0, 1))
    prompt, words = word_labels(parse_prompt(LABELS), labels, {})
    with scripted(lambda *_: Reply(json.dumps({"label": "good"}))) as server:
        llm = LlmSettings(llm=server.llm, log=tmp_path / "log")
        labeller = labeller_of(
            open_llm(llm, ComputeSettings()), LabellingTask(prompt, words, ""), llm, PromptingSettings()
        )
        found = labeller.judge(["a film"])
        assert server.requests[0]["response_format"]["type"] == "json_schema"
    assert found.logits.argmax() == 1
    assert not found.problems
