"""The nearest rows of each row of a file, and of a text."""

from pathlib import Path

import pytest

from trifold import TextEmbedder
from trifold.data.settings import TextSettings
from trifold.documents.similarity import nearest_rows as module
from trifold.documents.similarity.nearest_rows import nearest_rows
from trifold.errors import DataError

THINGS = ("film", "plot", "cast", "score", "ending", "script", "story")


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROWS_PER_SLICE", 3)


def write(path: Path, header: str, lines: list[str]) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_the_nearest_of_another_file(embedder: TextEmbedder, tmp_path: Path) -> None:
    texts = [f"the {thing} is superb" for thing in THINGS]
    first = write(tmp_path / "a.csv", "id,text", ["1,the cast is superb", '2,""', "3,the plot is superb"])
    second = write(tmp_path / "b.csv", "text", [*texts[:2], '""', *texts[2:]])
    found = nearest_rows(embedder, first, second, 3, TextSettings())
    rows = list(found.rows)
    expected = embedder.encode(["the cast is superb"]) @ embedder.encode(texts).T
    assert [row["rank"] for row in rows if row["id"] == "1"] == [1, 2, 3]
    assert [row["similarity"] for row in rows[:3]] == pytest.approx(sorted(expected[0])[:-4:-1], abs=1e-5)
    # Row 3 of the other file has no text, and counts as a row.
    assert (rows[0]["other_row"], rows[0]["other_text"]) == (4, "the cast is superb")
    assert rows[3]["error"] == "line 3: the text is empty"
    assert (rows[4]["id"], rows[4]["other_row"]) == ("3", 2)
    assert [row["own_row"] for row in rows] == [1, 1, 1, 2, 3, 3, 3]
    # All against all, of which the three nearest of each are told.
    assert (found.counts.compared, found.counts.told, found.counts.unreadable) == (14, 6, 2)
    assert found.counts.in_words() == "2 texts compared with 7 each, 6 pairs told, 2 rows unreadable"


def test_the_nearest_of_the_same_file_are_others(embedder: TextEmbedder, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", "text", [f"the {thing} is superb" for thing in THINGS] + ["the cast is superb"])
    rows = list(nearest_rows(embedder, data, None, 1, TextSettings()).rows)
    assert len(rows) == 8
    assert [rows[2]["other_row"], rows[7]["other_row"]] == [8, 3]
    assert all(row["other_row"] != number for number, row in enumerate(rows, start=1))
    assert len(list(nearest_rows(embedder, data, None, 99, TextSettings()).rows)) == 8 * 7


def test_a_text_and_a_file(embedder: TextEmbedder, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", "text", [f"the {thing} is superb" for thing in THINGS])
    rows = list(nearest_rows(embedder, "the score is superb", data, 2, TextSettings()).rows)
    assert [row["rank"] for row in rows] == [1, 2]
    assert rows[0]["other_text"] == "the score is superb"
    with pytest.raises(DataError, match="the text is empty: give a text with at least one word"):
        nearest_rows(embedder, "", data, 2, TextSettings())


def test_a_column_that_would_be_added_is_refused(embedder: TextEmbedder, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", "text,similarity", ["a film,1"])
    with pytest.raises(DataError, match="already has a column 'similarity', which the comparison would add: rename it"):
        nearest_rows(embedder, data, None, 1, TextSettings(text_column="text"))
