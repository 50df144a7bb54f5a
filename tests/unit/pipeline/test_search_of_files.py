import json
from pathlib import Path

import pytest

from trifold.cli.main import run
from trifold.data.settings import ResultSettings
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings, QuerySettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.search import answer_file, answer_text, write_one

ON_CPU = ComputeSettings(device="cpu")


@pytest.fixture
def index(tmp_path: Path, tiny_model: Path) -> SearchIndex:
    given = [{"text": f"The film is number {number}", "year": 2000 + number} for number in range(5)]
    return SearchIndex.build(given, tmp_path / "index", IndexSettings(model=str(tiny_model)), ON_CPU)


def test_no_query_of_a_file_is_lost_and_those_without_a_text_do_not_count(index: SearchIndex, tmp_path: Path) -> None:
    queries, output = tmp_path / "queries.csv", tmp_path / "answers.jsonl"
    queries.write_text('n,query\n1,film\n2,""\n3,number\n')

    def asked(where: str) -> tuple[int, list[dict[str, object]]]:
        count = answer_file(
            index, queries, QuerySettings(top_k=2, where=where), None, ResultSettings(output=output, force=True)
        )
        return count, [json.loads(line) for line in output.read_text().splitlines()]

    count, rows = asked("year > 2050")
    assert count == 2
    assert [row["n"] for row in rows] == ["1", "2", "3"]
    assert rows[0]["error"] == rows[2]["error"] == "no document meets the condition"
    assert rows[0]["document_id"] is None
    assert "text" in str(rows[1]["error"])
    count, rows = asked("year > 2002")
    assert count == 2
    assert [row["n"] for row in rows] == ["1", "1", "2", "3", "3"]


def test_one_query_without_an_answer_is_written_as_well(index: SearchIndex, tmp_path: Path) -> None:
    settings, output = QuerySettings(where="year > 2050"), tmp_path / "answers.jsonl"
    write_one("film", answer_text(index, "film", settings), ResultSettings(output=output))
    (row,) = map(json.loads, output.read_text().splitlines())
    assert (row["query"], row["error"]) == ("film", "no document meets the condition")


def test_answers_are_written_to_standard_output(index: SearchIndex, capsys: pytest.CaptureFixture[str]) -> None:
    queries = index.folder.parent / "queries.csv"
    queries.write_text("query\nfilm\n")
    assert run(["search", "query", str(index.folder), "--queries", str(queries), "--top-k", "2"]) == 0
    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 3
    assert "1 query answered" in err
