"""Messages and progress as a program gets them: from the command line as JSON lines, in Python through a sink."""

import json
from pathlib import Path

from trifold.evaluate.settings import CompareSettings
from trifold.event_sinks import JsonLines
from trifold.events import Event, Message, Progress, sending_to
from trifold.models.settings import BackboneSettings
from trifold.pipeline.compare import compare
from trifold.pipeline.request import Request
from warm_commands import Command


def test_events_json_makes_every_line_an_object(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command(
        *("finetune", reviews, "--method", "full", "--epochs", 1, "--model", tiny_model, "--events", "json"),
        *("--output-dir", tmp_path / "run"),
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stderr.splitlines()]
    assert {event["event"] for event in found} == {"message", "progress", "losses"}
    assert any(event["event"] == "progress" and event["ended"] for event in found)


def test_an_unknown_form_of_events_is_refused(trifold_command: Command) -> None:
    done = trifold_command("cache", "--events", "yaml")
    assert done.returncode == 2
    assert done.stderr == "trifold: --events 'yaml' is not allowed: give text, or json for a JSON object a line\n"


class Collected:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def send(self, event: Event) -> None:
        self.events.append(event)


def test_a_comparison_sends_what_its_child_processes_say(reviews: Path, tiny_model: Path, tmp_path: Path) -> None:
    sink = Collected()
    request = Request(reviews, backbone=BackboneSettings(model=str(tiny_model)))
    with sending_to(sink):
        compare(request, CompareSettings(methods="tfidf,features"), tmp_path / "compared")
    said = [event.text for event in sink.events if isinstance(event, Message)]
    assert any(text.startswith("features: layer") for text in said), said
    of_children = [event for event in sink.events if isinstance(event, Progress) and event.work < 0]
    assert any(event.ended for event in of_children)


def test_a_sink_of_ones_own_hears_a_comparison_as_the_terminal_does(reviews: Path, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    with path.open("w") as stream, sending_to(JsonLines(stream)):
        compare(Request(reviews), CompareSettings(methods="tfidf"), tmp_path / "compared")
    assert all(json.loads(line)["event"] in ("message", "progress") for line in path.read_text().splitlines())
