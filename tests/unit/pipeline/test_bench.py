"""The speed of a run: which texts are measured, on which device, and what is said where that fails."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from conftest import write_reviews
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import TextSettings
from trifold.errors import DataError
from trifold.methods.settings import HeadSettings
from trifold.models.settings import BackboneSettings
from trifold.pipeline.bench import bench, texts_to_measure
from trifold.pipeline.engine_timing import measure_speed
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request


def test_texts_are_drawn_from_all_of_a_sorted_file(tmp_path: Path) -> None:
    source = tmp_path / "sorted.csv"
    source.write_text("text\n" + "short\n" * 2500 + "much longer\n" * 2500)
    texts = texts_to_measure(source, TextSettings(), RecordedColumns("the run"))
    assert len(texts) == 2000
    assert 900 < texts.count("short") < 1100


def test_a_file_without_a_usable_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("text,label\n,good\n")
    with pytest.raises(DataError, match="has no usable text: name a file with texts"):
        texts_to_measure(tmp_path / "empty.csv", TextSettings(), RecordedColumns("the run"))


def test_a_run_is_measured_on_its_own_test_rows(tmp_path: Path) -> None:
    run = finetune(Request(write_reviews(tmp_path / "some.csv", 60)), "tfidf", tmp_path / "run").folder
    found = bench(run, None, 0.05)
    assert (found.run, found.texts, found.mean_tokens) == (run, 12, 0)
    (speed,) = found.engines
    assert speed.engine == "scikit-learn"
    assert speed.texts_per_second > 0
    assert 0 < speed.p50_ms <= speed.p99_ms
    assert len(speed.passes) >= 3
    assert speed.in_words()["tokens/s"] == "-"


def test_engines_are_measured_on_the_processor(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    backbone = BackboneSettings(model=str(tiny_model), device="cpu", cache=False)
    request = Request(write_reviews(tmp_path / "some.csv", 60), backbone=backbone, head=HeadSettings(head="logistic"))
    run = finetune(request, "features", tmp_path / "run").folder
    # A device that is chosen by what the machine has would be this one, which is not there.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    found = measure_speed(run, ["a film"] * 8, 0.1, time.time(), trust_remote_code=False)
    assert found.texts == 8


def test_an_engine_that_cannot_be_measured_says_why_in_a_sentence(tmp_path: Path) -> None:
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(["a film"]))
    command = [
        sys.executable,
        "-m",
        "trifold.pipeline.engine_timing",
        str(tmp_path / "none"),
        str(texts),
        "1",
        "0",
        "0",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 2
    assert done.stderr.startswith("trifold: there is no run folder")
    assert len(done.stderr.splitlines()) == 1
