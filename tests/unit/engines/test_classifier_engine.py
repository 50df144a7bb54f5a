"""A classifier without transformers gives transformers' logits, and transformers computes all others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trifold.engines.catalogue import classifier_of, read_weights
from trifold.engines.classifier import classifier_engine
from trifold.engines.classifier_weights import ClassifierWeights
from trifold.engines.prepacked import PrepackedLinear
from trifold.engines.protocol import Weights
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime, cpu_multiplies_bfloat16

SIZES = {
    "vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 40,
}  # fmt: skip
CPU = Runtime("cpu", "float32")
CLASSIFIER = "AutoModelForSequenceClassification"


def saved(folder: Path, kind: str, head: str = CLASSIFIER, **options: Any) -> Any:
    """A random model of transformers, every number of it drawn, and its folder written."""
    import transformers

    torch.manual_seed(1)
    config = transformers.AutoConfig.for_model(kind, **{**SIZES, **options})
    model = getattr(transformers, head).from_config(config).eval()
    with torch.no_grad():
        for weight in model.parameters():
            weight.normal_(std=0.2)
    model.save_pretrained(folder)
    return model


def refuse() -> Any:
    raise AssertionError("transformers' model was asked for")


def weights_of(model: Any) -> ClassifierWeights:
    return ClassifierWeights(Weights(model.config.to_dict(), model.state_dict()))


@pytest.mark.parametrize("padded", [True, False])
@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "camembert"])
def test_logits_are_those_of_transformers(kind: str, padded: bool, tmp_path: Path) -> None:
    model = saved(tmp_path, kind, type_vocab_size=2, layer_norm_eps=1e-5, num_labels=3)
    ids = np.random.default_rng(0).integers(5, 90, (2, 17))
    mask = np.ones_like(ids)
    if padded:
        ids[1, 9:], mask[1, 9:] = 1, 0
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids), torch.from_numpy(mask)).logits
    in_files = read_weights(locate(str(tmp_path)))
    assert in_files is not None
    for weights in (ClassifierWeights(in_files), weights_of(model)):
        found = classifier_engine(weights, 3, CPU, refuse)(ids, mask)
        np.testing.assert_allclose(found, expected, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(("kind", "head"), [("electra", CLASSIFIER), ("bert", "AutoModel"), ("roberta", "AutoModel")])
def test_another_architecture_or_head_is_left_to_transformers(kind: str, head: str, tmp_path: Path) -> None:
    assert classifier_of(weights_of(saved(tmp_path, kind, head)), 2) is None


def test_transformers_computes_where_the_classes_are_others_or_nothing_is_known(tmp_path: Path) -> None:
    model = saved(tmp_path, "bert", num_labels=3)
    ids = np.random.default_rng(0).integers(5, 90, (2, 17))
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids)).logits
    for weights in (weights_of(model), None):
        loaded: list[Any] = []
        logits = classifier_engine(weights, 4, CPU, lambda: loaded.append(model) or model)  # noqa: B023
        assert loaded == [model]
        np.testing.assert_allclose(logits(ids, np.ones_like(ids)), expected, atol=1e-5)


@pytest.mark.skipif(not cpu_multiplies_bfloat16(), reason="the processor has no bfloat16 of its own")
def test_a_prepacked_classifier_gives_nearly_the_same() -> None:
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(2)
    files = locate("minilm")
    model = AutoModelForSequenceClassification.from_pretrained(files.folder, num_labels=4).eval()
    ids, mask = Tokenizer(files, 64).encode(["A superb and moving film.", "Far too long."]).padded(np.arange(2), 0)
    with torch.inference_mode():
        expected = model(torch.from_numpy(ids), torch.from_numpy(mask)).logits.numpy()
    packed: list[int] = []
    whole = PrepackedLinear.forward
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PrepackedLinear, "forward", lambda self, states: packed.append(1) or whole(self, states))
        found = classifier_engine(weights_of(model), 4, Runtime("cpu", "bfloat16"), refuse)(ids, mask)
    assert packed
    np.testing.assert_allclose(found, expected, atol=5e-3)
