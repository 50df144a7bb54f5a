"""A run as an ONNX graph: compared with the run on held-out rows, and kept only if it loses little."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from conftest import write_reviews
from trifold import TextClassifier, TextEmbedder
from trifold.artifact.manifest import write_manifest
from trifold.artifact.run_record import ClassifierRecord, read_run_record
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.errors import ArtifactError, BackboneError, DataError, ExportError
from trifold.inference.run import load_run
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


def test_an_export_says_what_it_lost_and_is_no_source_of_another(
    run: Path, held_out: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = export(run, tmp_path / "onnx", data=held_out)
    assert f"writing {run} as an ONNX graph, and comparing its answers with the run's\n" in capsys.readouterr().err
    assert (made.engine, made.rows, made.agreement, made.drop.value) == ("onnx", 40, 1.0, 0.0)
    record = read_run_record(made.folder)
    assert isinstance(record, ClassifierRecord)
    assert record.exported is not None
    assert record.exported.rows_from == str(held_out)
    assert record.exported.difference == pytest.approx(made.difference, abs=1e-6)
    assert made.difference < 1e-3
    with pytest.raises(ArtifactError, match="is an export already: name the run that it was made from"):
        export(made.folder, tmp_path / "again", data=held_out)


def test_an_export_of_an_earlier_version_is_read(run: Path, held_out: Path, tmp_path: Path) -> None:
    folder = export(run, tmp_path / "onnx", data=held_out).folder
    wanted = load_run(folder).predictor.score(["a superb film"]).logits
    (folder / "model").mkdir()
    for name in ("onnx/model.onnx", "config.json", "head.json", "head.safetensors", "tokenizer.json"):
        (folder / name).rename(folder / "model" / Path(name).name)
    shutil.rmtree(folder / "onnx")
    for path in folder.glob("*token*.json"):
        path.unlink()
    write_manifest(folder)
    np.testing.assert_array_equal(load_run(folder).predictor.score(["a superb film"]).logits, wanted)


def test_an_export_is_saved_again_from_python(run: Path, held_out: Path, tmp_path: Path) -> None:
    folder = export(run, tmp_path / "onnx", data=held_out).folder
    TextClassifier.load(folder).save(tmp_path / "again")
    wanted = load_run(folder).predictor.score(["a superb film"]).logits
    np.testing.assert_array_equal(load_run(tmp_path / "again").predictor.score(["a superb film"]).logits, wanted)


def test_vectors_are_made_by_the_run_and_not_by_its_export(run: Path, held_out: Path, tmp_path: Path) -> None:
    folder = export(run, tmp_path / "onnx", data=held_out).folder
    with pytest.raises(BackboneError, match="is an export, which gives labels and no vectors: name the run"):
        TextEmbedder(folder)


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
