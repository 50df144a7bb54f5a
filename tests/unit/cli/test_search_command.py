"""`trifold search`: as it is typed, and what is shown."""

import csv
import json
from pathlib import Path

import pytest

from trifold.cli.main import run

ROWS = [
    ("1001", "A robot learns to feel. The plot is thin.", "2021", "drama"),
    ("1002", "The cast is superb and the ending moving.", "2019", "drama"),
    ("1003", "A tedious script about a bank.", "2020", "crime"),
]


@pytest.fixture
def films(tmp_path: Path) -> Path:
    path = tmp_path / "films.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("film_id", "text", "year", "kind"), *ROWS])
    return path


@pytest.fixture
def index(films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "index"
    assert run(["search", "build", str(films), "--index", str(folder), "--id-column", "film_id"]) == 0
    capsys.readouterr()
    return folder


def test_a_build_tells_what_was_done_and_an_update_what_changed(
    films: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = str(tmp_path / "index")
    assert run(["search", "build", str(films), "--index", folder, "--text-column", "text"]) == 0
    shown = capsys.readouterr()
    assert "3 documents in 3 passages" in shown.out
    assert "encoded    3 documents (3 distinct passages)" in shown.out
    assert f"next: trifold search query {folder} 'what you look for'" in shown.err
    with films.open("a", newline="") as file:
        csv.writer(file).writerow(("1004", "A wonderful film of a bank robbery.", "2022", "crime"))
    assert run(["search", "build", str(films), "--index", folder, "--json"]) == 0
    built = json.loads(capsys.readouterr().out)
    assert (built["documents"], built["encoded"], built["unchanged"], built["removed"]) == (4, 1, 3, 0)


def test_answers_name_file_row_and_columns(index: Path, films: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "query", str(index), "machines with emotions", "--top-k", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(" 1  0.")
    assert lines[0].endswith(f"{films} row 1  1001")
    assert lines[1] == "    A robot learns to feel. The plot is thin."
    assert lines[2] == "    film_id: 1001  year: 2021  kind: drama"


def test_json_holds_marks_that_lie_in_the_snippet(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "query", str(index), "robots that feel", "--where", "year >= 2020", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    first = found["answers"][0]
    assert [one["id"] for one in found["answers"]] == ["1001", "1003"]
    snippet = first["snippet"]
    assert [snippet["text"][mark["start"] : mark["end"]] for mark in snippet["marks"]] == ["robot", "feel"]
    assert first["metadata"] == {"film_id": "1001", "year": "2021", "kind": "drama"}
    assert first["passage"]["text"] == ROWS[0][1]


def test_a_file_of_queries_gives_a_row_for_each_answer(index: Path, tmp_path: Path) -> None:
    queries, output = tmp_path / "queries.csv", tmp_path / "answers.csv"
    queries.write_text('number,query\n1,robots\n2,\n3,"banks, robbed"\n')
    words = ["--queries", str(queries), "--query-column", "query", "--top-k", "2", "--output", str(output)]
    assert run(["search", "query", str(index), *words]) == 0
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["number"] for row in rows] == ["1", "1", "2", "3", "3"]
    assert rows[0]["document_id"] == "1001"
    assert rows[2]["error"] == "line 3: the text is empty"
    assert rows[3]["document_id"] == "1003"
    assert json.loads(rows[3]["metadata"])["kind"] == "crime"


def test_info_tells_what_an_index_holds(index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "info", str(index)]) == 0
    shown = capsys.readouterr().out
    assert "3 documents in 3 passages, whole" in shown
    assert "film_id, year, kind, id, file, row" in shown
    assert run(["search", "info", str(index), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["documents"] == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["query", "INDEX"], "query needs a text or a file"),
        (["query", "INDEX", "a", "--queries", "FILMS"], "query needs a text or a file, not both"),
        (["query", "INDEX", ""], "the query is empty"),
        (["query", "INDEX", "a", "--where", "year >= 2020; drop table x"], "--where: "),
        (["query", "INDEX", "a", "--where", "yeer = 1"], "did you mean 'year'?"),
        (["query", "INDEX", "a", "--top-k", "0"], "--top-k 0 is not allowed"),
        (["query", "INDEX", "a", "--query-column", "b"], "--query-column without --queries"),
        (["query", "INDEX", "a", "--approximate"], "has no approximate index"),
        (["query", "nowhere", "a"], "nowhere is no folder of an index: make one with"),
        (["build", "FILMS", "--index", "INDEX", "--id-column", "kind"], "have the same kind, 'drama'"),
        (["build", "FILMS", "--index", "INDEX", "--id-column", "film"], "did you mean 'film_id'?"),
        (["build", "FILMS", "--index", "INDEX", "--passage-tokens", "3"], "--passage-tokens 3 is not allowed"),
        (["bild"], "did you mean 'build'?"),
    ],
)
def test_mistakes_are_told_in_a_sentence(
    words: list[str], said: str, index: Path, films: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = {"INDEX": str(index), "FILMS": str(films)}
    assert run(["search", *(named.get(word, word) for word in words)]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
