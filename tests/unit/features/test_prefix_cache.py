"""What a frozen backbone computes: where it is kept, whether there is room for it, how it is handed out in batches."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from trifold.engines.encoder import Encoder
from trifold.errors import SettingsError
from trifold.events import say_once
from trifold.features import prefix_cache as frozen
from trifold.features.pooled_vectors import PooledTexts, pool_through_cache
from trifold.features.prefix_cache import PrefixStates
from trifold.features.store_limits import list_stores
from trifold.models.locate import locate
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime


def some_states(count: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.standard_normal((rng.integers(1, 9), 4)).astype(np.float16) for _ in range(count)]


def assert_padded_with_zeros(states: PrefixStates, arrays: list[np.ndarray], device: str) -> None:
    positions = np.array([7, 0, len(arrays) - 1, 2])
    found = states.padded(states.batch(positions, 10).to(device)).cpu()
    assert found.shape == (4, 10, 4)
    assert found.dtype == torch.float32
    for row, position in zip(found.numpy(), positions, strict=True):
        own = arrays[position]
        np.testing.assert_array_equal(row[: len(own)], own)
        assert not row[len(own) :].any()


def test_a_batch_is_filled_up_with_zeros() -> None:
    arrays = some_states(20)
    assert_padded_with_zeros(PrefixStates(arrays, Runtime("cpu", "float32")), arrays, "cpu")


def assert_windows_have_rows_of_their_own(states: PrefixStates, arrays: list[np.ndarray], device: str) -> None:
    found = states.padded(states.batch(np.array([2, 0]), 5).to(device)).cpu().numpy()
    assert found.shape == (4, 5, 4)
    windows = [arrays[2][:3], arrays[2][3:6], arrays[2][6:], arrays[0]]
    for row, own in zip(found, windows, strict=True):
        np.testing.assert_array_equal(row[: len(own)], own)
        assert not row[len(own) :].any()


def windowed_states() -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((rows, 4)).astype(np.float16) for rows in (4, 8, 9)]
    return arrays, np.array([1, 2, 3])


def test_the_windows_of_a_text_have_rows_of_their_own() -> None:
    arrays, windows = windowed_states()
    states = PrefixStates(arrays, Runtime("cpu", "float32"), windows)
    assert_windows_have_rows_of_their_own(states, arrays, "cpu")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_windows_of_a_text_have_rows_of_their_own_on_a_gpu() -> None:
    arrays, windows = windowed_states()
    states = PrefixStates(arrays, Runtime("cuda", "bfloat16"), windows)
    assert_windows_have_rows_of_their_own(states, arrays, "cuda")


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("share", [0.3, 0.0])
def test_on_a_gpu_they_lie_in_its_memory_where_they_fit(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frozen, "GPU_SHARE", share)
    monkeypatch.setattr(frozen, "TEXTS_PER_SEGMENT", 8)
    arrays = some_states(20)
    states = PrefixStates(arrays, Runtime("cuda", "bfloat16"))
    assert states.batch(np.arange(2), 10).dtype == (torch.int64 if share else torch.float16)
    assert_padded_with_zeros(states, arrays, "cuda")


def vectors_of(model: Path, **settings: Any) -> PooledTexts:
    files = locate(str(model))
    encoder, tokenizer = Encoder(files, Runtime("cpu", "float32")), Tokenizer(files, 32)
    return pool_through_cache(
        encoder, tokenizer, ["the film is dull", "a superb cast"], files, BackboneSettings(**settings)
    )


def test_vectors_that_memory_cannot_hold_are_refused_with_figures(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trifold.features.pooled_vectors.available_bytes", lambda: 100)
    with pytest.raises(SettingsError, match=r"the vectors of 2 texts by .* GB of memory, and 0\.0 GB are free"):
        vectors_of(tiny_model)


def test_what_the_disk_cannot_hold_is_computed_without_keeping_it(
    tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = vectors_of(tiny_model, cache=False).pooled.vectors
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    say_once.cache_clear()
    found = vectors_of(tiny_model, cache_gigabytes=1e-8)
    np.testing.assert_array_equal(found.pooled.vectors, expected)
    assert "GB are not kept in the cache" in capsys.readouterr().err
    assert list_stores(tmp_path) == [], "neither vectors nor tokens"


def test_another_configuration_of_the_same_weights_is_another_address(tiny_model: Path, tmp_path: Path) -> None:
    other = shutil.copytree(tiny_model, tmp_path / "other")
    config = json.loads((other / "config.json").read_text())
    (other / "config.json").write_text(json.dumps({**config, "layer_norm_eps": 0.1}))
    assert vectors_of(other).address != vectors_of(tiny_model).address
    assert not np.array_equal(vectors_of(other).pooled.vectors, vectors_of(tiny_model).pooled.vectors)


def test_memory_that_the_caller_needs_beside_the_vectors_counts(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = locate(str(tiny_model))
    encoder, tokenizer = Encoder(files, Runtime("cpu", "float32")), Tokenizer(files, 32)
    monkeypatch.setattr("trifold.features.pooled_vectors.available_bytes", lambda: 1 << 20)
    settings = BackboneSettings(cache=False)
    pool_through_cache(encoder, tokenizer, ["a superb cast"], files, settings)
    monkeypatch.setattr(encoder, "pool", lambda *_, **__: pytest.fail("it was computed"))
    with pytest.raises(SettingsError, match="of memory"):
        pool_through_cache(encoder, tokenizer, ["a superb cast"], files, settings, working_bytes_per_text=1 << 20)
