"""What a run says of itself decides neither what is opened from elsewhere, nor how a measurement is made."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import write_reviews
from trifold.errors import DataError
from trifold.inference.run import Run, load_run
from trifold.pipeline import bench
from trifold.pipeline.finetune import finetune
from trifold.pipeline.recorded_run import reopen_task
from trifold.pipeline.request import Request


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reopened")
    return finetune(Request(write_reviews(folder / "some.csv")), "tfidf", folder / "run").folder


@pytest.mark.parametrize("path", ["hf:someone/rows", "-"])
@pytest.mark.parametrize("name", ["path", "test_file"])
def test_no_data_set_is_asked_for_on_the_word_of_a_run(run: Path, path: str, name: str) -> None:
    loaded = load_run(run)
    data = loaded.record.data
    data = data.but(path=path) if name == "path" else data.but(reading=data.reading.but(test_file=path))
    with pytest.raises(
        DataError, match=f"was trained on {path}, which is not opened on the word of a run: name a file"
    ):
        reopen_task(Run(run, loaded.predictor, loaded.record.but(data=data)), "name a file")


def test_engines_are_measured_on_the_processor(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def loaded(path: Path, compute: Any) -> Run:
        seen.append(compute)
        return load_run(path, compute)

    monkeypatch.setattr(bench, "load_local_run", loaded)
    bench._measure(run, ["a film"] * 8, 0.1, 0.0, False)
    assert [compute.device for compute in seen] == ["cpu"]


def test_an_engine_that_cannot_be_measured_says_why_in_a_sentence(tmp_path: Path) -> None:
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(["a film"]))
    command = [sys.executable, "-m", "trifold.pipeline.bench", str(tmp_path / "none"), str(texts), "1", "0", "0"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("trifold: there is no run folder")
    assert len(done.stderr.splitlines()) == 1
