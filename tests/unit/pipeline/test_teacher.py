"""What stands beside the data never costs a training."""

from pathlib import Path

import pytest

import trifold.pipeline.finetune as finetuning
from conftest import write_reviews
from trifold.errors import DataError
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request


def test_a_data_file_whose_teachers_name_would_be_too_long_is_learned_from(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / f"{'a' * 240}.csv")
    run = finetune(Request(data), "tfidf", tmp_path / "run").folder
    assert (run / "run.json").is_file()


def test_a_comparison_with_a_teacher_that_fails_is_said_and_the_run_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise DataError("it was moved")

    monkeypatch.setattr(finetuning, "find_teacher", lambda *_: {"llm": "m"})
    monkeypatch.setattr(finetuning, "compare_with_teacher", fail)
    finetune(Request(write_reviews(tmp_path / "some.csv")), "tfidf", tmp_path / "run")
    assert (tmp_path / "run" / "run.json").is_file()
    assert "nothing is said of the labels' teacher (DataError: it was moved)" in capsys.readouterr().err
