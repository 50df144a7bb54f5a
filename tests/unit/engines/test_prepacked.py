"""A prepack copy says what the encoder says, and is made only where it does."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.engines.encoder import Encoder
from trifold.engines.prepacked import PrepackedEngine, PrepackedLinear, prepack
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime, cpu_multiplies_bfloat16

BFLOAT16 = Runtime("cpu", "bfloat16")
needs_bfloat16 = pytest.mark.skipif(not cpu_multiplies_bfloat16(), reason="this processor has no bfloat16")
TEXTS = ["A film that is worth every minute.", "Dull.", "I left after an hour, " * 9]


def packed_in(encoder: Encoder) -> torch.nn.Module:
    """The copy that an encoder computes with."""
    assert isinstance(encoder.engine, PrepackedEngine)
    found: torch.nn.Module = encoder.engine.module
    return found


@needs_bfloat16
@pytest.mark.parametrize("gelu", [False, True])
def test_a_packed_product_is_the_plain_one(gelu: bool) -> None:
    linear = torch.nn.Linear(48, 80).bfloat16()
    states = torch.randn(3, 7, 48).bfloat16()
    expected = linear(states)
    expected = torch.nn.functional.gelu(expected) if gelu else expected
    torch.testing.assert_close(PrepackedLinear(linear, gelu=gelu)(states), expected, atol=2e-2, rtol=2e-2)


@needs_bfloat16
def test_the_bundled_model_packed_says_what_it_says_in_full_precision() -> None:
    files = locate("minilm")
    tokenizer = Tokenizer(files, 64, "truncate")
    tokens = tokenizer.encode(TEXTS)
    encoder = Encoder(files, BFLOAT16)
    found = encoder.pool(tokens, tokenizer.pad_id).vectors
    assert sum(isinstance(part, PrepackedLinear) for part in packed_in(encoder).modules()) == 6 * 6
    assert not any(isinstance(part, PrepackedLinear) for part in encoder.model.modules()), (
        "what is exported stays whole"
    )
    expected = Encoder(files, Runtime("cpu", "float32")).pool(tokens, tokenizer.pad_id).vectors
    cosines = (found * expected).sum(-1) / np.linalg.norm(found, axis=-1) / np.linalg.norm(expected, axis=-1)
    assert cosines.min() > 0.998
    assert found.dtype == np.float32


@needs_bfloat16
def test_an_encoder_that_is_cut_is_packed_anew(tiny_model: Path) -> None:
    encoder = Encoder(locate(str(tiny_model)), BFLOAT16)
    tokens = Tokenizer(locate(str(tiny_model)), 16, "truncate").encode(TEXTS)
    whole = encoder.pool(tokens, 0, layers=[1]).vectors
    encoder.keep(1)
    np.testing.assert_array_equal(encoder.pool(tokens, 0).rows(slice(None)).vectors[:, 1:], whole)


@needs_bfloat16
def test_what_is_trained_is_not_copied(tiny_model: Path) -> None:
    encoder = Encoder(locate(str(tiny_model)), BFLOAT16, frozen=False)
    tokens = Tokenizer(locate(str(tiny_model)), 16, "truncate").encode(TEXTS)
    before = encoder.pool(tokens, 0).vectors
    with torch.no_grad():
        for weight in encoder.model.parameters():
            weight.add_(torch.randn_like(weight))
    assert np.abs(encoder.pool(tokens, 0).vectors - before).max() > 0.1


@needs_bfloat16
def test_a_copy_that_says_something_else_is_not_used(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Encoder(locate(str(tiny_model)), BFLOAT16).model
    assert prepack(model, BFLOAT16) is not None
    monkeypatch.setattr(
        PrepackedLinear, "forward", lambda self, states: torch.randn(*states.shape[:-1], len(self._bias))
    )
    assert prepack(model, BFLOAT16) is None


def test_full_precision_is_left_alone(tiny_model: Path) -> None:
    model = Encoder(locate(str(tiny_model)), Runtime("cpu", "float32")).model
    assert prepack(model, Runtime("cpu", "float32")) is None
