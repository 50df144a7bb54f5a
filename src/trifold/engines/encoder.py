"""Run a frozen encoder once per text and pool every layer on the way."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import RLock
from typing import Any

import numpy as np
import torch

from trifold.engines.fast_bert import FastBert, fast_bert_of, read_fast_bert
from trifold.engines.int8 import in_int8, multiplies_int8
from trifold.engines.matmul_attention import registered_attention
from trifold.engines.onnx_runtime import TOKEN_BUDGET, OnnxGraph, kept_graph, require_onnx
from trifold.engines.prepacked import prepack, through_arrays
from trifold.errors import BackboneError, require
from trifold.events import Advance, say
from trifold.models.batching import PadTo, by_token_budget, default_padding, to_longest
from trifold.models.loading import load_model
from trifold.models.locate import BackboneFiles, file_sha256
from trifold.models.pooling import POOLINGS, Pooled, pool_tokens
from trifold.models.tokenizer import Tokenizer, Tokens
from trifold.runtime import Runtime

# Engines that may, or do, take ONNX Runtime.
_BY_GRAPH = ("onnx", "int8", "onnx-int8")


class PooledStates(torch.nn.Module):
    """The hidden states of some layers, pooled: what is asked of a frozen backbone, whichever engine computes it.

    Args:
        model: An encoder without a head.
        layers: Hidden states to pool, 0 being the embeddings.
    """

    def __init__(self, model: Any, layers: Sequence[int]) -> None:
        super().__init__()
        self.model, self.layers = model, layers

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`(batch, tokens)` ids and mask, `None` where all count, to `(batch, layers, poolings, width)` float32.

        Mean and maximum run over the text's own tokens, special ones included, never over padding.
        """
        states = self.model(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        pooled = [[pool_tokens(states[layer], mask, how) for how in POOLINGS] for layer in self.layers]
        return torch.stack([torch.stack(row, 1) for row in pooled], 1)


class Encoder:
    """A backbone without a head, in evaluation mode.

    Args:
        files: The backbone.
        runtime: Where and in which precision it computes.
        layers: Keep the lowest so many layers and skip the rest; all where `None`.
        engine: What computes: PyTorch (`torch`), ONNX Runtime (`onnx`), or in 8-bit integers (`int8`) whichever of the
            two can: PyTorch for a BERT on a processor with products of them. Or what `backend` said elsewhere.
        frozen: Whether `model` stays as it was loaded; then what reads is BERT without transformers where it can be,
            and prepack for the processor.

    Raises:
        BackboneError: If the files hold no encoder that can be loaded.
        SettingsError: If ONNX Runtime is needed and not installed, or another device than the CPU is asked for.
    """

    def __init__(
        self,
        files: BackboneFiles,
        runtime: Runtime,
        layers: int | None = None,
        engine: str = "torch",
        *,
        frozen: bool = True,
    ) -> None:
        if engine in _BY_GRAPH:
            require(runtime.device == "cpu", f"--engine {engine}", f"it computes on the CPU, not on {runtime.device}")
        self.runtime = runtime
        self._engine = engine
        self._files = files
        bert = read_fast_bert(files) if frozen and _by_torch(engine) else None
        if bert is None and engine in _BY_GRAPH:
            require_onnx()
        reader: Any = self._load() if bert is None else bert.to(runtime.device)
        self._reader = reader
        self._model = reader if bert is None else None
        self._to_lay_out = frozen
        self._backend: str | None = None
        self._autocast: Callable[[], AbstractContextManager[Any]] = runtime.autocast
        self._graphs: dict[tuple[int, ...], OnnxGraph] = {}
        # Threads may share an encoder, and the first of them chooses an engine and lays the weights out.
        self._lock = RLock()
        try:
            self.layers: int = reader.config.num_hidden_layers
            self.width: int = reader.config.hidden_size
        except AttributeError:
            kind = reader.config.model_type
            raise BackboneError(f"{files.name} is a {kind}, which does not read texts: give another --model") from None
        if layers is not None:
            self.keep(layers)

    @property
    def model(self) -> Any:
        """The encoder as transformers has it, in single precision: to be trained, saved or exported."""
        with self._lock:
            if self._model is None:
                self._model = self._load()
                _cut(self._model, self.layers)
            return self._model

    def _load(self) -> Any:
        return load_model("AutoModel", self._files, attention=registered_attention()).eval().to(self.runtime.device)

    @property
    def backend(self) -> str:
        """Whose they are: `torch`, `torch-int8`, `onnx` or `onnx-int8`. Named as engine, they go on with it.

        Where the processor lacks what `torch-int8` takes, that is full precision, which is nearest to it.
        """
        with self._lock:
            if self._backend is None:
                self._backend = self._find_backend()
            return self._backend

    @property
    def precision(self) -> str:
        """Of the matrix products."""
        return {"torch": self.runtime.precision, "onnx": "float32"}.get(self.backend, "int8")

    @property
    def pad_to(self) -> PadTo:
        """Of the lengths of batches."""
        return to_longest if self.backend in _BY_GRAPH else default_padding(self.runtime)

    def end_training(self) -> None:
        """Read from now on as what is saved will be once it is loaded, to the bit."""
        bert = fast_bert_of(self.model.config.to_dict(), self.model.state_dict())
        if bert is not None:
            self._reader = bert.to(self.runtime.device)
        self._to_lay_out = True

    def keep(self, layers: int) -> None:
        """Drop everything above the lowest `layers` layers; architectures that name them otherwise stay whole."""
        for model in (self._reader, self._model):
            _cut(model, max(1, layers))
        self.layers = self._reader.config.num_hidden_layers

    def pool(
        self,
        tokens: Tokens,
        pad_id: int,
        token_budget: int | None = None,
        layers: Sequence[int] | None = None,
        advance: Advance | None = None,
    ) -> Pooled:
        """Pool the hidden states of `layers` (0 = embeddings, all where `None`) for every text.

        Args:
            tokens: The texts.
            pad_id: Fills up shorter texts of a batch.
            token_budget: Tokens of one forward pass; the device's own where `None`.
            layers: Hidden states to pool.
            advance: Told after each batch how many tokens it had.
        """
        layers = tuple(range(self.layers + 1)) if layers is None else tuple(layers)
        vectors = np.empty((len(tokens), len(layers), len(POOLINGS), self.width), dtype=np.float32)
        with self._lock:
            run = self._forward(layers)
        usual = TOKEN_BUDGET if self.backend in _BY_GRAPH else self.runtime.token_budget
        for batch in by_token_budget(tokens.lengths, token_budget or usual):
            ids, mask = tokens.padded(batch, pad_id, self.pad_to)
            vectors[batch] = run(ids, mask)
            if advance:
                advance(int(mask.sum()))
        return Pooled(vectors, layers)

    def try_batch(self, ids: np.ndarray, mask: np.ndarray) -> None:
        """Compute one batch whose result nobody wants."""
        self._forward(tuple(range(self.layers + 1)))(ids, mask)

    def _forward(self, layers: tuple[int, ...]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        """Padded ids and mask to pooled states."""
        if self.backend in _BY_GRAPH:
            if layers not in self._graphs:
                module = PooledStates(self.model, layers).eval()
                about = {**self._address(), "states": list(layers), "of": self.layers}
                self._graphs[layers] = kept_graph(module, about, int8=self.backend == "onnx-int8")
            return self._graphs[layers]
        if self._to_lay_out:
            self._take(prepack(self._reader, self.runtime))
        return through_arrays(PooledStates(self._reader, layers).eval(), self.runtime, self._autocast)

    def _address(self) -> dict[str, object]:
        """The weights, and how they are read."""
        return {"weights": self._files.sha256(), "configuration": file_sha256(self._files.folder / "config.json")}

    def _find_backend(self) -> str:
        if self._engine not in ("int8", "torch-int8"):
            return self._engine
        one = in_int8(self._reader, self._files, self.runtime) if isinstance(self._reader, FastBert) else None
        if one is None and self._engine == "int8":
            return "onnx-int8"
        if one is None:
            say(f"note: 8-bit products began this model, and are not had here: it goes on in {self.runtime.precision}")
            return "torch"
        self._take(one)
        return "torch-int8"

    def _take(self, one: Any | None) -> None:
        """Read with another layout from now on, if there is one."""
        self._to_lay_out = False
        if one is not None:
            self._reader, self._autocast = one, nullcontext


def _by_torch(engine: str) -> bool:
    return engine in ("torch", "torch-int8") or (engine == "int8" and multiplies_int8())


def _cut(model: Any, layers: int) -> None:
    stack = getattr(getattr(model, "encoder", None), "layer", None)
    if isinstance(stack, torch.nn.ModuleList) and layers < len(stack):
        del stack[layers:]
        model.config.num_hidden_layers = layers


def embed(
    encoder: Encoder, tokenizer: Tokenizer, texts: Sequence[str], budget: int | None
) -> tuple[np.ndarray, np.ndarray]:
    """Mean-pooled vectors of length 1.

    Args:
        encoder: Its top layer is pooled.
        tokenizer: The backbone's.
        texts: Any number.
        budget: Tokens of one forward pass; the device's own where `None`.

    Returns:
        `(texts, width)` float32, and `(texts,)` bool, whether a text was truncated.
    """
    tokens = tokenizer.encode(texts)
    top = encoder.layers
    vectors = encoder.pool(tokens, tokenizer.pad_id, budget, [top]).join([(top, "mean")])
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12), tokens.truncated
