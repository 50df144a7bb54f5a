"""How many calls are made at the same time: more while answers come as fast, half where the server has too much."""

import threading
import time
from pathlib import Path

import pytest

from scripted_server import Reply, scripted
from trifold.llm import call_pace, retry
from trifold.llm.call_log import CallLog, read_log
from trifold.llm.call_pace import FIRST, CallPace
from trifold.llm.client import Client
from trifold.llm.contract import Answer, Sampling
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.prompt_template import Message
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit


def a_round(pace: CallPace, seconds: float) -> None:
    for _ in range(pace.now):
        assert pace.begin() == 0.0
    for _ in range(pace.now):
        pace.end(seconds)


def test_more_are_allowed_while_answers_come_as_fast_and_no_more_than_the_most() -> None:
    pace = CallPace(7)
    seen = []
    for _ in range(5):
        seen.append(pace.now)
        a_round(pace, 0.1)
    assert seen == [FIRST, 5, 6, 7, 7]


def test_fewer_where_more_only_wait() -> None:
    pace = CallPace(16)
    for seconds in (0.1, 0.1, 0.3):
        a_round(pace, seconds)
    assert pace.now == 5
    a_round(pace, 0.14)
    assert pace.now == 5


def test_refusals_of_one_moment_halve_once(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = CallPace(16)
    for _ in range(4):
        a_round(pace, 0.1)
    began = time.monotonic()
    assert pace.now == 8
    for _ in range(8):
        pace.throttled(began, 0.0)
    assert pace.now == 4
    pace.throttled(time.monotonic(), 0.0)
    assert pace.now == 2
    for _ in range(5):
        pace.throttled(time.monotonic(), 0.0)
    assert pace.now == 1


def test_nobody_begins_before_the_time_that_the_server_asks_for_nor_beyond_the_number() -> None:
    pace = CallPace(16)
    pace.throttled(time.monotonic(), 0.15)
    assert 0.1 < pace.begin() <= 0.15
    time.sleep(0.16)
    assert [pace.begin() for _ in range(3)] == [0.0, 0.0, call_pace._LOOKING_SECONDS]
    pace.end(None)
    assert pace.begin() == 0.0


def test_a_server_that_takes_only_few_at_once_answers_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in that refuses a third call at the same time: the rest waits, and no answer is lost."""
    monkeypatch.setattr(retry, "FIRST_WAIT_SECONDS", 0.01)
    under_way, refused = 0, 0
    lock = threading.Lock()

    def script(_number: int, _body: object) -> Reply:
        nonlocal under_way, refused
        with lock:
            if under_way >= 2:
                refused += 1
                return Reply("slow down", 429, {"Retry-After": "0.02"})
            under_way += 1
        time.sleep(0.01)
        with lock:
            under_way -= 1
        return Reply("good")

    with scripted(script) as server:
        model = OpenAIServer(server.llm.removeprefix("openai:"), LlmSettings(llm=server.llm, timeout_seconds=5))
        client = Client(model, CallLog(tmp_path / "log"), SpendingLimit())
        asked = [(Message("user", str(number)),) for number in range(80)]
        answers = dict(client.ask_all(asked, [Sampling()] * 80))
        assert len(server.requests) == 80 + refused
    assert all(isinstance(one, Answer) for one in answers.values())
    # Fewer refusals than with a fixed number of calls at once, which would refuse half of them.
    assert 0 < refused < 40
    logged = read_log(tmp_path / "log", 1_000)
    assert sum(call.error is not None for call in logged) == refused


def test_after_a_refusal_nobody_calls_before_the_time_it_asks_for(tmp_path: Path) -> None:
    arrived: list[float] = []

    def script(number: int, _body: object) -> Reply:
        arrived.append(time.monotonic())
        return Reply("later", 429, {"Retry-After": "0.8"}) if number == 1 else Reply("good", wait_seconds=0.05)

    with scripted(script) as server:
        model = OpenAIServer(server.llm.removeprefix("openai:"), LlmSettings(llm=server.llm, timeout_seconds=5))
        client = Client(model, CallLog(tmp_path / "log"), SpendingLimit(), concurrency=2)
        asked = [(Message("user", str(number)),) for number in range(12)]
        assert all(isinstance(one, Answer) for _, one in client.ask_all(asked, [Sampling()] * 12))
    # What was under way when the refusal came is earlier.
    assert not [when for when in arrived if 0.3 < when - arrived[0] < 0.75]
