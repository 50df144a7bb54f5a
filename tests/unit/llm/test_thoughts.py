"""Thoughts before an answer are no part of it, however servers send them."""

import json
from pathlib import Path

import pytest

from scripted_server import Reply, scripted
from trifold.errors import LlmError
from trifold.llm.call_log import CallLog
from trifold.llm.client import Client
from trifold.llm.contract import Sampling
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.prompt_template import Message
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit
from trifold.llm.thoughts import AnswerPieces, without_thoughts

HELLO = (Message("user", "hello"),)

TEXTS = {
    "good": "good",
    "<think>it may be bad</think>\n\ngood": "good",
    "\n<think>\nwell</think>good": "good",
    "it may be bad\n</think>\n\ngood": "good",
    "<think>on and on": None,
    "I think <think> is a tag, </think> too": "I think <think> is a tag, </think> too",
    "": "",
    "<th": "<th",
}


@pytest.mark.parametrize("text", TEXTS)
def test_the_answer_comes_after_the_thoughts(text: str) -> None:
    assert without_thoughts(text) == TEXTS[text]


@pytest.mark.parametrize("size", [1, 3, 100])
@pytest.mark.parametrize("text", [text for text in TEXTS if not text.startswith("it may")])
def test_pieces_are_shown_without_thoughts(text: str, size: int) -> None:
    shown: list[str] = []
    pieces = AnswerPieces(shown.append)
    for at in range(0, len(text), size):
        pieces(text[at : at + size])
    pieces.end()
    assert "".join(shown).lstrip() == (TEXTS[text] or "")


def client(llm: str, log: Path) -> Client:
    model = OpenAIServer(llm.removeprefix("openai:"), LlmSettings(llm=llm))
    return Client(model, CallLog(log), SpendingLimit(), retries=0)


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_a_server_that_sends_them_in_the_answer(streaming: bool, tmp_path: Path) -> None:
    shown: list[str] = []
    with scripted(lambda *_: Reply("<think>it may be bad</think>\n\ngood")) as server:
        answer = client(server.llm, tmp_path / "log").ask(HELLO, Sampling(), shown.append if streaming else None)
    assert answer.text == "good"
    assert not streaming or "".join(shown).strip() == "good"


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
def test_an_answer_of_thoughts_alone_says_what_to_do(streaming: bool, tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("<think>on and on")) as server, pytest.raises(LlmError, match="--max-tokens"):
        client(server.llm, tmp_path / "log").ask(HELLO, Sampling(), (lambda _: None) if streaming else None)


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
@pytest.mark.parametrize("content", [None, ""])
def test_thoughts_in_a_field_of_their_own(name: str, content: str | None, tmp_path: Path) -> None:
    def reply(reason: str) -> Reply:
        message = {"role": "assistant", "content": content, name: "it may be bad"}
        return Reply(raw=json.dumps({"choices": [{"message": message, "finish_reason": reason}]}).encode())

    with scripted(lambda *_: reply("length")) as server, pytest.raises(LlmError, match="--max-tokens"):
        client(server.llm, tmp_path / "log").ask(HELLO, Sampling())
    with scripted(lambda *_: reply("stop")) as server:
        assert client(server.llm, tmp_path / "log2").ask(HELLO, Sampling()).text == ""


def test_a_text_in_parts_and_no_count_of_tokens(tmp_path: Path) -> None:
    parts = [{"type": "text", "text": "go"}, {"type": "thinking", "thinking": []}, {"type": "text", "text": "od"}]
    raw = json.dumps({"choices": [{"message": {"content": parts}}]}).encode()
    with scripted(lambda *_: Reply(raw=raw)) as server:
        answer = client(server.llm, tmp_path / "log").ask(HELLO, Sampling())
    assert (answer.text, answer.answer_tokens) == ("good", 1)
