"""How alike texts are, two texts and row by row."""

from pathlib import Path

import numpy as np
import pytest

from trifold import TextEmbedder
from trifold.data.settings import TextSettings
from trifold.documents.similarity import similar
from trifold.documents.similarity.similar import similar_pairs, similarity_of
from trifold.errors import BackboneError, DataError, SettingsError
from trifold.models.settings import EncodingSettings

THINGS = ("film", "plot", "cast", "score", "ending", "script", "story")


@pytest.fixture(autouse=True)
def _small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(similar, "ROWS_PER_SLICE", 3)


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


def test_texts_of_unknown_characters_are_refused_since_all_would_look_alike(tiny_model: Path) -> None:
    embedder = TextEmbedder(str(tiny_model), settings=EncodingSettings(device="cpu", precision="float32"))
    with pytest.raises(BackboneError, match="knows 0 of the 1 tokens"):
        similarity_of(embedder, "a film", "\N{FIRE}")
