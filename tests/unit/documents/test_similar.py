"""How alike texts are: row by row, and the nearest of each."""

from pathlib import Path

import numpy as np
import pytest

from trifold import TextEmbedder
from trifold.data.settings import TextSettings
from trifold.documents import similar
from trifold.documents.similar import nearest_rows, similar_pairs, similarity_of
from trifold.errors import DataError, SettingsError
from trifold.models.settings import EncodingSettings

THINGS = ("film", "plot", "cast", "score", "ending", "script", "story")


@pytest.fixture(scope="module")
def embedder(tiny_model: Path) -> TextEmbedder:
    return TextEmbedder(str(tiny_model), settings=EncodingSettings(device="cpu", precision="float32"))


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "_ROWS_PER_SLICE", 3)


def write(path: Path, header: str, lines: list[str]) -> Path:
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_two_texts(embedder: TextEmbedder) -> None:
    vectors = embedder.encode(["a superb film", "a dull plot"])
    assert similarity_of(embedder, "a superb film", "a dull plot")[0] == pytest.approx(
        vectors[0] @ vectors[1], abs=1e-5
    )
    assert similarity_of(embedder, "a superb film", "a superb film") == (pytest.approx(1, abs=1e-5), 0)
    with pytest.raises(DataError, match="the text is empty"):
        similarity_of(embedder, "a superb film", " ")


def test_the_cosine_whatever_the_length_of_vectors(tiny_model: Path) -> None:
    settings = EncodingSettings(device="cpu", precision="float32")
    long = TextEmbedder(str(tiny_model), normalize=False, settings=settings)
    assert similarity_of(long, "a superb film", "a superb film")[0] == pytest.approx(1, abs=1e-5)


def test_two_files_row_by_row(embedder: TextEmbedder, tmp_path: Path) -> None:
    first = write(tmp_path / "a.csv", "id,text", [f"{n},the {thing} is dull" for n, thing in enumerate(THINGS)])
    second = write(tmp_path / "b.csv", "text", [f"the {thing} is dull" for thing in THINGS[:-1]] + ['""'])
    found = similar_pairs(embedder, first, second, TextSettings())
    rows = list(found.rows)
    assert found.table.columns == ("id", "text", "other_text", "similarity", "error")
    np.testing.assert_allclose([row["similarity"] for row in rows[:-1]], 1, atol=1e-5)
    assert rows[-1]["similarity"] is None
    assert rows[-1]["error"] == "line 8 of the other file: the text is empty"
    assert (found.counts.compared, found.counts.unreadable) == (6, 1)
    assert found.counts.in_words() == "6 pairs of texts compared, 1 row unreadable"


def test_files_of_another_number_of_rows_are_refused(embedder: TextEmbedder, tmp_path: Path) -> None:
    first, second = (write(tmp_path / f"{n}.csv", "text", ["a film"] * n) for n in (4, 5))
    with pytest.raises(DataError, match=r"4\.csv has 4 rows and .*5\.csv 5, so they cannot be compared row by row"):
        similar_pairs(embedder, first, second, TextSettings())


def test_two_columns_of_a_file(embedder: TextEmbedder, tmp_path: Path) -> None:
    data = write(tmp_path / "a.csv", "q,a", ["a dull film,a dull film", "a dull film,", "the cast,the superb score"])
    found = similar_pairs(embedder, data, None, TextSettings(text_column="q,a"))
    rows = list(found.rows)
    vectors = embedder.encode(["the cast", "the superb score"])
    assert rows[0]["similarity"] == pytest.approx(1, abs=1e-5)
    assert (rows[1]["similarity"], rows[1]["error"]) == (None, "line 3: the text is empty")
    assert rows[2]["similarity"] == pytest.approx(vectors[0] @ vectors[1], abs=1e-5)
    with pytest.raises(SettingsError, match="name both, such as --text-column question,answer"):
        similar_pairs(embedder, data, None, TextSettings(text_column="q"))


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
    assert (found.counts.compared, found.counts.unreadable) == (6, 2)


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
