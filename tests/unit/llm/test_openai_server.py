"""A server's faults: what passes is tried again, what does not is said, and the key is nowhere."""

import threading
import time
from pathlib import Path

import pytest

from scripted_server import Reply, Script, scripted
from trifold.errors import BudgetError, LlmError
from trifold.llm import retry
from trifold.llm.call_log import CallLog, read_log
from trifold.llm.client import Client, Failure
from trifold.llm.contract import Answer, FatalLlmError, Sampling
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.prompt_template import Message
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit

SECRET = "sk-a-very-secret-key-0123456789"


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.01)
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)


def open_client(llm: str, log: Path, budget: SpendingLimit | None = None, **settings: object) -> Client:
    asked = LlmSettings(llm=llm, **settings)  # type: ignore[arg-type]
    model = OpenAIServer(llm.removeprefix("openai:"), asked)
    return Client(model, CallLog(log), budget or SpendingLimit(), asked.retries, asked.concurrency)


def said(text: str) -> tuple[Message, ...]:
    return (Message("user", text),)


def once(fault: Reply) -> Script:
    return lambda number, _body: fault if number == 1 else Reply("good")


FAULTS = {
    "too many requests": Reply("slow down", 429, {"Retry-After": "0"}),
    "a server's error": Reply("oops", 500),
    "an overloaded gateway": Reply("", 503, raw=b"<html>busy</html>"),
    "too slow": Reply(wait_seconds=0.8),
    "cut in the middle": Reply(cut=True),
    "no JSON": Reply(raw=b"{ this is"),
    "JSON of something else": Reply(raw=b'{"hello": [1, 2]}'),
    "no text in the answer": Reply(raw=b'{"choices": [{"message": {"role": "assistant", "content": null}}]}'),
}


@pytest.mark.parametrize("streaming", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("fault", FAULTS)
def test_what_passes_is_tried_again_and_everything_is_logged(fault: str, streaming: bool, tmp_path: Path) -> None:
    # Only where the wait is the fault: on a busy machine any other answer may take as long.
    limits = {"timeout_seconds": 0.5} if fault == "too slow" else {}
    with scripted(once(FAULTS[fault])) as server:
        pieces: list[str] = []
        answer = open_client(server.llm, tmp_path / "log", **limits).ask(
            said("hello"), Sampling(), pieces.append if streaming else None
        )
    assert answer.text == "good"
    assert not streaming or "".join(pieces).endswith("good")
    latest, first = read_log(tmp_path / "log", 10)
    assert (latest.answer, latest.error) == ("good", None)
    assert first.answer is None
    assert first.error


def test_a_fault_that_stays_is_given_up_with_its_reason(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("oops", 500)) as server:
        with pytest.raises(LlmError, match=r"gave no answer in 3 calls: .* answered 500: oops"):
            open_client(server.llm, tmp_path / "log", retries=2).ask(said("hello"), Sampling())
        assert len(server.requests) == 3


def test_the_servers_wish_to_wait_is_heard(tmp_path: Path) -> None:
    with scripted(once(Reply("later", 429, {"Retry-After": "0.4"}))) as server:
        begun = time.monotonic()
        open_client(server.llm, tmp_path / "log").ask(said("hello"), Sampling())
    assert time.monotonic() - begun >= 0.4


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (401, "is the environment variable OPENAI_API_KEY set to a key"),
        (404, "check BASE_URL"),
        (501, "answered 501: no; name a model that does what --llm openai: asks for"),
        (400, "answered 400: no"),
    ],
)
def test_what_does_not_pass_is_not_tried_again(status: int, sentence: str, tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("no", status)) as server:
        with pytest.raises(LlmError, match=sentence):
            open_client(server.llm, tmp_path / "log").ask(said("hello"), Sampling())
        assert len(server.requests) == 1


def test_where_a_model_is_not_there_those_that_are_there_are_named(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("no such model", 404)) as server:
        server.models += ["one", f"two {SECRET}", *"abcdef"]
        with pytest.raises(FatalLlmError, match=r"; the server has one, two \[key removed\], a, b, c$"):
            open_client(server.llm, tmp_path / "log").ask(said("hello"), Sampling())
        assert len(server.requests) == 1


def test_a_server_that_is_not_there_stops_everything_at_once(tmp_path: Path) -> None:
    client = open_client("openai:http://127.0.0.1:9/v1#none", tmp_path / "log", retries=1)
    with pytest.raises(FatalLlmError, match="cannot be reached"):
        list(client.ask_all([said(str(i)) for i in range(50)], [Sampling()] * 50))
    assert len(read_log(tmp_path / "log", 100)) <= 2 * 2 * client.concurrency


def test_a_newer_name_for_the_limit_is_learned(tmp_path: Path) -> None:
    def script(_number: int, body: dict[str, object]) -> Reply:
        return Reply("use max_completion_tokens instead", 400) if "max_tokens" in body else Reply("good")

    with scripted(script) as server:
        client = open_client(server.llm, tmp_path / "log")
        assert client.ask(said("one"), Sampling()).text == "good"
        assert client.ask(said("two"), Sampling()).text == "good"
        assert len(server.requests) == 3


def test_the_key_is_sent_and_stands_nowhere_else(tmp_path: Path) -> None:
    """Servers that repeat what they were sent, in answers and in errors."""
    with scripted(lambda number, _: Reply(f"your key {SECRET}", (500, 200, 401)[number - 1])) as server:
        client = open_client(server.llm, tmp_path / "log")
        answer = client.ask(said("hello"), Sampling())
        with pytest.raises(FatalLlmError) as caught:
            client.ask(said("again"), Sampling())
        assert server.headers[0]["authorization"] == f"Bearer {SECRET}"
    assert answer.text == "your key [key removed]"
    client.log.close()
    assert SECRET not in str(caught.value)
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()


def test_a_key_given_where_its_name_belongs_is_refused_and_not_shown() -> None:
    with pytest.raises(Exception, match="give the name of an environment variable") as caught:
        LlmSettings(api_key_env=SECRET)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("", "no address of a server"),
        ("localhost:8000#m", "no address of a server"),
        ("http://localhost:8000/v1", "names no model of localhost"),
        ("http://me:hunter2@localhost/v1#m", "has a password or a query"),
        ("http://localhost/v1?key=hunter2#m", "has a password or a query"),
    ],
)
def test_an_address_that_is_none(address: str, sentence: str) -> None:
    with pytest.raises(LlmError, match=sentence) as caught:
        OpenAIServer(address, LlmSettings())
    assert "hunter2" not in str(caught.value)


def test_many_are_asked_at_once_and_no_more_than_allowed(tmp_path: Path) -> None:
    running, most = 0, 0
    lock = threading.Lock()

    def script(_number: int, _body: object) -> Reply:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.03)
        with lock:
            running -= 1
        return Reply("good")

    with scripted(script) as server:
        client = open_client(server.llm, tmp_path / "log", concurrency=3)
        answers = dict(client.ask_all([said(str(i)) for i in range(20)], [Sampling()] * 20))
    assert sorted(answers) == list(range(20))
    assert most == 3


def test_a_budget_stops_and_a_second_run_asks_for_the_rest_alone(tmp_path: Path) -> None:
    texts = [said(str(i)) for i in range(12)]
    with scripted(lambda *_: Reply("good")) as server:
        client = open_client(server.llm, tmp_path / "log", SpendingLimit(max_calls=5))
        first = dict(client.ask_all(texts, [Sampling()] * 12))
        assert sum(isinstance(one, Answer) for one in first.values()) == 5
        assert all(one.unasked for one in first.values() if isinstance(one, Failure))
        with pytest.raises(BudgetError, match="--max-calls 5 is reached"):
            client.ask(said("new"), Sampling())
        assert len(server.requests) == 5
        second = dict(open_client(server.llm, tmp_path / "log").ask_all(texts, [Sampling()] * 12))
        assert all(isinstance(one, Answer) for one in second.values())
        assert sorted(server.asked()) == sorted(str(i) for i in range(12))


def test_seconds_are_a_budget_too(tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("good", wait_seconds=0.1)) as server:
        client = open_client(server.llm, tmp_path / "log", SpendingLimit(max_seconds=0.35), concurrency=1)
        found = [one for _, one in client.ask_all([said(str(i)) for i in range(30)], [Sampling()] * 30)]
    assert 1 <= sum(isinstance(one, Answer) for one in found) <= 4
    assert isinstance(found[-1], Failure)
    assert found[-1].unasked


def test_a_thousand_logged_prompts_asked_again_make_no_call(tmp_path: Path) -> None:
    prompts = [said(f"row {i} {{x}} 🎬") for i in range(1_000)]
    with scripted(lambda number, _: Reply(f"answer {number}")) as server:
        client = open_client(server.llm, tmp_path / "log", concurrency=8)
        first = dict(client.ask_all(prompts, [Sampling()] * 1_000))
        assert len(server.requests) == 1_000
    # The server is gone, and nothing may be spent.
    again = open_client(server.llm, tmp_path / "log", SpendingLimit(max_calls=0))
    second = dict(again.ask_all(prompts, [Sampling()] * 1_000))
    assert {place: one.text for place, one in second.items()} == {place: one.text for place, one in first.items()}  # type: ignore[union-attr]
    assert (again.budget.spent.calls, again.budget.spent.from_log) == (0, 1_000)


def test_another_way_of_asking_is_another_prompt(tmp_path: Path) -> None:
    with scripted(lambda number, _: Reply(str(number))) as server:
        client = open_client(server.llm, tmp_path / "log")
        for sampling in (
            Sampling(),
            Sampling(max_tokens=9),
            Sampling(temperature=0.5, vote=1),
            Sampling(temperature=0.5, vote=2),
        ):
            first = client.ask(said("hello"), sampling)
            assert client.ask(said("hello"), sampling).text == first.text
        # Variety was asked for, and no vote numbered.
        varied = [client.ask(said("hello"), Sampling(temperature=0.5)).text for _ in range(2)]
        assert varied == ["5", "6"]


def test_leaving_off_waits_for_what_is_under_way(tmp_path: Path) -> None:
    """As a signal does: the answers that were paid for are kept."""
    with scripted(lambda *_: Reply("good", wait_seconds=0.2)) as server:
        client = open_client(server.llm, tmp_path / "log", concurrency=4)
        answers = client.ask_all([said(str(i)) for i in range(100)], [Sampling()] * 100)
        next(answers)
        answers.close()
        assert len(server.requests) < 20
        kept = read_log(tmp_path / "log", 100)
    assert len(kept) == len(server.requests)
    assert all(call.answer == "good" for call in kept)


def test_without_the_client_the_way_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "openai", None)
    with pytest.raises(LlmError, match=r"pip install 'trifold\[llm\]'"):
        OpenAIServer("http://localhost:1/v1#m", LlmSettings())
