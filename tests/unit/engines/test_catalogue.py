"""Which engine computes: the first in the list that can, and what is said where a run's own is not had."""

from pathlib import Path

import numpy as np
import pytest

from trifold.engines import catalogue
from trifold.engines.catalogue import ENGINES, engines_for
from trifold.engines.encoder import Encoder
from trifold.engines.int8 import Int8Engine
from trifold.engines.module_engine import AutocastEngine
from trifold.engines.onnx_engine import OnnxInt8Engine
from trifold.engines.prepacked import PrepackedEngine
from trifold.errors import SettingsError
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime

CPU, CUDA = Runtime("cpu", "float32"), Runtime("cuda", "float32")


def test_every_saved_name_is_served() -> None:
    assert {kind.name for kind in ENGINES} == {"torch", "torch-int8", "onnx", "onnx-int8"}
    for setting in ("torch", "int8", *(kind.name for kind in ENGINES)):
        assert engines_for(setting, CPU, frozen=True)


@pytest.mark.parametrize("gone", [Int8Engine, PrepackedEngine])
def test_an_engine_can_be_taken_off_the_list(gone: type, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "ENGINES", tuple(kind for kind in ENGINES if kind is not gone))
    files = locate(str(tiny_model))
    tokens = Tokenizer(files, 16).encode(["A film", "another, longer film"])
    vectors = [Encoder(files, CPU, engine=setting).pool(tokens, 0).vectors for setting in ("torch", "torch-int8")]
    assert np.isfinite(vectors).all()


def test_8_bit_integers_need_one_of_two_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalogue, "ENGINES", tuple(k for k in ENGINES if k not in (Int8Engine, OnnxInt8Engine)))
    with pytest.raises(SettingsError, match="--engine int8 is not allowed: give torch, onnx or int8"):
        engines_for("int8", CPU, frozen=True)


def test_what_is_trained_is_computed_with_its_weights_of_the_moment() -> None:
    assert engines_for("torch", CPU, frozen=False) == (AutocastEngine,)


def test_a_gpu_goes_on_with_what_8_bit_integers_began() -> None:
    assert engines_for("torch-int8", CUDA, frozen=True) == (PrepackedEngine, AutocastEngine)


def test_our_own_reading_of_bert_can_be_taken_off_the_list(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = locate(str(tiny_model))
    tokens = Tokenizer(files, 16).encode(["A film", "another, longer film"])
    expected = Encoder(files, CPU).pool(tokens, 0).vectors
    monkeypatch.setattr(catalogue, "ENCODERS", ())
    encoder = Encoder(files, CPU)
    assert type(encoder.engine.module).__name__ == "BertModel"  # type: ignore[attr-defined]
    np.testing.assert_allclose(encoder.pool(tokens, 0).vectors, expected, atol=1e-5)
