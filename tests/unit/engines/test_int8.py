"""Products of 8-bit integers say what the encoder says, nearly, and stand in only where they do."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.engines import int8
from trifold.engines.catalogue import read_encoder
from trifold.engines.encoder import Encoder
from trifold.engines.fast_bert import FastBert
from trifold.engines.int8 import Int8Engine, in_int8, multiplies_int8
from trifold.engines.int8_linear import (
    Int8Linear,
)
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import locate
from trifold.models.pooling import Pooled
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime, cpu_multiplies_bfloat16

FLOAT32, BFLOAT16 = Runtime("cpu", "float32"), Runtime("cpu", "bfloat16")
pytestmark = pytest.mark.skipif(not multiplies_int8(), reason="this processor has no products of 8-bit integers")
RUNTIMES = [FLOAT32, *([BFLOAT16] if cpu_multiplies_bfloat16() else [])]
TEXTS = ["A film that is worth every minute.", "Dull.", "I left after an hour, " * 9, "12:30 in Rome? Why not!"]


def read(
    files: BackboneFiles, runtime: Runtime = FLOAT32, engine: str = "torch", length: int = 38
) -> tuple[Encoder, Pooled]:
    """An encoder, and what it says of `TEXTS`."""
    tokenizer = Tokenizer(files, length)
    encoder = Encoder(files, runtime, engine=engine)
    return encoder, encoder.pool(tokenizer.encode(TEXTS), tokenizer.pad_id)


def cosines(found: Pooled, expected: Pooled) -> np.ndarray:
    """Of each vector of each text."""
    a, b = found.vectors, expected.vectors
    result: np.ndarray = (a * b).sum(-1) / np.linalg.norm(a, axis=-1) / np.linalg.norm(b, axis=-1)
    return result


@pytest.mark.parametrize("runtime", RUNTIMES, ids=lambda one: one.precision)
def test_the_bundled_model_in_integers_says_nearly_what_it_says_in_full_precision(runtime: Runtime) -> None:
    files = locate("minilm")
    encoder, found = read(files, runtime, "int8", 64)
    assert (encoder.backend, encoder.precision) == ("torch-int8", "int8")
    assert isinstance(encoder.engine, Int8Engine)
    assert sum(isinstance(part, Int8Linear) for part in encoder.engine.module.modules()) == 6 * 6
    same = cosines(found, read(files, length=64)[1])
    assert same.min() > 0.99
    assert same[:, 1:].max() < 1 - 1e-7, "these were not computed in integers"
    assert found.vectors.dtype == np.float32


def test_what_is_said_of_a_text_does_not_depend_on_those_beside_it() -> None:
    files = locate("minilm")
    tokenizer = Tokenizer(files, 64)
    encoder = Encoder(files, FLOAT32, engine="int8")
    together = encoder.pool(tokenizer.encode(TEXTS), tokenizer.pad_id)
    for number, text in enumerate(TEXTS):
        alone = encoder.pool(tokenizer.encode([text]), tokenizer.pad_id)
        # A sum in another order may round to the next step.
        assert cosines(alone, together.rows(slice(number, number + 1))).min() > 0.9995


def test_the_last_layer_may_be_asked_of_the_first_token_alone() -> None:
    files = locate("minilm")
    model = read_encoder(files)
    assert isinstance(model, FastBert)
    one = in_int8(model, files, FLOAT32)
    assert one is not None
    ids = torch.randint(5, 30_000, (2, 20))
    with torch.inference_mode():
        whole, first = one(ids).last_hidden_state, one(ids, first_only=True).last_hidden_state
        exact = model(ids).last_hidden_state
    assert first.shape == (2, 1, 384)
    torch.testing.assert_close(first, whole[:, :1], atol=2e-2, rtol=0)
    assert torch.nn.functional.cosine_similarity(whole, exact, dim=-1).mean() > 0.99


@pytest.mark.parametrize("kind", ["roberta", "mpnet"])
def test_positions_may_begin_behind_the_padding(kind: str, tiny_model: Path, tmp_path: Path) -> None:
    from transformers import AutoConfig, AutoModel

    torch.manual_seed(0)
    shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    config = AutoConfig.for_model(kind, vocab_size=200, max_position_embeddings=40, **shape)
    AutoModel.from_config(config).save_pretrained(tmp_path)
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / file).write_bytes((tiny_model / file).read_bytes())
    files = locate(str(tmp_path))
    encoder, found = read(files, engine="int8")
    assert encoder.backend == "torch-int8"
    assert cosines(found, read(files)[1]).min() > 0.97


def test_it_takes_no_onnx_runtime(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    files = locate(str(tiny_model))
    _, found = read(files, engine="int8")
    assert cosines(found, read(files)[1]).min() > 0.97


def test_a_model_that_would_say_something_else_goes_to_onnx_runtime(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Int8Linear, "forward", lambda self, states: torch.randn(*states.shape[:-1], len(self._bias)))
    files = locate(str(tiny_model))
    encoder, found = read(files, engine="int8")
    assert encoder.backend == "onnx-int8"
    monkeypatch.undo()
    assert cosines(found, read(files)[1]).min() > 0.97


def test_where_there_are_none_full_precision_goes_on_with_what_they_began(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = locate(str(tiny_model))
    assert Encoder(files, FLOAT32, engine="torch-int8").backend == "torch-int8"
    monkeypatch.setattr(int8, "cpu_multiplies_int8", lambda: False)
    encoder, found = read(files, engine="torch-int8")
    assert (encoder.backend, encoder.precision) == ("torch", "float32")
    assert "it goes on in float32" in capsys.readouterr().err
    np.testing.assert_array_equal(found.vectors, read(files)[1].vectors)
