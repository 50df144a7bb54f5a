"""Pairs of texts go through our engines as through transformers: every token has its type."""

from pathlib import Path

import numpy as np
import pytest
import torch

from trifold.engines.catalogue import read_encoder
from trifold.engines.onnx_runtime import OnnxGraph, write_graph
from trifold.models.locate import locate
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokens import named_inputs
from trifold.types import TextPair

PAIRS = [
    TextPair("A man is playing a guitar.", "Somebody plays an instrument."),
    TextPair("Two dogs run through the snow.", "The stock market fell sharply on Monday, traders said."),
    TextPair("No.", "A much longer second sentence that goes on, and on, so that the others are padded."),
]


def test_states_of_minilm_are_those_of_transformers() -> None:
    from transformers import AutoModel, AutoTokenizer

    files = locate("minilm", offline=True)
    tokens = Tokenizer(files, 128).encode(PAIRS)
    ours, theirs = read_encoder(files), AutoModel.from_pretrained(files.folder).eval()
    assert ours is not None
    expected_inputs = AutoTokenizer.from_pretrained(files.folder)(
        [pair.first for pair in PAIRS], [pair.second for pair in PAIRS], padding=True, return_tensors="pt"
    )
    given = named_inputs(tokens.batch(np.arange(len(PAIRS)), 0))
    for name, tensor in expected_inputs.items():
        torch.testing.assert_close(given[name], tensor)
    with torch.inference_mode():
        expected = theirs(**expected_inputs).last_hidden_state
        found = ours(**given).last_hidden_state
        alike = ours(given["input_ids"], given["attention_mask"]).last_hidden_state
    kept = given["attention_mask"].bool()
    torch.testing.assert_close(found[kept], expected[kept], atol=2e-5, rtol=1e-4)
    assert not torch.allclose(alike[kept], expected[kept], atol=1e-2)


class Summed(torch.nn.Module):
    """A module whose result depends on the types."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.types = torch.nn.Embedding(30, 4), torch.nn.Embedding(2, 4)

    def forward(self, ids: torch.Tensor, mask: torch.Tensor, types: torch.Tensor | None = None) -> torch.Tensor:
        states = self.words(ids)
        if types is not None:
            states = states + self.types(types)
        return (states * mask.unsqueeze(-1)).sum(1)


def test_a_graph_with_types_takes_them_and_reads_single_texts_without(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    module = Summed().eval()
    write_graph(module, tmp_path / "pairs.onnx", types=True)
    graph = OnnxGraph(tmp_path / "pairs.onnx")
    ids = np.arange(12, dtype=np.int64).reshape(2, 6)
    mask, types = np.ones_like(ids), ids % 2
    given = [torch.from_numpy(array) for array in (ids, mask, types)]
    with torch.inference_mode():
        np.testing.assert_allclose(graph(ids, mask, types), module(*given).numpy(), atol=1e-5)
        zeros = torch.zeros_like(given[0])
        np.testing.assert_allclose(graph(ids, mask), module(*given[:2], zeros).numpy(), atol=1e-5)
