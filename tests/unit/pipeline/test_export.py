"""A run as an ONNX graph: compared with the run on held-out rows, and kept only if it loses little."""

from pathlib import Path

import pytest

from conftest import write_reviews
from trifold import TextClassifier
from trifold.artifact.run_record import ClassifierRecord, read_run_record
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.errors import ArtifactError, DataError, ExportError
from trifold.pipeline.export import export


@pytest.fixture(scope="module")
def held_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("data") / "held-out.csv", 40, seed=1)


@pytest.fixture(scope="module")
def run(tiny_model: Path, reviews: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = load_examples(reviews, DataSettings()).examples
    folder: Path = tmp_path_factory.mktemp("runs") / "run"
    made = TextClassifier("features", str(tiny_model), device="cpu", head="logistic", cache=False)
    made.fit(rows.texts, rows.labels).save(folder)
    return folder


def test_an_export_says_what_it_lost_and_is_no_source_of_another(run: Path, held_out: Path, tmp_path: Path) -> None:
    made = export(run, tmp_path / "onnx", data=held_out)
    assert (made.engine, made.rows, made.agreement, made.drop.value) == ("onnx", 40, 1.0, 0.0)
    record = read_run_record(made.folder)
    assert isinstance(record, ClassifierRecord)
    assert record.exported is not None
    assert record.exported.rows_from == str(held_out)
    with pytest.raises(ArtifactError, match="is an export already: name the run that it was made from"):
        export(made.folder, tmp_path / "again", data=held_out)


def test_an_export_that_loses_more_than_is_allowed_is_not_kept(run: Path, held_out: Path, tmp_path: Path) -> None:
    # Forty equal answers show that an export loses more than minus 50 points.
    with pytest.raises(
        ExportError, match=r"loses 0\.00 points of accuracy on 40 held-out rows \(.*\), and --max-drop allows -50"
    ):
        export(run, tmp_path / "onnx", data=held_out, max_drop=-50)
    assert not list(tmp_path.iterdir())


def test_a_run_without_a_data_file_needs_one_with_held_out_rows(run: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="was not trained on a file: name a file with labelled rows"):
        export(run, tmp_path / "onnx")
