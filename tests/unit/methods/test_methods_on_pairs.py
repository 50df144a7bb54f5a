"""Every method on pairs of texts: it learns, comes back as it was, and tells the two texts apart; or it is refused."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import DataError, SettingsError
from trifold.methods.catalogue import ALL_METHODS, ASKING, METHODS, method_entry
from trifold.methods.contract import Predictor
from trifold.methods.exported_predictor import ExportedPredictor
from trifold.methods.settings import MethodSettings
from trifold.models.settings import BackboneSettings, ComputeSettings
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.types import Split, TextPair

READING = [name for name in METHODS if method_entry(name).reads_pairs]
CPU = ComputeSettings(device="cpu", precision="float32")


@pytest.fixture(scope="module")
def split(pair_file: Path) -> Split:
    return split_examples(load_examples(pair_file, DataSettings(task="pairs")).examples)


@pytest.fixture(scope="module")
def fitted(split: Split, tiny_model: Path) -> dict[str, Predictor]:
    """Every method that reads pairs, trained."""
    backbone = BackboneSettings(model=str(tiny_model), max_length=48, device="cpu", precision="float32")
    settings = MethodSettings(backbone=backbone, train=TrainSettings(epochs=2))
    labels = LabelMap.of(split.train.labels)
    return {
        name: method_entry(name).load()(settings).fit(split.train, split.validation, labels).predictor
        for name in READING
    }


def test_these_read_pairs() -> None:
    assert READING == ["tfidf", "features", "adapter-lora", "adapter-bottleneck", "full"]


@pytest.mark.parametrize("name", READING)
def test_what_was_saved_gives_the_same_logits(
    name: str, fitted: dict[str, Predictor], split: Split, tmp_path: Path
) -> None:
    fitted[name].save(tmp_path)
    again = method_entry(name).load().predictor.load(tmp_path, CPU)
    before, after = (one.score(split.test.texts) for one in (fitted[name], again))
    np.testing.assert_allclose(before.logits, after.logits, atol=1e-4)
    assert before.logits.shape == (len(split.test), 2)
    assert again.score([]).logits.shape == (0, 2)


@pytest.mark.parametrize("name", ["tfidf", "features"])
def test_texts_that_are_read_apart_may_change_places(name: str, fitted: dict[str, Predictor]) -> None:
    pair = TextPair("The film is superb", "The plot is dull")
    swapped = TextPair(pair.second, pair.first)
    logits = fitted[name].score([pair, swapped]).logits
    np.testing.assert_allclose(logits[0], logits[1], atol=1e-4)
    with pytest.raises(DataError, match="single texts were given where pairs of texts are read"):
        fitted[name].score(["The film is superb"])


def test_tfidf_sees_whether_two_texts_share_words(fitted: dict[str, Predictor], split: Split) -> None:
    labels = LabelMap.of(split.train.labels)
    found = labels.decode(labels.decide(labels.probabilities(fitted["tfidf"].score(split.test.texts).logits)))
    assert np.mean([one == truth for one, truth in zip(found, split.test.labels, strict=True)]) > 0.9


@pytest.mark.parametrize("name", ["full", "adapter-lora", "adapter-bottleneck"])
def test_a_cross_encoder_computes_what_transformers_would(name: str, fitted: dict[str, Predictor]) -> None:
    from transformers import AutoTokenizer

    predictor, pair = fitted[name], TextPair("The film is superb", "The plot is dull")
    inputs = AutoTokenizer.from_pretrained(predictor.base.folder)(
        pair.first, pair.second, return_tensors="pt", return_token_type_ids=True
    )
    given = {name: inputs[name] for name in ("input_ids", "attention_mask", "token_type_ids")}
    assert given["token_type_ids"].any()
    with torch.inference_mode():
        expected = predictor.model(**given).logits.numpy()
    np.testing.assert_allclose(predictor.score([pair]).logits, expected, atol=1e-5)


@pytest.mark.parametrize("name", READING)
def test_an_export_gives_the_same_logits_or_is_refused(
    name: str, fitted: dict[str, Predictor], split: Split, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    if fitted[name].exportable() is None:
        with pytest.raises(SettingsError, match="no neural network to export as one graph"):
            ExportedPredictor.write(fitted[name], tmp_path, int8=False, pairs=True)
        return
    ExportedPredictor.write(fitted[name], tmp_path, int8=False, pairs=True)
    texts = split.test.texts
    found = ExportedPredictor.load(tmp_path, CPU).score(texts).logits
    np.testing.assert_allclose(found, fitted[name].score(texts).logits, atol=2e-3)


@pytest.mark.parametrize("name", [name for name in ALL_METHODS if name not in (*READING, *ASKING)])
def test_the_others_say_why_they_do_not(name: str, split: Split) -> None:
    entry, reason = method_entry(name), "it reads one text a row, and here each row is a pair of texts"
    assert entry.reason_to_skip(split.train, MethodSettings()) == reason
    with pytest.raises(SettingsError, match=f"cannot work here: {reason}; take another --method"):
        entry.require_fit(split.train)


def test_layers_that_are_frozen_are_computed_with_the_types(split: Split, tiny_model: Path) -> None:
    from trifold.methods.settings import TuningSettings

    labels = LabelMap.of(split.train.labels)
    logits = []
    for cache in (True, False):
        backbone = BackboneSettings(
            model=str(tiny_model), max_length=48, device="cpu", precision="float32", cache=cache
        )
        tuning = TuningSettings(train_layers=1)
        settings = MethodSettings(backbone=backbone, tuning=tuning, train=TrainSettings(epochs=1))
        made = method_entry("full").load()(settings).fit(split.train, split.validation, labels)
        assert ("prefix_layers" in made.choices) == cache
        logits.append(made.predictor.score(split.test.texts).logits)
    np.testing.assert_allclose(*logits, atol=2e-3)
