"""`trifold search eval` and `trifold search complete`: as they are typed, and what is shown."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from trifold.cli.main import run

ROWS = [
    ("1001", "How to reset the router. The router is thin."),
    ("1002", "How to reset the password of a router."),
    ("1003", "A tedious script about a bank."),
]


def write(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


@pytest.fixture
def index(tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]) -> str:
    source, folder = write(tmp_path / "docs.csv", ("doc_id", "text"), ROWS), str(tmp_path / "index")
    asked = ["search", "build", source, "--index", folder, "--id-column", "doc_id", "--model", str(tiny_model)]
    assert run(asked) == 0
    capsys.readouterr()
    return folder


@pytest.fixture
def queries(tmp_path: Path) -> str:
    rows = [("q1", "a bank"), ("q2", "password"), ("q3", "nothing of it")]
    return write(tmp_path / "queries.csv", ("query_id", "text"), rows)


def test_rankings_stand_beside_each_other_with_intervals_and_leads(
    index: str, queries: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = write(tmp_path / "judged.csv", ("query_id", "doc_id", "score"), [("q1", "1003", "1"), ("q2", "1002", "2")])
    assert run(["search", "eval", index, queries, judged]) == 0
    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    assert lines[0] == "2 queries"
    assert lines[2].split() == ["figure", "keywords", "vectors", "hybrid"]
    assert lines[3].split()[:2] == ["ndcg@10", "1.000"]
    assert "hybrid minus vectors" in shown.out
    assert "left out without a relevant document: 1 of the queries" in shown.err
    assert run(["search", "eval", index, queries, judged, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    # Two queries leave much open, however well both are answered.
    recall = found["rankings"]["keywords"]["recall@10"]
    assert recall == {"value": 1.0, "low": pytest.approx(0.342, abs=1e-3), "high": 1.0}
    assert len(found["leads"]) == 3


def test_documents_that_are_not_in_the_index_count_as_not_found(
    index: str, queries: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = write(tmp_path / "judged.csv", ("query_id", "doc_id"), [("q1", "1003"), ("q1", "9999")])
    assert run(["search", "eval", index, queries, judged, "--json"]) == 0
    shown = capsys.readouterr()
    assert "not in the index, and so not found: 1 relevant document" in shown.err
    assert json.loads(shown.out)["rankings"]["keywords"]["recall@10"]["value"] == 0.5


def test_judgements_of_other_documents_are_refused(
    index: str, queries: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = write(tmp_path / "judged.csv", ("query_id", "doc_id"), [("q1", "77")])
    assert run(["search", "eval", index, queries, judged]) == 2
    assert "it calls its own '1001', '1002', '1003'" in capsys.readouterr().err


def test_a_query_is_completed_by_phrases_and_earlier_queries(
    index: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["search", "complete", index, "how to", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["completions"]
    assert {"text": "how to reset the router", "count": 1, "source": "documents"} in found
    asked = write(tmp_path / "asked.csv", ("query",), [("how to sing well",), ("how to sing well",), ("why me",)])
    assert run(["search", "complete", index, "how to", "--queries", asked]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].split() == ["query", "times", "from"]
    assert shown[1].split() == ["how", "to", "sing", "well", "2", "query"]


@pytest.mark.parametrize("typed", ["", "😀", "zyzzyva"])
def test_what_goes_on_nowhere_is_said(index: str, typed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "complete", index, typed]) == 0
    assert "no query and no phrase of the documents goes on so" in capsys.readouterr().err


def test_flags_of_models_without_one_are_refused(index: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["search", "complete", index, "how", "--device", "cpu"]) == 2
    assert "without --llm" in capsys.readouterr().err
    assert run(["search", "complete", index, "how", "--max-tokens", "5"]) == 2
    assert "no language model is named" in capsys.readouterr().err
