"""Words from files and models on the terminal: shown, never obeyed."""

import io
import json
import re
import warnings
from pathlib import Path

import pytest

from conftest import BAD, GOOD
from trifold.cli.main import run
from trifold.cli.output import print_json, print_piece, print_table
from trifold.events import say, track

RED, TITLE, TURN, BELL = "\x1b[31m", "\x1b]0;owned\x07", "\u202e", "\x07"
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Columns, labels and texts that would colour, retitle and turn a terminal round."""
    path = tmp_path_factory.mktemp("data") / "hostile.jsonl"
    rows = [(f"{RED}a", f"rare{BELL}")]
    for number in range(60):
        words, label = (GOOD, f"good{RED}") if number % 2 else (BAD, f"bad{TURN}\x9b2J")
        rows.append((f"{TITLE}The film is {words[number % 6]} {BELL} number {number}", label))
    lines = [json.dumps({f"text{RED}": text, f"label{TITLE}": label}) for text, label in rows]
    path.write_text("\n".join(lines))
    return path


@pytest.fixture(scope="module")
def hostile_run(hostile: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("runs") / "run"
    with warnings.catch_warnings():
        # The plots' font has no glyph for these.
        warnings.simplefilter("ignore")
        assert run(["finetune", str(hostile), "--method", "tfidf", "--output-dir", str(target)]) == 0
    return target


def test_check_shows_a_file_that_would_take_the_terminal_over(
    hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(hostile)]) == 0
    said = capsys.readouterr()
    assert not OBEYED.search(said.out + said.err)
    assert "good" in said.out
    assert "text from column" in said.out


def test_json_is_what_the_file_says_and_nothing_in_it_is_obeyed(
    hostile: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["check", str(hostile), "--json"]) == 0
    said = capsys.readouterr().out
    assert not OBEYED.search(said)
    assert set(json.loads(said)["labels"]) == {f"good{RED}", f"bad{TURN}\x9b2J", f"rare{BELL}"}


def test_predicted_labels_are_shown_and_come_back_in_json(
    hostile_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", str(hostile_run), "--text", "wonderful"]) == 0
    shown = capsys.readouterr()
    assert not OBEYED.search(shown.out + shown.err)
    assert shown.out.startswith("good  ")
    assert run(["predict", str(hostile_run), "--text", "wonderful", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] == f"good{RED}"


def test_rows_keep_their_bytes(hostile: Path, hostile_run: Path, tmp_path: Path) -> None:
    assert run(["predict", str(hostile_run), str(hostile), "--output", str(tmp_path / "out.csv")]) == 0
    assert f"{TITLE}The film is" in (tmp_path / "out.csv").read_text(encoding="utf-8")


def test_an_error_and_a_note_show_a_name_without_its_codes(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", f"no{RED}where{TITLE}.csv"]) == 2
    say(f"note: {RED}half of it{BELL}")
    said = capsys.readouterr().err
    assert not OBEYED.search(said)
    assert "holds a control character" in said
    assert said.endswith("note: half of it\n")


def test_pieces_of_a_sequence_are_no_sequence(capsys: pytest.CaptureFixture[str]) -> None:
    for piece in ("a\x1b", "[31mb", "\x9b", "2Jc"):
        print_piece(piece)
    assert not OBEYED.search(capsys.readouterr().out)


def test_a_cell_is_one_line_and_columns_stay_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    print_table([{"name": f"a{RED}\nb", "size": "1"}, {"name": "abcd", "size": "22"}])
    assert capsys.readouterr().out == "name  size\na b      1\nabcd    22\n"


def test_json_escapes_what_is_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"text": "é\x85\u2066half \ud800 日本"})
    assert capsys.readouterr().out == '{\n  "text": "é\\u0085\\u2066half \\ud800 日本"\n}\n'


def test_a_name_that_looks_like_markup_is_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "200")
    with track("reading [red]data[/red][/]\x07", 10) as advance:
        advance(10)
    assert "[red]data[/red][/]" in terminal.getvalue()
    assert "\x07" not in terminal.getvalue()
