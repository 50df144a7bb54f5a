"""Our reading of BERT's files against transformers' own, and what is left to transformers."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from conftest import write_reviews
from trifold.engines.catalogue import read_encoder
from trifold.engines.distance_bias import bucket_of
from trifold.engines.encoder import Encoder
from trifold.engines.fast_bert import FastBert
from trifold.engines.matmul_attention import registered_attention
from trifold.models.loading import load_model
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime

SIZES = {
    "vocab_size": 90, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 40,
}  # fmt: skip
CPU = Runtime("cpu", "float32")


def saved(folder: Path, kind: str, head: str = "AutoModel", **options: Any) -> Any:
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


def batch() -> dict[str, torch.Tensor]:
    """Two texts, one of them filled up with 1, which is RoBERTa's padding."""
    ids = torch.from_numpy(np.random.default_rng(0).integers(5, 90, (2, 17)))
    mask = torch.ones_like(ids)
    ids[1, 9:], mask[1, 9:] = 1, 0
    return {"input_ids": ids, "attention_mask": mask}


@pytest.mark.parametrize("head", ["AutoModel", "AutoModelForSequenceClassification", "AutoModelForMaskedLM"])
@pytest.mark.parametrize("kind", ["bert", "roberta", "xlm-roberta", "camembert", "mpnet"])
def test_every_state_is_that_of_transformers(kind: str, head: str, tmp_path: Path) -> None:
    model = saved(tmp_path, kind, head, type_vocab_size=2, layer_norm_eps=1e-5)
    ours = read_encoder(locate(str(tmp_path)))
    assert ours is not None
    given = batch()
    with torch.inference_mode():
        expected = model.base_model(**given, output_hidden_states=True).hidden_states
        found = ours(**given)
    assert len(found.hidden_states) == len(expected) == 4
    for state, other in zip(found.hidden_states, expected, strict=True):
        kept = given["attention_mask"].bool()
        torch.testing.assert_close(state[kept], other[kept], atol=1e-5, rtol=1e-5)
    assert found.last_hidden_state is found.hidden_states[-1]


def test_weights_in_several_files_and_by_the_oldest_names_are_read(tmp_path: Path) -> None:
    saved(tmp_path, "bert")
    expected = read_encoder(locate(str(tmp_path)))
    assert expected is not None
    tensors = {f"bert.{name}": tensor for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    tensors = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors.items()
    }
    (tmp_path / "model.safetensors").unlink()
    names = sorted(tensors)
    parts = {"model-1.safetensors": names[::2], "model-2.safetensors": names[1::2]}
    for file, held in parts.items():
        save_file({name: tensors[name] for name in held}, tmp_path / file)
    index = {"weight_map": {name: file for file, held in parts.items() for name in held}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    found = read_encoder(locate(str(tmp_path)))
    assert found is not None
    torch.testing.assert_close(found(**batch()).last_hidden_state, expected(**batch()).last_hidden_state)


def change_config(**changes: object) -> Callable[[Path], None]:
    """A change of `config.json`."""

    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return change


def without_a_weight(folder: Path) -> None:
    """One tensor is lost."""
    tensors = load_file(folder / "model.safetensors")
    del tensors["encoder.layer.1.output.dense.weight"]
    save_file(tensors, folder / "model.safetensors")


def cut_short(folder: Path) -> None:
    """The end of the file is lost."""
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    "change",
    [
        change_config(hidden_act="relu"),
        change_config(position_embedding_type="relative_key"),
        change_config(is_decoder=True),
        change_config(model_type="electra"),
        change_config(hidden_size=48),
        change_config(vocab_size=None),
        without_a_weight,
        cut_short,
    ],
)
def test_whatever_is_not_plain_is_left_to_transformers(change: Callable[[Path], None], tmp_path: Path) -> None:
    saved(tmp_path, "bert")
    assert isinstance(read_encoder(locate(str(tmp_path))), FastBert)
    change(tmp_path)
    assert read_encoder(locate(str(tmp_path))) is None


def test_positions_from_behind_an_unnamed_padding_are_left_to_transformers(tmp_path: Path) -> None:
    saved(tmp_path, "roberta")
    assert isinstance(read_encoder(locate(str(tmp_path))), FastBert)
    change_config(pad_token_id=None)(tmp_path)
    assert read_encoder(locate(str(tmp_path))) is None


def test_the_first_token_alone_is_that_of_all(tmp_path: Path) -> None:
    saved(tmp_path, "mpnet")
    ours = read_encoder(locate(str(tmp_path)))
    assert ours is not None
    with torch.inference_mode():
        first, whole = ours(**batch(), first_only=True), ours(**batch())
    torch.testing.assert_close(first.last_hidden_state, whole.last_hidden_state[:, :1])


@pytest.mark.parametrize(
    "changes", [{"pad_token_id": 0}, {"relative_attention_num_buckets": 64}, {"hidden_act": "relu"}]
)
def test_another_mpnet_is_left_to_transformers(changes: dict[str, object], tmp_path: Path) -> None:
    saved(tmp_path, "mpnet")
    assert isinstance(read_encoder(locate(str(tmp_path))), FastBert)
    change_config(**changes)(tmp_path)
    assert read_encoder(locate(str(tmp_path))) is None


def test_in_training_too_padding_is_left_out_where_an_architecture_computes_attention_by_itself(tmp_path: Path) -> None:
    saved(tmp_path, "mpnet")
    model = load_model("AutoModel", locate(str(tmp_path)), attention=registered_attention()).eval()
    given = batch()
    with torch.inference_mode():
        together, alone = model(**given), model(input_ids=given["input_ids"][1:, :9])
    torch.testing.assert_close(together.last_hidden_state[1:, :9], alone.last_hidden_state)


def test_far_distances_share_a_number_as_in_transformers() -> None:
    from transformers.models.mpnet.modeling_mpnet import MPNetEncoder

    distances = torch.arange(-600, 601)
    torch.testing.assert_close(bucket_of(distances), MPNetEncoder.relative_position_bucket(distances))


def test_what_is_exported_later_is_the_same_and_as_deep(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    encoder = Encoder(files, CPU, layers=1)
    tokenizer = Tokenizer(files, 30)
    found = encoder.pool(tokenizer.encode(["the film"]), tokenizer.pad_id, layers=[1]).vectors[0, 0, 0]
    assert encoder.model.config.num_hidden_layers == len(encoder.model.encoder.layer) == encoder.layers == 1
    ids, mask = tokenizer.encode(["the film"]).padded(np.array([0]), tokenizer.pad_id)
    with torch.inference_mode():
        expected = encoder.model(input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask))
    np.testing.assert_allclose(found, expected.last_hidden_state[0, 0], atol=1e-5)


def test_reading_needs_neither_transformers_nor_a_compiler_nor_scikit_learn(tmp_path: Path, tiny_model: Path) -> None:
    options = ["--model", str(tiny_model), "--epochs", "1"]
    methods = {"full": options, "adapter-lora": options, "adapter-bottleneck": options, "features": ["--offline"]}
    write_reviews(tmp_path / "reviews.csv", rows=60)
    for method, more in methods.items():
        given = ["reviews.csv", "--method", method, *more, "--output-dir", method]
        subprocess.run([sys.executable, "-m", "trifold", "finetune", *given], cwd=tmp_path, check=True)
    code = f"""
import sys
from trifold.cli.main import run
for method in {tuple(methods)}:
    run(["predict", method, "reviews.csv", "--output", method + ".csv"])
run(["embed", "minilm", "reviews.csv", "--output", "vectors.npy", "--offline"])
heavy = ("transformers", "peft", "torch._dynamo", "sympy", "sklearn", "pandas")
loaded = [name for name in heavy if name in sys.modules]
sys.exit("loaded: " + " ".join(loaded) if loaded else 0)
"""
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    assert all((tmp_path / f"{name}.csv").exists() for name in methods)
    assert np.load(tmp_path / "vectors.npy").shape == (60, 384)
