"""`label` at the command line: what it prints, and which flags do not go together."""

import json
from pathlib import Path

import pytest

from scripted_server import Reply, scripted
from trifold.cli.main import run

PROMPT = 'task = "Text: {text}"\noutput = { labels = ["bad", "good"] }\nvariables = { text = "" }\n'


@pytest.fixture
def files(tmp_path: Path) -> list[str]:
    (tmp_path / "rows.csv").write_text("text,mood\na superb film,good\na dull film,good\n,\n")
    (tmp_path / "prompt.toml").write_text(PROMPT)
    names = ("rows.csv", "--prompt", "prompt.toml", "--log", "log")
    return [str(tmp_path / name) if "." in name or name == "log" else name for name in names]


def test_counts_are_printed_as_json_and_said(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out.csv"
    with scripted(lambda *_: Reply("good")) as server:
        flags = ("--llm", server.llm, "--output", str(output), "--true-column", "mood", "--json")
        assert run(["label", *files, *flags]) == 0
    printed = capsys.readouterr()
    found = json.loads(printed.out)
    assert (found["output"], found["rows"], found["labelled"]) == (str(output), 3, 2)
    assert "2 rows labelled, 1 unreadable" in printed.err
    assert "2 of 2 agree with mood" in printed.err


def test_too_few_labels_to_learn_from_are_not_said_to_be_learned_from_next(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        assert run(["label", *files, "--llm", server.llm, "--output", str(tmp_path / "out.csv")]) == 0
    assert capsys.readouterr().err.splitlines()[-1] == f"next: trifold log --log {tmp_path / 'log'}"


def test_a_dry_run_asks_nothing_and_writes_nothing(
    files: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        assert run(["label", *files, "--llm", server.llm, "--dry-run", "--json"]) == 0
        assert not server.requests
    assert json.loads(capsys.readouterr().out)["calls"] == 2


def test_rows_are_printed_as_json_lines(files: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        assert run(["label", *files, "--llm", server.llm, "--json"]) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["label"] for row in rows] == ["good", "good", None]
    assert isinstance(rows[0]["confidence"], float)
