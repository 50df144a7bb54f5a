"""A stop at the worst moment, when the model is trained and its run is not in place yet, costs nothing."""

import json
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.models.settings import BackboneSettings
from trifold.pipeline.finetune import finetune
from trifold.pipeline.pretrain import pretrain
from trifold.pipeline.pretrain_request import PretrainRequest
from trifold.pipeline.request import Request
from trifold.pretrain.settings import CorpusSettings, LearningSettings, SourceSettings
from trifold.train.settings import CheckpointSettings, TrainSettings


def stop(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_finetuning_goes_on_from_what_was_trained(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = write_reviews(tmp_path / "some.csv", 60)
    request = Request(data, backbone=BackboneSettings(model=str(tiny_model)), train=TrainSettings(epochs=1))
    folder = tmp_path / "run"
    with monkeypatch.context() as changed:
        changed.setattr("trifold.pipeline.finetune._prove_saved", stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(request, "full", folder, announce=False)
    assert [path.name for path in folder.iterdir()] == ["state"]
    assert "the same command with --resume goes on from it" in capsys.readouterr().err
    with monkeypatch.context() as changed:
        changed.setattr("trifold.train.session.Session.end_step", stop)
        finetune(request, "full", folder, announce=False, keep=CheckpointSettings(resume=True))
    assert "resumed after step" in capsys.readouterr().err
    assert (folder / "run.json").is_file()
    assert not (folder / "state").exists()


def test_a_pretraining_by_the_clock_goes_on_from_what_was_trained(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = tmp_path / "text.txt"
    text.write_text("".join(f"On day {day} there was rain and the film was wet.\n" for day in range(300)))
    request = PretrainRequest(
        (text,),
        source=SourceSettings(model=str(tiny_model)),
        corpus=CorpusSettings(block_size=32, documents="line"),
        learning=LearningSettings(time_limit=0.03),
    )
    folder = tmp_path / "pre"
    with monkeypatch.context() as changed:
        changed.setattr("trifold.pipeline.pretrain.prove_saved", stop)
        with pytest.raises(KeyboardInterrupt):
            pretrain(request, folder)
    budget = json.loads((folder / "state" / "budget.json").read_text())
    assert "the same command with --resume goes on from it" in capsys.readouterr().err
    made = pretrain(request, folder, CheckpointSettings(resume=True))
    assert "resumed after step" in capsys.readouterr().err
    assert made.record.budget == budget
    assert (folder / "model").is_dir()
    assert not (folder / "state").exists()


def test_a_stop_while_figures_are_drawn_leaves_the_run_and_says_how_they_come(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    request = Request(write_reviews(tmp_path / "some.csv", 60))
    with monkeypatch.context() as changed:
        changed.setattr("trifold.pipeline.drawn_run.write_confusion", stop)
        with pytest.raises(KeyboardInterrupt):
            finetune(request, "tfidf", tmp_path / "run", announce=False)
    assert "confusion.png was being made; everything else is kept: the same command with --resume" in (
        capsys.readouterr().err
    )
    finetune(request, "tfidf", tmp_path / "run", announce=False, keep=CheckpointSettings(resume=True))
    assert (tmp_path / "run" / "confusion.png").is_file()
