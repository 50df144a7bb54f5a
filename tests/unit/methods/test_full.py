"""`full`: defaults that follow the data's size, and attention without dropout."""

from pathlib import Path

from trifold.backbone.locate import locate
from trifold.methods.defaults import full_epochs
from trifold.methods.full import _classifier
from trifold.tasks.labels import LabelMap


def test_small_data_gets_more_passes_and_large_data_at_least_two() -> None:
    assert [full_epochs(rows) for rows in (1, 100, 500, 1_000, 5_000, 12_000, 16_000, 1_000_000)] == [
        10,
        10,
        6,
        3,
        3,
        3,
        2,
        2,
    ]


def test_attention_has_no_dropout_and_the_head_knows_the_labels(tiny_model: Path) -> None:
    model = _classifier(locate(str(tiny_model)), LabelMap(("bad", "good")))
    assert model.config.attention_probs_dropout_prob == 0.0
    assert model.config.hidden_dropout_prob == 0.1
    assert model.config.id2label == {0: "bad", 1: "good"}
