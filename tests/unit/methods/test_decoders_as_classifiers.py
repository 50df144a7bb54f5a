"""Decoders and encoder-decoders under every method: each works, or is refused in a sentence before it is trained."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from conftest import several_labels
from language_models import train_decoder
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import BackboneError
from trifold.llm.prompt_template import Message
from trifold.methods import method_entry
from trifold.methods.contract import Fitted
from trifold.methods.exported_predictor import ExportedPredictor
from trifold.methods.settings import MethodSettings, TuningSettings
from trifold.models.settings import BackboneSettings
from trifold.pipeline.pretrain import pretrain
from trifold.pipeline.pretrain_request import PretrainRequest
from trifold.pretrain.settings import CorpusSettings, LearningSettings, ScratchSettings
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.types import Examples, Split

TEXTS = ["The film is wonderful, the plot brilliant", "The cast is awful", "the"]
EXACT = BackboneSettings(device="cpu", offline=True, precision="float32", max_length=48)
METHODS = ("features", "full", "adapter-lora", "adapter-bottleneck", "contrastive", "zero-shot")


@pytest.fixture(scope="module")
def split(reviews: Path) -> Split:
    return split_examples(load_examples(reviews, DataSettings()).examples)


def with_tokenizer_of(other: Path, folder: Path, config: object) -> Path:
    """A model with random weights, beside the tokenizer of another."""
    from transformers import AutoModel

    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((other / name).read_bytes())
    return folder


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    turns = (Message("user", "The film is wonderful"), Message("assistant", "good"))
    return train_decoder(tmp_path_factory.mktemp("models") / "llama", [turns], turns, steps=1)


@pytest.fixture(scope="module", params=["gpt2", "llama", "gemma3_text", "qwen3", "clm"])
def decoder_model(request: pytest.FixtureRequest, llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Decoders that know no padding: of four architectures, and our own from `pretrain --objective clm`."""
    from transformers import AutoConfig

    folder = tmp_path_factory.mktemp("models") / request.param
    if request.param == "clm":
        text = folder.with_suffix(".txt")
        rng = random.Random(0)
        words = ("the", "film", "plot", "is", "wonderful", "awful", "boring", "cast", "and", "superb")
        text.write_text("\n".join(" ".join(rng.choices(words, k=9)) for _ in range(200)))
        made = pretrain(
            PretrainRequest(
                (text,),
                "clm",
                CorpusSettings(block_size=48),
                scratch=ScratchSettings(from_scratch=True, vocab_size=280, layers=2, hidden_size=32, heads=2),
                learning=LearningSettings(max_tokens=2_000),
            ),
            folder,
        )
        return made.folder
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "max_position_embeddings": 64}
    more = {} if request.param == "gpt2" else {"intermediate_size": 64, "pad_token_id": None}
    if request.param in ("gemma3_text", "qwen3"):
        more |= {"head_dim": 16, "num_key_value_heads": 1}
    if request.param == "gemma3_text":
        # Below, a token attends to the nearest ones alone.
        more |= {"sliding_window": 8, "layer_types": ["sliding_attention", "full_attention"]}
    config = AutoConfig.for_model(request.param, vocab_size=900, bos_token_id=1, eos_token_id=1, **sizes, **more)
    return with_tokenizer_of(llama, folder, config)


@pytest.fixture(scope="module")
def t5(llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import T5Config

    config = T5Config(vocab_size=900, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=2, decoder_start_token_id=0)
    return with_tokenizer_of(llama, tmp_path_factory.mktemp("models") / "t5", config)


def fit(method: str, model: Path, train: Examples, validation: Examples, **given: object) -> Fitted:
    settings = MethodSettings(backbone=replace(EXACT, model=str(model)), train=TrainSettings(epochs=1, **given))  # type: ignore[arg-type]
    return method_entry(method).load()(settings).fit(train, validation, LabelMap.of(train.labels))


@pytest.mark.parametrize("method", METHODS)
def test_a_decoder_is_trained_saved_and_loaded(method: str, decoder_model: Path, split: Split, tmp_path: Path) -> None:
    fitted = fit(method, decoder_model, split.train, split.validation)
    before = fitted.predictor.score(TEXTS).logits
    assert np.isfinite(before).all()
    # Beside longer texts, a short one is filled up and must give the same.
    np.testing.assert_allclose(fitted.predictor.score(TEXTS[2:]).logits, before[2:], atol=1e-4)
    fitted.predictor.save(tmp_path)
    back = method_entry(method).load().predictor.load(tmp_path, EXACT)
    np.testing.assert_allclose(back.score(TEXTS).logits, before, atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_an_encoder_decoder_is_refused_before_it_is_trained(method: str, t5: Path, split: Split) -> None:
    with pytest.raises(BackboneError, match="is a t5, which reads with one half and writes with the other"):
        fit(method, t5, split.train, split.validation)


@pytest.mark.parametrize("method", ["full", "adapter-lora"])
def test_balanced_classes_are_refused_where_the_head_has_no_bias(
    method: str, decoder_model: Path, split: Split
) -> None:
    with pytest.raises(BackboneError, match="has no bias, which --class-weight balanced needs"):
        fit(method, decoder_model, split.train, split.validation, class_weight="balanced")


@pytest.mark.parametrize("method", ["full", "adapter-lora", "adapter-bottleneck"])
def test_a_decoder_learns_several_labels_a_row(method: str, decoder_model: Path) -> None:
    rows = several_labels(120)
    texts, labels = tuple(text for text, _ in rows), tuple(labels for _, labels in rows)
    every = Examples(tuple(range(120)), texts, labels)
    fitted = fit(method, decoder_model, every.take(range(90)), every.take(range(90, 120)))
    assert fitted.predictor.score(TEXTS).logits.shape == (3, 3)


def test_full_learns_from_a_decoders_last_token(decoder_model: Path, split: Split) -> None:
    settings = MethodSettings(
        backbone=replace(EXACT, model=str(decoder_model)), train=TrainSettings(epochs=16, learning_rate=3e-3)
    )
    fitted = method_entry("full").load()(settings).fit(split.train, split.validation, LabelMap.of(split.train.labels))
    labels = fitted.predictor.labels
    found = labels.decide(labels.probabilities(fitted.predictor.score(split.test.texts).logits))
    assert (found == labels.encode(split.test.labels)).mean() > 0.8


def test_a_decoder_gives_the_same_as_a_graph(decoder_model: Path, split: Split, tmp_path: Path) -> None:
    predictor = fit("full", decoder_model, split.train, split.validation).predictor
    ExportedPredictor.write(predictor, tmp_path, int8=False)
    graph = ExportedPredictor.load(tmp_path, BackboneSettings())
    np.testing.assert_allclose(graph.score(TEXTS).logits, predictor.score(TEXTS).logits, atol=5e-3)


def test_a_merged_adapter_gives_the_same(decoder_model: Path, split: Split, tmp_path: Path) -> None:
    settings = MethodSettings(
        backbone=replace(EXACT, model=str(decoder_model)),
        train=TrainSettings(epochs=1),
        tuning=TuningSettings(merge_adapter=True),
    )
    fitted = (
        method_entry("adapter-lora")
        .load()(settings)
        .fit(split.train, split.validation, LabelMap.of(split.train.labels))
    )
    before = fitted.predictor.score(TEXTS).logits
    fitted.predictor.save(tmp_path)
    back = method_entry("adapter-lora").load().predictor.load(tmp_path, EXACT)
    np.testing.assert_allclose(back.score(TEXTS).logits, before, atol=1e-4)
