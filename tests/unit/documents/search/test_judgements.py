from pathlib import Path

import pytest

from trifold.documents.search.judgements import read_judgements, read_queries
from trifold.errors import DataError

QUERIES = "query_id,text\n1,how to cook rice\n2,what is a robot\n3,no answer known\n"
JUDGED = "query_id,corpus_id,relevance\n1,a,2\n1,b,0\n2,c,1\n9,a,1\n3,a,0\n"


def files(tmp_path: Path, queries: str = QUERIES, judged: str = JUDGED, ending: str = ".csv") -> tuple[Path, Path]:
    paths = tmp_path / f"queries{ending}", tmp_path / f"judged{ending}"
    for path, content in zip(paths, (queries, judged), strict=True):
        path.write_text(content)
    return paths


def test_queries_with_a_relevant_document_are_kept(tmp_path: Path) -> None:
    found = read_judgements(*files(tmp_path))
    assert found.ids == ("1", "2")
    assert found.queries == ("how to cook rice", "what is a robot")
    assert found.relevance == ({"a": 2.0, "b": 0.0}, {"c": 1.0})
    assert (found.unjudged, found.unknown) == (1, 1)
    assert found.documents() == {"a", "c"}


def test_beir_names_and_json_lines(tmp_path: Path) -> None:
    queries = '{"_id": "q1", "text": "rice"}\n{"_id": "q2", "text": "robot"}\n'
    judged = '{"query-id": "q1", "corpus-id": 7, "score": 1}\n'
    found = read_judgements(*files(tmp_path, queries, judged, ".jsonl"))
    assert (found.ids, found.relevance) == (("q1",), ({"7": 1.0},))


def test_without_a_column_of_relevance_all_that_is_named_is_relevant(tmp_path: Path) -> None:
    found = read_judgements(*files(tmp_path, judged="qid,docid\n1,a\n1,b\n"))
    assert found.relevance == ({"a": 1.0, "b": 1.0},)


def test_only_rows_of_a_split(tmp_path: Path) -> None:
    queries = "id,text,split\n1,rice,train\n2,robot,dev\n"
    judged = "query_id,doc_id,split\n1,a,train\n2,b,dev\n"
    assert read_judgements(*files(tmp_path, queries, judged), split="dev").ids == ("2",)
    with pytest.raises(DataError, match="no query whose split is 'test'"):
        read_judgements(*files(tmp_path, queries, judged), split="test")


@pytest.mark.parametrize(
    ("queries", "judged", "message"),
    [
        ("query_id,text\n", JUDGED, "no row|no query"),
        ("", JUDGED, "is empty"),
        (QUERIES, "query_id,corpus_id\n77,a\n", "do both name queries by the same ids"),
        (QUERIES, "query_id,corpus_id,score\n1,a,many\n", "line 2: score is 'many'; give a number"),
        (QUERIES, "query_id,corpus_id,score\n1,a,nan\n", "give a number"),
        (QUERIES, "query_id,corpus_id\n1,\n", "corpus_id is empty"),
        (QUERIES, "who,what\n1,a\n", "no column of .* is known to hold query ids"),
        ("query_id,text\n1,a b\n1,c d\n", JUDGED, "the query id '1' stands there twice"),
    ],
)
def test_files_that_cannot_be_used_are_refused_with_the_reason(
    tmp_path: Path, queries: str, judged: str, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        read_judgements(*files(tmp_path, queries, judged))


def test_queries_alone(tmp_path: Path) -> None:
    assert read_queries(files(tmp_path)[0]) == ["how to cook rice", "what is a robot", "no answer known"]
