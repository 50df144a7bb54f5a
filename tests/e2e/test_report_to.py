"""`--report-to`: the figures of a training in an experiment tracker."""

from pathlib import Path

import pytest

from warm_commands import Command


def test_tensorboard_gets_every_figure_as_it_comes(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    done = trifold_command(
        *("finetune", reviews, "--method", "full", "--model", tiny_model, "--lr", "3e-3", "--epochs", 2),
        *("--report-to", "tensorboard", "--output-dir", tmp_path / "runs" / "first"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    (folder,) = (tmp_path / "runs" / "trackers").iterdir()
    assert folder.name == "runs-first"
    events = accumulator.EventAccumulator(str(folder))
    events.Reload()
    history = (tmp_path / "runs" / "first" / "history.csv").read_text().splitlines()
    assert len(events.Scalars("train_loss")) == len(history) - 1
    assert len(events.Scalars("validation_loss")) == 2
    assert len(events.Scalars("test_accuracy")) == 1


def test_a_tracker_that_is_not_installed_is_named_before_anything_is_trained(
    reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command(
        *("finetune", reviews, "--method", "tfidf", "--report-to", "wandb", "--output-dir", tmp_path / "run")
    )
    if done.returncode == 0:
        pytest.skip("wandb is installed")
    assert done.returncode == 2
    assert "--report-to wandb needs its package: pip install wandb" in done.stderr
    assert not (tmp_path / "run").exists()
