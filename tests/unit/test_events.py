"""Messages and progress go to the sink that is passed in."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from trifold.events import Event, Message, Progress, say, sending_to, track, with_this_sink


class Collected:
    """A sink that keeps what it is sent."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, event: Event) -> None:
        self.events.append(event)


def test_messages_go_to_the_sink_that_is_passed_in_and_to_no_other(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Collected()
    with sending_to(sink):
        say("inside")
    say("outside")
    assert sink.events == [Message("inside")]
    assert capsys.readouterr().err == "outside\n"


def test_progress_begins_at_nothing_grows_and_ends() -> None:
    sink = Collected()
    with sending_to(sink), track("encoding 3 texts", 30) as advance:
        advance(10)
        advance(20)
    assert [event.done for event in sink.events if isinstance(event, Progress)] == [0, 10, 30, 30]
    assert [event.ended for event in sink.events if isinstance(event, Progress)] == [False, False, False, True]
    assert len({event.work for event in sink.events if isinstance(event, Progress)}) == 1


def test_work_that_fails_ends_its_progress() -> None:
    sink = Collected()
    with sending_to(sink), pytest.raises(ValueError, match="broken"), track("encoding", 30):
        raise ValueError("broken")
    assert isinstance(sink.events[-1], Progress)
    assert sink.events[-1].ended


def test_no_work_sends_nothing() -> None:
    sink = Collected()
    with sending_to(sink), track("encoding 0 texts", 0) as advance:
        advance(0)
    assert sink.events == []


def test_two_threads_have_sinks_of_their_own() -> None:
    sinks, both = [Collected(), Collected()], threading.Barrier(2)

    def work(number: int) -> None:
        with sending_to(sinks[number]):
            both.wait(10)
            say(str(number))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(work, range(2)))
    assert [sink.events for sink in sinks] == [[Message("0")], [Message("1")]]


def test_a_thread_can_be_given_the_sink_of_its_starter() -> None:
    sink = Collected()
    with sending_to(sink), ThreadPoolExecutor(1) as pool:
        pool.submit(with_this_sink(say), "from a thread").result()
    assert sink.events == [Message("from a thread")]


def test_time_left_follows_from_the_speed_so_far() -> None:
    assert Progress(1, "encoding", 25, 100, 5.0).seconds_left == 15.0
    assert Progress(1, "encoding", 0, 100, 5.0).seconds_left is None
