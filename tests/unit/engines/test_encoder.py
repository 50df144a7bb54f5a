"""Frozen features and tokens against transformers' own."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.engines.encoder import Encoder
from trifold.errors import BackboneError
from trifold.models.locate import MINILM, locate
from trifold.models.pooling import POOLINGS
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime

TEXTS = ["The film is wonderful", "dull", "The cast is charming, the plot moving, the pace superb; number 7 in camera"]
CPU = Runtime("cpu", "float32")


def test_tokens_are_those_of_transformers(tiny_model: Path) -> None:
    from transformers import AutoTokenizer

    tokens = Tokenizer(locate(str(tiny_model)), 12).encode(TEXTS)
    expected = AutoTokenizer.from_pretrained(tiny_model)(TEXTS, truncation=True, max_length=12)["input_ids"]
    assert [tokens.ids[a:b].tolist() for a, b in zip(tokens.offsets, tokens.offsets[1:], strict=False)] == expected
    assert tokens.truncated.tolist() == [False, False, True]


def test_pooled_layers_are_those_of_a_plain_forward_pass(tiny_model: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    files = locate(str(tiny_model))
    tokenizer = Tokenizer(files, 50)
    pooled = Encoder(files, CPU).pool(tokenizer.encode(TEXTS), tokenizer.pad_id, token_budget=40)
    model, plain = AutoModel.from_pretrained(tiny_model).eval(), AutoTokenizer.from_pretrained(tiny_model)
    for row, text in enumerate(TEXTS):
        with torch.inference_mode():
            states = model(**plain(text, return_tensors="pt"), output_hidden_states=True).hidden_states
        for layer, state in enumerate(states):
            by_hand = {"first": state[0, 0], "mean": state[0].mean(0), "max": state[0].amax(0)}
            for position, how in enumerate(POOLINGS):
                np.testing.assert_allclose(pooled.vectors[row, layer, position], by_hand[how], atol=1e-5)


@pytest.mark.parametrize(
    ("precision", "lengths"),
    [("bfloat16", {*range(3, 32), *range(32, 64, 2), 64, 68, 70}), ("float32", set(range(3, 71)))],
)
def test_batches_have_few_lengths_where_a_new_one_costs_time(
    precision: str, lengths: set[int], tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = Encoder(locate(str(tiny_model)), Runtime("cpu", precision))
    tokens = Tokenizer(locate(str(tiny_model)), 80).encode(["film " * words for words in range(1, 69)])
    assert sorted(tokens.lengths) == list(range(3, 71))
    seen: list[tuple[int, int]] = []

    def pooled(ids: np.ndarray, mask: np.ndarray, _layers: tuple[int, ...]) -> np.ndarray:
        seen.append((ids.shape[1], int(mask.sum())))
        return np.zeros((len(ids), 1, 3, encoder.width), dtype=np.float32)

    monkeypatch.setattr(encoder.engine, "pooled", pooled)
    encoder.pool(tokens, 0, token_budget=1, layers=[0])
    assert {length for length, _ in seen} == lengths
    assert sum(own for _, own in seen) == tokens.lengths.sum(), "what fills up counts for nothing"


def test_a_cut_encoder_gives_the_same_lower_layers(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    tokenizer = Tokenizer(files, 50)
    tokens = tokenizer.encode(TEXTS)
    whole = Encoder(files, CPU).pool(tokens, tokenizer.pad_id, 100, [0, 1])
    cut = Encoder(files, CPU, layers=1)
    assert sum(p.numel() for p in cut.model.parameters()) < sum(
        p.numel() for p in Encoder(files, CPU).model.parameters()
    )
    np.testing.assert_allclose(cut.pool(tokens, tokenizer.pad_id, 100, [0, 1]).vectors, whole.vectors, atol=1e-6)


WITHOUT_NETWORK = """
import socket

def refuse(*_):
    raise AssertionError("a connection was opened")

socket.socket.connect = refuse
from trifold.models.locate import locate
files = locate("minilm", offline=True)
print(files.name, files.sha256())
"""


def test_the_bundled_model_is_the_published_one_and_opens_no_connection() -> None:
    done = subprocess.run([sys.executable, "-c", WITHOUT_NETWORK], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [MINILM, "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"]


def test_similar_sentences_are_near_under_the_bundled_model() -> None:
    files = locate("minilm", offline=True)
    tokenizer = Tokenizer(files, 64)
    tokens = tokenizer.encode(["A man plays a guitar", "Someone is playing the guitar", "The stock market fell today"])
    vectors = Encoder(files, CPU).pool(tokens, tokenizer.pad_id, 1_000, [6]).vectors[:, 0, POOLINGS.index("mean")]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert unit[0] @ unit[1] > 0.7
    assert unit[0] @ unit[2] < 0.3


def test_a_folder_without_a_model_says_what_it_lacks(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match="holds no model"):
        locate(str(tmp_path))


def test_windows_of_a_text_are_pooled_as_over_all_of_their_tokens(tiny_model: Path) -> None:
    from transformers import AutoModel

    files = locate(str(tiny_model))
    tokenizer = Tokenizer(files, 12, "window")
    texts = [*TEXTS, " ".join(TEXTS)]
    tokens = tokenizer.encode(texts)
    assert tokens.windows is not None
    assert tokens.windows.tolist() == [1, 1, 2, 3]
    pooled = Encoder(files, CPU).pool(tokens, tokenizer.pad_id, token_budget=40)
    model = AutoModel.from_pretrained(tiny_model).eval()
    for row, (ids, count) in enumerate(zip(tokens.each(), tokens.windows, strict=True)):
        with torch.inference_mode():
            windows = torch.from_numpy(ids).long().reshape(count, -1)
            states = model(windows, output_hidden_states=True).hidden_states
        for layer, state in enumerate(states):
            by_hand = {"first": state[:, 0].mean(0), "mean": state.mean((0, 1)), "max": state.amax((0, 1))}
            for position, how in enumerate(POOLINGS):
                np.testing.assert_allclose(pooled.vectors[row, layer, position], by_hand[how], atol=1e-5)


def test_a_text_that_fits_in_a_window_has_the_vectors_that_it_has_without(tiny_model: Path) -> None:
    files = locate(str(tiny_model))
    encoder = Encoder(files, CPU)
    plain, windows = (
        encoder.pool(tokenizer.encode(TEXTS), tokenizer.pad_id).vectors
        for tokenizer in (Tokenizer(files, 50), Tokenizer(files, 50, "window"))
    )
    np.testing.assert_array_equal(plain, windows)
