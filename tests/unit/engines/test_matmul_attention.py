"""Attention by products gives what PyTorch's own gives, forward and back, and leaves alone what it does not know."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from trifold.engines import matmul_attention as attention
from trifold.engines.encoder import Encoder
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime


def given(scale: float = 1.0, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    query, key, value = (torch.randn(3, 2, 7, 8, generator=generator) for _ in range(3))
    return [part.to(dtype).requires_grad_() for part in (scale * query, scale * key, value)]


def some_keys() -> torch.Tensor:
    return (torch.arange(7) < torch.tensor([[7], [4], [1]])).view(3, 1, 1, 7)


@pytest.mark.parametrize("mask", [None, some_keys()], ids=["whole", "padded"])
@pytest.mark.parametrize("scale", [1.0, 30.0], ids=["usual", "scores beyond what exp() can hold"])
def test_it_gives_the_same_forward_and_back(scale: float, mask: torch.Tensor | None) -> None:
    ours, theirs = given(scale), given(scale)
    found, wanted = attention.attend(*ours, mask), scaled_dot_product_attention(*theirs, attn_mask=mask)
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-4)
    for result in (found, wanted):
        result.square().sum().backward()
    for own, other in zip(ours, theirs, strict=True):
        assert own.grad is not None
        torch.testing.assert_close(own.grad, other.grad, atol=1e-3 * scale, rtol=1e-3)


@pytest.mark.parametrize("score", [-400.0, 400.0], ids=["every exponential vanishes", "every exponential overflows"])
@pytest.mark.parametrize("learns", [False, True])
def test_scores_that_exp_cannot_hold_are_computed_again(score: float, learns: bool) -> None:
    query, key, value = given()
    query = torch.full_like(query, score / 8**0.5) + query.detach()
    key = torch.ones_like(key)
    with torch.set_grad_enabled(learns):
        found = attention.attend(query, key, value, some_keys())
    torch.testing.assert_close(found, scaled_dot_product_attention(query, key, value, attn_mask=some_keys()))


def profiled(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Attention, and whether maxima were taken, which only the second computation does."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as seen:
        found = attention.attend(query, key, value, some_keys())
    return found, any(event.key == "aten::amax" for event in seen.key_averages())


def test_what_padding_scores_costs_no_second_computation() -> None:
    query, key, value = (part.detach() for part in given())
    counts = some_keys().transpose(-1, -2)
    wanted = scaled_dot_product_attention(query, key, value, attn_mask=some_keys())
    found, again = profiled(query, key.where(counts, 1e6), value)
    torch.testing.assert_close(found, wanted)
    assert not again
    assert profiled(query, key * 1e6, value)[1], "what exp() cannot hold is computed again"


def test_texts_that_are_computed_apart_come_out_as_together(monkeypatch: pytest.MonkeyPatch) -> None:
    query, key, value = given()
    with torch.inference_mode():
        together = attention.attend(query, key, value, some_keys())
        monkeypatch.setattr(attention, "SCORES_AT_ONCE", 1)
        torch.testing.assert_close(attention.attend(query, key, value, some_keys()), together)


def test_it_is_for_bfloat16_and_masks_that_are_the_same_for_every_query() -> None:
    query, key, _ = given(dtype=torch.bfloat16)
    assert attention.applies(query, key, None)
    assert attention.applies(query, key, some_keys())
    assert not attention.applies(query, key, some_keys().expand(3, 1, 7, 7))
    assert not attention.applies(query, key, torch.zeros(3, 1, 1, 7))
    assert not attention.applies(query[:, :, :1], key, None)
    assert not attention.applies(*given()[:2], None)
    assert not attention.applies(*(torch.empty(1, 1, 513, 8, dtype=torch.bfloat16) for _ in range(2)), None)


@pytest.mark.parametrize("learns", [False, True])
@pytest.mark.parametrize("tiles", [False, True])
def test_where_whole_tiles_are_multiplied_it_is_for_what_learns(
    tiles: bool, learns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attention, "cpu_multiplies_tiles", lambda: tiles)
    query, key, _ = given(dtype=torch.bfloat16)
    with torch.set_grad_enabled(learns):
        assert attention.applies(query, key, some_keys()) == (learns or not tiles)


def test_a_backbone_reads_with_it_what_it_reads_in_full_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    whole = attention.attend

    def counted(*arguments: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        return whole(*arguments)

    monkeypatch.setattr(attention, "attend", counted)
    monkeypatch.setattr(attention, "cpu_multiplies_tiles", lambda: False)
    files = locate("minilm")
    tokenizer = Tokenizer(files, 64)
    tokens = tokenizer.encode(["A film.", "A superb and moving film, and far too long for what it has to say."])
    vectors = []
    for precision in ("float32", "bfloat16"):
        vectors.append(Encoder(files, Runtime("cpu", precision), frozen=False).pool(tokens, tokenizer.pad_id).vectors)
        assert len(calls) == (6 if precision == "bfloat16" else 0)
    lengths = [np.linalg.norm(one, axis=-1) for one in vectors]
    assert ((vectors[0] * vectors[1]).sum(-1) / (lengths[0] * lengths[1])).min() > 0.999


def test_what_is_saved_names_no_attention_of_ours(tiny_model: Path, tmp_path: Path) -> None:
    encoder = Encoder(locate(str(tiny_model)), Runtime("cpu", "float32"), frozen=False)
    assert encoder.model.config._attn_implementation == attention.NAME
    encoder.model.save_pretrained(tmp_path)
    assert attention.NAME not in (tmp_path / "config.json").read_text()
