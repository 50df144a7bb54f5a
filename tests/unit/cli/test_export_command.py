"""`export` and `bench` at the command line: values that they refuse before anything is opened."""

from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.main import run


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("export RUN --max-drop=-1", "--max-drop -1 is not allowed: give points that may be lost, such as 0.5"),
        ("bench RUN --seconds 0", "--seconds 0 is not allowed: give how long each engine is measured, such as 10"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused(
    command: str, sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command.replace("RUN", str(tmp_path)).split()) == 2
    assert sentence in capsys.readouterr().err


def test_speed_is_printed_as_a_table_with_the_machine(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, folder = write_reviews(tmp_path / "some.csv", 60), tmp_path / "run"
    assert run(["finetune", str(data), "--method", "tfidf", "--output-dir", str(folder)]) == 0
    capsys.readouterr()
    assert run(["bench", str(folder), "--seconds", "0.05"]) == 0
    head, row, *_, last = capsys.readouterr().out.splitlines()
    assert head.split()[:2] == ["engine", "texts/s"]
    assert row.split()[0] == "scikit-learn"
    assert last.startswith("12 texts; ")
    assert "GFLOP/s" in last


def test_a_run_without_a_neural_network_is_refused_before_anything_is_said_to_be_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, folder = write_reviews(tmp_path / "some.csv", 60), tmp_path / "run"
    assert run(["finetune", str(data), "--method", "tfidf", "--output-dir", str(folder)]) == 0
    capsys.readouterr()
    assert run(["export", str(folder), "--output-dir", str(tmp_path / "graph")]) == 2
    said = capsys.readouterr().err
    assert said.startswith("trifold: this run has no neural network to export as one graph")
    assert "writing" not in said
    assert not (tmp_path / "graph").exists()
