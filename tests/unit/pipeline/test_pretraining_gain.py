"""What pretraining brings to a method, in words."""

from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.errors import TrifoldError
from trifold.models.settings import BackboneSettings
from trifold.pipeline.pretraining_gain import Gain, pretrain_and_finetune
from trifold.pipeline.request import Request
from trifold.pretrain.settings import TaskSettings
from trifold.statistics.intervals import Interval


@pytest.mark.parametrize(
    ("low", "value", "high", "said"),
    [
        (0.01, 0.03, 0.05, "Pretraining gains +3.0 points of accuracy (95 % interval +1.0 to +5.0)"),
        (-0.05, -0.03, -0.01, "Pretraining costs -3.0 points of accuracy"),
        (-0.01, 0.01, 0.03, "Pretraining is not shown to change anything: it brings +1.0 points of accuracy"),
    ],
)
def test_only_an_interval_without_zero_shows_a_difference(low: float, value: float, high: float, said: str) -> None:
    gain = Gain(Path("run"), "accuracy", 0.8, 0.8 + value, Interval(value, low, high))
    assert gain.sentence().startswith(said)
    assert gain.sentence().endswith(f"80.0 % without, {80 + 100 * value:.1f} % with it.")
    assert gain.named()["gain"] == {"value": value, "low": low, "high": high}


def test_a_method_without_a_backbone_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    request = Request(write_reviews(tmp_path / "some.csv", 40))
    task = TaskSettings(pretrain_on=(tmp_path / "some.csv",))
    with pytest.raises(TrifoldError, match="--method tfidf has no backbone that could be pretrained"):
        pretrain_and_finetune(request, task, "tfidf", tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["some.csv"]


def test_pretraining_that_cannot_begin_leaves_nothing(tmp_path: Path, tiny_model: Path) -> None:
    data = write_reviews(tmp_path / "some.csv", 40)
    request = Request(data, backbone=BackboneSettings(model=str(tiny_model)))
    with pytest.raises(TrifoldError, match=r"nowhere\.txt"):
        pretrain_and_finetune(request, TaskSettings(pretrain_on=(tmp_path / "nowhere.txt",)), "full", tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["some.csv"]
