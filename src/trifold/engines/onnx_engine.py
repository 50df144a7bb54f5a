"""ONNX Runtime as an engine: the encoder is written as a graph for the layers asked for, and kept for next time."""

from threading import Lock
from typing import ClassVar, Self

import numpy as np

from trifold.engines.onnx_runtime import TOKEN_BUDGET, OnnxGraph, kept_graph, require_onnx
from trifold.engines.pooled_states import PooledStates, cut
from trifold.engines.protocol import Engine, SavedEncoder
from trifold.hashing import file_sha256
from trifold.models.batching import to_longest
from trifold.runtime import Runtime


class OnnxEngine(Engine):
    """Graphs in single precision, whose layers are fused; faster than PyTorch where a processor has no bfloat16."""

    settings: ClassVar[tuple[str, ...]] = ("onnx",)
    name: ClassVar[str] = "onnx"
    takes_module: ClassVar[bool] = False
    precision = "float32"
    int8: ClassVar[bool] = False

    def __init__(self, source: SavedEncoder) -> None:
        self.token_budget = TOKEN_BUDGET
        self.pad_to = to_longest
        self._model = source.load()
        self._address: dict[str, object] = {
            "weights": source.files.sha256(),
            "configuration": file_sha256(source.files.folder / "config.json"),
        }
        self._graphs: dict[tuple[int, ...], OnnxGraph] = {}
        # Threads may share an engine; the first of them writes a graph.
        self._lock = Lock()

    @classmethod
    def missing(cls, runtime: Runtime) -> str:
        """See `Engine.missing`."""
        return "" if runtime.device == "cpu" else f"it computes on the CPU, not on {runtime.device}"

    @classmethod
    def of(cls, source: SavedEncoder) -> Self:
        """See `Engine.of`."""
        require_onnx()
        return cls(source)

    def pooled(self, ids: np.ndarray, mask: np.ndarray, layers: tuple[int, ...]) -> np.ndarray:
        """See `Engine.pooled`."""
        with self._lock:
            if layers not in self._graphs:
                about = {**self._address, "states": list(layers), "of": self._model.config.num_hidden_layers}
                self._graphs[layers] = kept_graph(PooledStates(self._model, layers).eval(), about, int8=self.int8)
        return self._graphs[layers](ids, mask)

    def keep(self, layers: int) -> int:
        """See `Engine.keep`."""
        return cut(self._model, layers)


class OnnxInt8Engine(OnnxEngine):
    """Graphs whose matmuls are of 8-bit integers: for processors and architectures that PyTorch's are not for."""

    settings: ClassVar[tuple[str, ...]] = ("int8", "onnx-int8")
    name: ClassVar[str] = "onnx-int8"
    precision = "int8"
    int8: ClassVar[bool] = True
