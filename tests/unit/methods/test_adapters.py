"""Adapters: the backbone undisturbed, peft's own format, merging; and training only the top of a backbone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import ArtifactError, SettingsError
from trifold.hashing import file_sha256
from trifold.methods import method_entry
from trifold.methods.adapter_bottleneck import AdaptedEncoder, Bottleneck
from trifold.methods.contract import Fitted
from trifold.methods.fine_tuning import FineTunedPredictor
from trifold.methods.settings import MethodSettings, TuningSettings
from trifold.models.backbone_files import BackboneFiles
from trifold.models.loading import load_model
from trifold.models.locate import locate
from trifold.models.lora import add_adapter
from trifold.models.settings import BackboneSettings
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.types import Split

TEXTS = ["The film is wonderful, the plot brilliant", "The cast is awful", "the"]


@pytest.fixture(scope="module")
def split(reviews: Path) -> Split:
    return split_examples(load_examples(reviews, DataSettings()).examples)


def fit(method: str, model: Path, split: Split, rate: float = 1e-2, **tuning: object) -> Fitted:
    settings = MethodSettings(
        backbone=BackboneSettings(model=str(model), device="cpu", offline=True),
        train=TrainSettings(learning_rate=rate, epochs=1),
        tuning=TuningSettings(**tuning),  # type: ignore[arg-type]
    )
    return method_entry(method).load()(settings).fit(split.train, split.validation, LabelMap.of(split.train.labels))


def plain_logits(model: torch.nn.Module, folder: Path) -> np.ndarray:
    """Logits as anyone else computes them: transformers' tokenizer, padded together."""
    from transformers import AutoTokenizer

    batch = AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, truncation=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model.eval()(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    found: np.ndarray = logits.numpy()
    return found


@pytest.mark.parametrize("method", ["adapter-lora", "adapter-bottleneck"])
def test_the_backbone_is_undisturbed_bit_for_bit(method: str, tiny_model: Path, split: Split) -> None:
    before = file_sha256(tiny_model / "model.safetensors")
    fitted = fit(method, tiny_model, split)
    published = load_model("AutoModel", locate(str(tiny_model))).state_dict()
    model = fitted.predictor.model  # type: ignore[attr-defined]
    inside = {name.replace(".base_layer", ""): tensor for name, tensor in model.state_dict().items()}
    kept = 0
    for name, tensor in published.items():
        found = next(
            (t for key, t in inside.items() if key.endswith("." + name) and "modules_to_save" not in key), None
        )
        if found is not None:
            assert torch.equal(found, tensor), name
            kept += 1
    assert kept >= len(published) - 2  # a trained pooler stands in the place of the published one
    assert file_sha256(tiny_model / "model.safetensors") == before


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_lora_loads_in_plain_peft_with_the_same_logits_and_labels(
    tiny_model: Path, split: Split, tmp_path: Path
) -> None:
    from peft import PeftModel
    from transformers import AutoConfig, AutoModelForSequenceClassification

    fitted = fit("adapter-lora", tiny_model, split)
    fitted.predictor.save(tmp_path)
    config = AutoConfig.from_pretrained(tmp_path)
    assert config.id2label == {0: "bad", 1: "good"}
    base = AutoModelForSequenceClassification.from_pretrained(tiny_model, config=config)
    logits = plain_logits(PeftModel.from_pretrained(base, str(tmp_path)), tiny_model)
    np.testing.assert_allclose(logits, fitted.predictor.score(TEXTS).logits, atol=1e-4)


def test_a_full_model_loads_in_plain_transformers_with_the_same_logits(
    tiny_model: Path, split: Split, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    fitted = fit("full", tiny_model, split, rate=1e-3)
    fitted.predictor.save(tmp_path)
    logits = plain_logits(AutoModelForSequenceClassification.from_pretrained(tmp_path), tmp_path)
    np.testing.assert_allclose(logits, fitted.predictor.score(TEXTS).logits, atol=1e-4)


def test_the_bundled_backbone_is_named_by_hub_id_and_revision(split: Split, tmp_path: Path) -> None:
    small = Split(split.train.take(range(20)), split.validation, split.test)
    fit("adapter-lora", Path("minilm"), small, adapter_layers=1).predictor.save(tmp_path)
    saved = json.loads((tmp_path / "adapter_config.json").read_text())
    assert saved["base_model_name_or_path"] == "sentence-transformers/all-MiniLM-L6-v2"
    assert len(saved["revision"]) == 40
    assert (tmp_path / "adapter_model.safetensors").stat().st_size < 2_000_000


def test_merged_on_request_it_is_an_ordinary_model(tiny_model: Path, split: Split, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    apart = fit("adapter-lora", tiny_model, split)
    merged = fit("adapter-lora", tiny_model, split, merge_adapter=True)
    np.testing.assert_allclose(merged.predictor.score(TEXTS).logits, apart.predictor.score(TEXTS).logits, atol=1e-4)
    merged.predictor.save(tmp_path)
    logits = plain_logits(AutoModelForSequenceClassification.from_pretrained(tmp_path), tmp_path)
    np.testing.assert_allclose(logits, merged.predictor.score(TEXTS).logits, atol=1e-4)
    back = method_entry("adapter-lora").load().predictor.load(tmp_path, BackboneSettings(device="cpu"))
    np.testing.assert_allclose(back.score(TEXTS).logits, merged.predictor.score(TEXTS).logits, atol=1e-5)


def test_a_damaged_adapter_is_refused(tiny_model: Path, split: Split, tmp_path: Path) -> None:
    fit("adapter-lora", tiny_model, split).predictor.save(tmp_path)
    (tmp_path / "adapter_model.safetensors").write_bytes(b"nonsense")
    with pytest.raises(ArtifactError, match="missing or damaged"):
        method_entry("adapter-lora").load().predictor.load(tmp_path, BackboneSettings(device="cpu"))


@pytest.mark.parametrize("method", ["full", "adapter-lora", "adapter-bottleneck"])
def test_what_is_loaded_is_read_without_transformers_until_more_is_asked_for(
    method: str, tiny_model: Path, split: Split, tmp_path: Path
) -> None:
    fitted = fit(method, tiny_model, split).predictor
    fitted.save(tmp_path)
    compute = BackboneSettings(device="cpu", precision="float32")
    back = method_entry(method).load().predictor.load(tmp_path, compute)
    assert isinstance(back, FineTunedPredictor)
    logits = back.score(TEXTS).logits
    assert "model" not in vars(back)
    np.testing.assert_allclose(logits, plain_logits(back.model, tiny_model), atol=1e-4)
    back.divide_logits(2.0)
    back.shift_logits(np.float32([1.0, 0.0]))
    np.testing.assert_allclose(back.score(TEXTS).logits, logits / 2 + [1.0, 0.0], atol=1e-4)


def test_an_adapter_scaled_in_another_way_is_left_to_peft(tiny_model: Path, split: Split, tmp_path: Path) -> None:
    fit("adapter-lora", tiny_model, split).predictor.save(tmp_path)
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    (tmp_path / "adapter_config.json").write_text(json.dumps({**config, "use_rslora": True}))
    load = method_entry("adapter-lora").load().predictor.load
    back = load(tmp_path, BackboneSettings(device="cpu", precision="float32"))
    assert isinstance(back, FineTunedPredictor)
    assert "model" in vars(back)
    np.testing.assert_allclose(back.score(TEXTS).logits, plain_logits(back.model, tiny_model), atol=1e-4)


@pytest.mark.parametrize("method", ["adapter-lora", "adapter-bottleneck", "features"])
def test_other_weights_than_those_it_was_trained_on_are_refused(
    method: str, tiny_model: Path, split: Split, tmp_path: Path
) -> None:
    import shutil

    own = shutil.copytree(tiny_model, tmp_path / "backbone")
    fit(method, own, split).predictor.save(tmp_path / "saved")
    weights = own / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ArtifactError, match="are not those that"):
        method_entry(method).load().predictor.load(tmp_path / "saved", BackboneSettings(device="cpu"))


def test_bottlenecks_start_as_the_identity(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    ids, mask = torch.tensor([[2, 9, 8, 3]]), torch.ones(1, 4, dtype=torch.long)
    plain = load_model("AutoModel", files).eval()(input_ids=ids, attention_mask=mask).last_hidden_state
    adapted = AdaptedEncoder(load_model("AutoModel", files), 2, 8, None, by_mean=False).eval()
    assert torch.equal(adapted.backbone(input_ids=ids, attention_mask=mask).last_hidden_state, plain)
    assert len(adapted.adapters) == 4
    assert Bottleneck.identity(32, 8)(plain).shape == plain.shape


def test_adapters_in_the_top_layers_alone(tiny_model: Path, split: Split) -> None:
    whole, top = (fit("adapter-lora", tiny_model, split, adapter_layers=n) for n in (None, 1))
    assert top.trainable_parameters < whole.trainable_parameters
    names = [name for name, weight in top.predictor.model.named_parameters() if weight.requires_grad]  # type: ignore[attr-defined]
    assert any("layer.1." in name for name in names)
    assert not any("layer.0." in name for name in names)
    bottleneck = fit("adapter-bottleneck", tiny_model, split, adapter_layers=1, adapter_size=4)
    assert len(bottleneck.predictor.model.adapters) == 2  # type: ignore[attr-defined]
    assert bottleneck.trainable_parameters == 2 * (2 * 32 * 4 + 4 + 32) + 2 * 32 + 2


@pytest.mark.parametrize(
    ("tuning", "frozen", "trained"),
    [
        ({"train_layers": 1}, ("embeddings", "layer.0."), ("layer.1.", "pooler", "classifier")),
        ({"train_layers": 0}, ("embeddings", "layer.0.", "layer.1."), ("pooler", "classifier")),
        ({"freeze_embeddings": True}, ("embeddings",), ("layer.0.", "layer.1.", "pooler", "classifier")),
    ],
)
def test_full_trains_what_it_is_told_to_and_nothing_else(
    tuning: dict[str, object], frozen: tuple[str, ...], trained: tuple[str, ...], tiny_model: Path, split: Split
) -> None:
    model = fit("full", tiny_model, split, **tuning).predictor.model  # type: ignore[attr-defined]
    published = load_model("AutoModel", locate(str(tiny_model))).state_dict()
    for name, weight in model.base_model.named_parameters():
        if any(part in name for part in frozen):
            assert torch.equal(weight, published[name]), name
    for part in trained:
        assert any(w.requires_grad for name, w in model.named_parameters() if part in name), part


@pytest.mark.parametrize(
    ("method", "tuning"),
    [
        ("full", {"train_layers": 9}),
        ("adapter-lora", {"adapter_layers": 9}),
        ("adapter-bottleneck", {"adapter_layers": 9}),
    ],
)
def test_more_layers_than_there_are_is_an_error(
    method: str, tuning: dict[str, object], tiny_model: Path, split: Split
) -> None:
    with pytest.raises(SettingsError, match="this backbone has 2 layers"):
        fit(method, tiny_model, split, **tuning)
    with pytest.raises(SettingsError, match="--adapter-size 0"):
        TuningSettings(adapter_size=0)


def test_a_rate_outside_the_sensible_band_is_said(
    tiny_model: Path, split: Split, capsys: pytest.CaptureFixture[str]
) -> None:
    small = replace(split, train=split.train.take(range(20)))
    fit("adapter-lora", tiny_model, small, rate=2e-5)
    assert "2e-05 is low for adapter-lora, which wants 0.0001 to 0.01" in capsys.readouterr().err
    fit("adapter-lora", tiny_model, small, rate=1e-3)
    assert "adapter-lora, which wants" not in capsys.readouterr().err


def test_an_adapter_on_a_model_of_ours_names_the_hubs(tiny_model: Path) -> None:
    """Plain peft knows no short names."""
    for name, revision, named in (
        ("gemma-270m", None, ("google/gemma-3-270m", "9b0cfec892e2bc2afd938c98eabe4e4a7b1e0ca1")),
        ("someone/else", "abc", ("someone/else", "abc")),
    ):
        files = BackboneFiles(tiny_model, name, revision)
        model = add_adapter(load_model("AutoModel", files), files, 4, target_modules="all-linear")
        config = model.peft_config["default"]
        assert (config.base_model_name_or_path, config.revision) == named
