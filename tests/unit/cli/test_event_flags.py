"""`--quiet`, `--verbose` and `--events`, which every command takes."""

import json
import os
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.event_flag import take_event_flags
from trifold.cli.main import run
from trifold.errors import SettingsError
from trifold.events import say, say_detail, sending_to, track


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables that `--verbose` sets are taken back."""
    for name in ("TRANSFORMERS_VERBOSITY", "HF_HUB_VERBOSITY"):
        monkeypatch.setenv(name, os.environ.get(name, "warning"))


@pytest.mark.parametrize(
    ("flags", "heard"),
    [
        (["--quiet"], ["note: odd"]),
        ([], ["note: odd", "usual"]),
        (["--verbose"], ["note: odd", "usual", "more"]),
    ],
)
def test_each_level_is_heard_from_its_flag_on(
    flags: list[str], heard: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    words, sink = take_event_flags(["cache", *flags, "--json"])
    assert words == ["cache", "--json"]
    capsys.readouterr()
    with sending_to(sink):
        say("note: odd")
        say("usual")
        say_detail("more")
    assert capsys.readouterr().err.splitlines() == heard


def test_quiet_events_are_warnings_alone(capsys: pytest.CaptureFixture[str]) -> None:
    _, sink = take_event_flags(["cache", "--events=json", "--quiet"])
    with sending_to(sink), track("working", 3) as advance:
        advance(3)
        say("usual")
        say("note: odd")
    assert [json.loads(line) for line in capsys.readouterr().err.splitlines()] == [
        {"event": "message", "text": "note: odd", "level": "warning"}
    ]


def test_verbose_begins_with_versions(capsys: pytest.CaptureFixture[str]) -> None:
    take_event_flags(["--verbose"])
    assert capsys.readouterr().err.startswith("trifold ")


def test_what_stands_behind_two_dashes_is_left_alone() -> None:
    words, _ = take_event_flags(["check", "--", "--quiet", "--events"])
    assert words == ["check", "--", "--quiet", "--events"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--quiet", "--verbose"], "--quiet with --verbose is not allowed: leave one of them out"),
        (["--events", "yaml"], "--events 'yaml' is not allowed: give text, or json"),
        (["--events"], "--events '' is not allowed"),
    ],
)
def test_a_wrong_one_is_refused(words: list[str], sentence: str) -> None:
    with pytest.raises(SettingsError, match=sentence):
        take_event_flags(words)


def test_a_command_ends_with_what_to_do_next_unless_it_is_quiet_or_a_program_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_reviews(tmp_path / "my data.csv", rows=60)
    finetune = ["finetune", str(data), "--method", "tfidf", "--output-dir"]
    assert run([*finetune, "one"]) == 0
    printed = capsys.readouterr()
    assert printed.err.splitlines()[-1] == "next: trifold predict one --text '…'"
    assert printed.out.splitlines()[-1] == "one"
    assert run([*finetune, "two", "--quiet"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[-1] == "two"
    assert run([*finetune, "three", "--json"]) == 0
    assert "next:" not in capsys.readouterr().err
    assert run(["check", str(data), "--label-column", "label"]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"next: trifold compare '{data}' --label-column label"


def test_a_quiet_comparison_keeps_its_children_quiet(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_reviews(tmp_path / "data.csv", rows=60)
    monkeypatch.setattr("trifold.pipeline.contestants.machine_load", lambda: 0.1)
    assert run(["compare", str(data), "--methods", "tfidf", "--output-dir", "out", "--quiet"]) == 0
    assert [line for line in capfd.readouterr().err.splitlines() if not line.startswith("note: ")] == []
