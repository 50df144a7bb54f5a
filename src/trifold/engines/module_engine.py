"""PyTorch as an engine: an encoder's module, run as it is or as a faster copy of it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, ClassVar, Self

import numpy as np
import torch

from trifold.engines.pooled_states import PooledStates, cut, run_on_arrays
from trifold.engines.protocol import EncoderModule, Engine
from trifold.models.batching import default_padding
from trifold.runtime import Runtime


class ModuleEngine(Engine):
    """Runs a module of PyTorch.

    Args:
        module: The encoder, or a copy of it.
        runtime: Where it is.
        context: Gives the context to run it in.
        precision: Number format of the matmuls; the runtime's where `None`.
    """

    def __init__(
        self,
        module: Any,
        runtime: Runtime,
        context: Callable[[], AbstractContextManager[Any]],
        precision: str | None = None,
    ) -> None:
        self.module = module
        self.precision = precision or runtime.precision
        self.token_budget = runtime.token_budget
        self.pad_to = default_padding(runtime)
        self._runtime, self._context = runtime, context

    def pooled(self, ids: np.ndarray, mask: np.ndarray, layers: tuple[int, ...]) -> np.ndarray:
        """See `Engine.pooled`."""
        return self.run(PooledStates(self.module, layers).eval(), ids, mask)

    def run(self, whole: torch.nn.Module, *given: np.ndarray) -> np.ndarray:
        """Run a module that `self.module` is a part of, in the same precision."""
        return run_on_arrays(whole, self._runtime, self._context, *given)

    def keep(self, layers: int) -> int:
        """See `Engine.keep`."""
        return cut(self.module, layers)


class AutocastEngine(ModuleEngine):
    """The encoder as it was read; autocast rounds weights and states for each matmul where the precision asks for it.

    Every other engine falls back to this one.
    """

    settings: ClassVar[tuple[str, ...]] = ("torch", "torch-int8")
    name: ClassVar[str] = "torch"
    follows_training: ClassVar[bool] = True

    @classmethod
    def of(cls, source: EncoderModule) -> Self:
        """See `Engine.of`."""
        return cls(source.module, source.runtime, source.runtime.autocast)
