"""What `trifold duplicates` prints."""

import csv
import json

import pytest

from trifold.cli.main import run

FILM = "the film is a quiet wonder and nobody in the audience made a sound until the very last scene was over"


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "a.csv"
    rows = [("text", "label"), (FILM, 1), ("Dull.", 0), (FILM.replace("quiet", "silent"), 1), ("dull.", 0)]
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def test_kinds_are_counted_and_examples_show_lines_and_what_differs(data, capsys):
    assert run(["duplicates", str(data)]) == 0
    shown = capsys.readouterr()
    assert "4 rows = 2 + 2 duplicates in 2 groups" in shown.out
    assert "line 4 and line 2" in shown.out
    assert "  - the film is a quiet wonder and nobody in …" in shown.out
    assert "  + the film is a silent wonder and nobody in …" in shown.out
    assert "exact 1.00: line 5 and line 3" in shown.out
    assert "next: trifold duplicates" in shown.err


def test_json_has_every_pair(data, tmp_path, capsys):
    output = tmp_path / "kept.jsonl"
    assert run(["duplicates", str(data), "--json", "--drop", "--output", str(output)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["counts"] == {"exact": 1, "near": 1, "semantic": 0}
    assert [one["line"] for one in told["found"]] == [4, 5]
    assert told["output"] == str(output)
    assert [json.loads(line)["text"] for line in output.read_text().splitlines()] == [FILM, "Dull."]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--threshold", "0.2"], "--threshold 0.2 is not allowed: give a number from 0.5 to 1"),
        (["--drop"], "--drop without --output is not allowed: name the file"),
        (["--max-length", "20"], "a flag on vectors without --semantic is not allowed"),
        (["--semantic-threshold", "0.8"], "add --semantic"),
        (["--force"], "--force without --output"),
        (["--text-column", "txt"], "did you mean 'text'?"),
        (["--against", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_mistakes_are_one_sentence(flags, said, data, capsys):
    assert run(["duplicates", str(data), *flags]) == 2
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
