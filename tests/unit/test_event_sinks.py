"""How events are shown."""

import io
import json

import pytest

from trifold.event_sinks import FromLevel, JsonLines, Silence, Terminal, read_json_line
from trifold.events import LEVELS, Losses, Message, Progress


def test_text_for_a_log_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    sink = Terminal()
    for done, seconds in ((0, 0.0), (10, 5.0), (50, 21.0), (60, 22.0)):
        sink.send(Progress(1, "encoding 4 texts", done, 100, seconds))
    sink.send(Progress(1, "encoding 4 texts", 100, 100, 40.0, ended=True))
    assert capsys.readouterr().err == "encoding 4 texts: 50 %, 21 s left\n"


def test_a_step_that_takes_long_is_no_silence(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sink, now = Terminal(), [100.0]
    monkeypatch.setattr("trifold.event_sinks.time.monotonic", lambda: now[0])
    sink.send(Progress(1, "encoding 4 texts", 0, 100, 0.0))
    for now[0] in (110.0, 121.0, 125.0):
        sink.tick()
    sink.send(Progress(1, "encoding 4 texts", 50, 100, 25.0))
    now[0] = 150.0
    sink.tick()
    sink.send(Progress(1, "encoding 4 texts", 100, 100, 50.0, ended=True))
    now[0] = 200.0
    sink.tick()
    assert capsys.readouterr().err == "encoding 4 texts: at work for 21 s\nencoding 4 texts: 50 %, 50 s left\n"


def test_text_has_no_control_characters(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal().send(Message("red \x1b[31mname"))
    assert capsys.readouterr().err == "red name\n"


def test_json_lines_are_read_back_as_the_events_they_were() -> None:
    stream = io.StringIO()
    sink = JsonLines(stream)
    sent = [
        Message("note: é", "warning"),
        Progress(1, "encoding", 0, 9, 0.0),
        Progress(1, "encoding", 9, 9, 2.0, ended=True),
        Losses(1.0, 0.6, 0.5, "full"),
    ]
    for event in sent:
        sink.send(event)
    lines = stream.getvalue().splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["message", "progress", "progress", "losses"]
    assert [read_json_line(line) for line in lines] == sent


def test_json_progress_comes_at_most_once_a_second() -> None:
    stream = io.StringIO()
    sink = JsonLines(stream)
    for done in range(1_000):
        sink.send(Progress(1, "encoding", done, 1_000, 0.1))
    assert len(stream.getvalue().splitlines()) == 1


@pytest.mark.parametrize("line", ["a library's warning\n", '{"event": "unknown"}', "[1]", '{"event": "message"}'])
def test_any_other_line_is_a_warning(line: str) -> None:
    assert read_json_line(line) == Message(line.rstrip("\n"), "warning")


def test_a_stream_that_is_closed_by_its_reader_is_no_error() -> None:
    lost: list[str] = []

    class Closed(io.StringIO):
        def write(self, text: str) -> int:
            lost.append(text)
            raise BrokenPipeError

    sink = JsonLines(Closed())
    for number in range(2):
        sink.send(Message(f"message {number}"))
    assert len(lost) == 2, "work goes on, and so do its messages"


def test_a_level_lets_what_is_above_it_through(capsys: pytest.CaptureFixture[str]) -> None:
    for level in LEVELS:
        sink = FromLevel(Terminal(), level)
        for one in LEVELS:
            sink.send(Message(f"{one} at {level}", one))
        sink.send(Progress(1, "encoding", 50, 100, 0.0))
        sink.send(Progress(1, f"encoding at {level}", 50, 100, 21.0))
    assert capsys.readouterr().err.splitlines() == [
        *("detail at detail", "info at detail", "warning at detail", "encoding at detail: 50 %, 21 s left"),
        *("info at info", "warning at info", "encoding at info: 50 %, 21 s left"),
        "warning at warning",
    ]


def test_silence_shows_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Silence().send(Message("unheard"))
    assert capsys.readouterr() == ("", "")
