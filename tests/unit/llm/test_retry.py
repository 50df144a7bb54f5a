"""The retry policy: which calls are made again, how often, and after which wait."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from trifold.llm.contract import TransientError
from trifold.llm.retry import RetryPolicy, is_retried, retry_after_seconds


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 503, 599])
def test_what_may_pass_is_retried(status: int) -> None:
    assert is_retried(status)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
def test_a_refusal_is_not_retried(status: int) -> None:
    assert not is_retried(status)


@pytest.mark.parametrize(
    ("header", "seconds"), [("7", 7.0), ("0.5", 0.5), ("inf", None), ("nan", None), ("tomorrow", None), ("", None)]
)
def test_the_wait_that_a_server_asks_for(header: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": header}) == seconds


@pytest.mark.parametrize(("ahead", "least", "most"), [(40, 5, 40), (-3_600, 0, 0)])
def test_the_wait_may_be_a_date(ahead: int, least: float, most: float) -> None:
    moment = datetime.now(UTC) + timedelta(seconds=ahead)
    written = format_datetime(moment, usegmt=True)
    for date in (written, written.removesuffix(" GMT") + " -0000"):
        seconds = retry_after_seconds({"retry-after": date})
        assert seconds is not None
        assert least <= seconds <= most


@pytest.mark.parametrize("date", ["Mon, 99 Nov 2026 23:59:00 GMT", "Mon, 30 Nov 99999999999 00:00:00 GMT", "soon"])
def test_a_date_that_is_none_asks_for_no_wait(date: str) -> None:
    assert retry_after_seconds({"retry-after": date}) is None


def test_waits_double_up_to_a_minute_and_vary_by_half() -> None:
    policy = RetryPolicy()
    for attempt, longest in enumerate((0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0)):
        waits = [policy.wait_seconds(attempt, None) for _ in range(50)]
        assert longest / 2 <= min(waits) < max(waits) <= longest
    assert policy.wait_seconds(2_000, None) <= 60.0


def test_a_server_is_waited_for_as_it_asks_but_no_longer_than_a_minute() -> None:
    assert [RetryPolicy().wait_seconds(0, asked) for asked in (3.0, 3_600.0, -1.0)] == [3.0, 60.0, 0.0]


@pytest.mark.parametrize("retries", [0, 2])
def test_a_call_is_made_once_and_again_as_often_as_allowed(retries: int) -> None:
    calls: list[int] = []
    waits: list[float] = []

    def fail() -> str:
        calls.append(len(calls))
        raise TransientError(f"failure {len(calls)}", 0.0)

    with pytest.raises(TransientError, match=f"failure {retries + 1}"):
        RetryPolicy(retries).run(fail, lambda _error, seconds: waits.append(seconds))
    assert len(calls) == retries + 1
    assert waits == [0.0] * retries


def test_the_first_success_ends_it() -> None:
    answers = iter([TransientError("busy"), "good", "never asked for"])

    def call() -> str:
        answer = next(answers)
        if isinstance(answer, TransientError):
            raise answer
        return answer

    assert RetryPolicy(5).run(call, lambda _error, _seconds: None) == "good"
    assert next(answers) == "never asked for"
