"""Documents as they are read: each has a name of its own."""

from pathlib import Path

import pytest

from trifold.data.settings import TextSettings
from trifold.documents.document import Document, given_documents, table_documents
from trifold.errors import DataError
from trifold.types import BadRow


def test_texts_in_memory_have_the_names_that_they_are_given_or_their_numbers() -> None:
    given = ["a film", {"text": "a plot", "id": "b"}, {"text": "a cast", "id": None}, {"text": "a score", "id": "7"}]
    found = list(given_documents(given).read())
    assert [one.id for one in found if isinstance(one, Document)] == ["1", "b", "7"]
    assert [(one.line, one.reason) for one in found if isinstance(one, BadRow)] == [(3, "its id is empty")]


@pytest.mark.parametrize("names", [("a", "a"), (2, "2"), ("2", None)])
def test_two_texts_in_memory_of_one_name_are_refused(names: tuple[object, object]) -> None:
    given = [{"text": "a film", **({} if name is None else {"id": name})} for name in names]
    with pytest.raises(DataError, match=r"rows 1 and 2 of the texts in memory have the same id, '\w': give each an id"):
        given_documents(given)


def test_two_rows_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,text\na,the film\nb,the plot\na,the cast\n")
    documents = table_documents(tmp_path / "new.csv", TextSettings(), "id")
    with pytest.raises(DataError, match=r"rows 1 and 3 of .*new.csv have the same id, 'a': name a column of distinct"):
        list(documents.read())
    assert [one.id for one in table_documents(tmp_path / "new.csv", TextSettings()).read()] == ["1", "2", "3"]


@pytest.mark.parametrize(
    ("header", "rows", "called", "said"),
    [
        ("_id,text", ["a7,the film", "b9,the plot"], ["a7", "b9"], "documents are called by column '_id'"),
        ("text,Doc_ID", ["the film,a7", "the plot,b9"], ["a7", "b9"], "documents are called by column 'Doc_ID'"),
        ("_id,id,text", ["a,1,the film", "a,2,the plot"], ["1", "2"], "documents are called by column 'id'"),
        ("id,text", ["a,the film", "a,the plot"], ["1", "2"], "column 'id' is empty or the same in some rows"),
        ("id,text", ["a,the film", ",the plot"], ["1", "2"], "column 'id' is empty or the same in some rows"),
        ("year,text", ["1,the film", "2,the plot"], ["1", "2"], ""),
        ("id,text", ["a,the film", "a,"], ["a"], "documents are called by column 'id'"),
    ],
)
def test_a_column_that_calls_every_document_differently_is_taken_and_said(
    header: str, rows: list[str], called: list[str], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "new.csv").write_text("\n".join([header, *rows]) + "\n")
    documents = table_documents(tmp_path / "new.csv", TextSettings(text_column="text"))
    assert [one.id for one in documents.read() if isinstance(one, Document)] == called
    shown = capsys.readouterr().err
    assert said in shown if said else "called by" not in shown


def test_documents_are_called_by_their_rows_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("_id,text\na,the film\nb,the plot\n")
    documents = table_documents(tmp_path / "new.csv", TextSettings(), "")
    assert [one.id for one in documents.read() if isinstance(one, Document)] == ["1", "2"]
    assert list(documents.types) == ["_id"]
