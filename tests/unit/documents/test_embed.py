"""A file of texts as a file of vectors."""

from pathlib import Path

import numpy as np
import pytest

from trifold.data.settings import TextSettings
from trifold.documents.embed import embed_file
from trifold.documents.models import find_encoder
from trifold.errors import DataError, SettingsError
from trifold.models.settings import EncodingSettings


def test_row_by_row_a_vector_of_length_one_and_none_for_a_bad_row(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,text\n1,the film is superb\n2,\n3,the film is superb\n4,a dull plot\n")
    model = find_encoder(str(tiny_model), EncodingSettings(device="cpu", precision="float32"))
    found = embed_file(*model, tmp_path / "new.csv", tmp_path / "vectors.npy", TextSettings(), None)
    vectors = np.load(tmp_path / "vectors.npy")
    assert (found.rows, found.width, found.truncated) == (*vectors.shape, 0) == (4, 32, 0)
    assert [line for line, _ in found.bad] == [3]
    assert np.isnan(vectors[1]).all()
    np.testing.assert_allclose(np.linalg.norm(vectors[[0, 2, 3]], axis=1), 1, rtol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[2], rtol=1e-5)


def test_a_format_for_no_vectors_and_a_column_that_is_taken_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("text,vector\nthe film is superb,1\n")
    model = find_encoder(str(tiny_model), EncodingSettings(device="cpu", precision="float32"))
    with pytest.raises(SettingsError, match=r"name a file that ends in .npy or .parquet"):
        embed_file(*model, tmp_path / "new.csv", tmp_path / "vectors.csv", TextSettings(), None)
    with pytest.raises(DataError, match="already has a column 'vector'"):
        embed_file(*model, tmp_path / "new.csv", tmp_path / "vectors.parquet", TextSettings(), None)
    assert not (tmp_path / "vectors.parquet").exists()
