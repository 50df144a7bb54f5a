"""The classification head's model: how it starts, and that computing less of the last layer changes nothing."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from trifold.models.backbone_files import BackboneFiles
from trifold.models.classification_head import new_classifier, saved_classifier, trained_on_means
from trifold.models.locate import locate
from trifold.tasks.labels import LabelMap


def batch() -> dict[str, torch.Tensor]:
    """Three texts of different lengths, padded."""
    ids = torch.randint(5, 40, (3, 9), generator=torch.Generator().manual_seed(0))
    mask = torch.ones_like(ids)
    mask[1, 5:], mask[2, 2:] = 0, 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.fixture
def sentence_encoder(tiny_model: Path, tmp_path: Path) -> Path:
    """The tiny model, saying of itself that it was trained on means."""
    folder = shutil.copytree(tiny_model, tmp_path / "sentence-encoder")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


def plain(folder: Path) -> Any:
    """The same folder as anyone else loads it."""
    from transformers import AutoModelForSequenceClassification

    return AutoModelForSequenceClassification.from_pretrained(folder).eval()


def test_attention_has_no_dropout_and_the_head_knows_the_labels(tiny_model: Path) -> None:
    model = new_classifier(locate(str(tiny_model)), LabelMap(("bad", "good")), may_grow=True)
    assert model.config.attention_probs_dropout_prob == 0.0
    assert model.config.hidden_dropout_prob == 0.1
    assert model.config.id2label == {0: "bad", 1: "good"}


@pytest.mark.parametrize("kind", ["bert", "roberta", "electra", "distilbert"])
def test_logits_and_gradients_are_those_of_plain_transformers(kind: str, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModelForSequenceClassification

    sizes = {"hidden_size": 32, "embedding_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    if kind == "distilbert":
        sizes = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64}
    config = AutoConfig.for_model(kind, vocab_size=50, max_position_embeddings=40, num_labels=3, **sizes)
    AutoModelForSequenceClassification.from_config(config).save_pretrained(tmp_path)
    ours, theirs = saved_classifier(locate(str(tmp_path))).eval(), plain(tmp_path)
    results = [model(**batch()).logits for model in (ours, theirs)]
    torch.testing.assert_close(results[0], results[1], atol=1e-6, rtol=0)
    for logits in results:
        logits.square().sum().backward()
    for name, weight in ours.named_parameters():
        other = theirs.get_parameter(name).grad
        got = torch.zeros_like(weight) if weight.grad is None else weight.grad
        torch.testing.assert_close(got, torch.zeros_like(weight) if other is None else other, atol=1e-5, rtol=0)


def test_a_head_for_several_labels_says_so(tiny_model: Path) -> None:
    labels = LabelMap(("a", "b", "c"), multi_label=True)
    config = new_classifier(locate(str(tiny_model)), labels, may_grow=True).config
    assert (config.problem_type, config.num_labels) == ("multi_label_classification", 3)


def test_only_a_bert_trained_on_means_gets_a_layer_that_starts_as_the_mean(
    sentence_encoder: Path, tiny_model: Path
) -> None:
    ordinary = new_classifier(locate(str(tiny_model)), LabelMap(("bad", "good")), may_grow=True)
    assert ordinary.config.num_hidden_layers == 2
    model = new_classifier(locate(str(sentence_encoder)), LabelMap(("bad", "good")), may_grow=True).eval()
    assert model.config.num_hidden_layers == 3
    states = model.base_model(**batch(), output_hidden_states=True).hidden_states
    below, mask = states[2], batch()["attention_mask"].unsqueeze(-1)
    mean = (below * mask).sum(1) / mask.sum(1)
    wanted = torch.nn.functional.layer_norm(mean + below[:, 0], (32,))
    torch.testing.assert_close(model.base_model(**batch()).last_hidden_state[:, 0], wanted, atol=1e-4, rtol=0)


def test_the_new_layer_learns_and_loads_in_plain_transformers(sentence_encoder: Path, tmp_path: Path) -> None:
    model = new_classifier(locate(str(sentence_encoder)), LabelMap(("bad", "good")), may_grow=True)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.5)
    before = {name: weight.detach().clone() for name, weight in model.named_parameters() if "layer.2." in name}
    for _ in range(3):
        model(**batch(), labels=torch.tensor([0, 1, 0])).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    # A key's bias adds the same to all scores of a token, so attention cannot see it.
    still = [n for n, old in before.items() if torch.equal(old, model.get_parameter(n)) and "key.bias" not in n]
    assert not still
    model.eval().save_pretrained(tmp_path / "saved")
    torch.testing.assert_close(model(**batch()).logits, plain(tmp_path / "saved")(**batch()).logits, atol=1e-6, rtol=0)


def test_a_pooling_file_that_cannot_be_read_says_nothing(tmp_path: Path) -> None:
    (tmp_path / "1_Pooling").mkdir()
    (tmp_path / "1_Pooling" / "config.json").write_text("[" * 100_000)
    assert not trained_on_means(BackboneFiles(tmp_path, "x", None))
