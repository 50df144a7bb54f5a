"""Optimiser steps on a GPU as CUDA graphs: captured once for each shape of a batch, and replayed.

A step of a BERT is over a thousand kernels of some microseconds each, and starting them one by one takes the CPU three
to four times as long as the GPU takes to compute them (benchmarks/LOG.md). A graph starts them all at once. Where a
step cannot be captured, that is said, and it is taken kernel by kernel.
"""

from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import torch

from trifold.engines.architectures import can_be_captured
from trifold.engines.bf16_weight_cache import Bf16WeightCache
from trifold.errors import first_line
from trifold.events import say
from trifold.models.batching import to_multiple_of
from trifold.runtime import Runtime
from trifold.train.config import TrainingConfig
from trifold.train.objective import Capturable, Objective
from trifold.train.steps import Steps

# Batches are padded to multiples of so many tokens: every shape takes a graph of its own, and a capture costs as much
# as two to three steps.
_ROUNDING = to_multiple_of(64)


class _Captured(NamedTuple):
    """A captured step for batches of one shape.

    Attributes:
        graph: The CUDA graph.
        inputs: The tensors it reads: the examples and, last, their positions.
        figures: The tensors it writes: the loss, and the number of correct answers.
    """

    graph: Any
    inputs: list[torch.Tensor]
    figures: tuple[torch.Tensor, torch.Tensor]


@dataclass
class CapturedSteps(Steps):
    """Steps whose gradients are those of `Steps`; a step of one whole batch is captured, and replayed from then on.

    Attributes:
        graphs: The captured steps, by the shapes of their inputs.
    """

    training: Capturable
    graphs: dict[tuple[torch.Size, ...], _Captured] = field(default_factory=dict, init=False)
    _pool: Any = field(default=None, init=False)
    _rounded: Bf16WeightCache | None = field(default=None, init=False)
    _may_capture: bool = field(default=True, init=False)

    def take(self, micro_batches: list[np.ndarray]) -> None:
        """See `Steps.take`."""
        alike = len(micro_batches) == 1 and len(micro_batches[0]) == self.config.batch_size
        if self._pool is None or not alike or not self._may_capture:
            super().take(micro_batches)
            # By now everything exists that is made once: moments, handles, kernels.
            self._pool = self._pool or torch.cuda.graph_pool_handle()
            return
        given = [*self.training.inputs(micro_batches[0], _ROUNDING), torch.from_numpy(micro_batches[0])]
        shapes = tuple(tensor.shape for tensor in given)
        if shapes not in self.graphs and not self._try_to_capture(shapes, given):
            super().take(micro_batches)
            return
        graph, inputs, figures = self.graphs[shapes]
        for held, tensor in zip(inputs, given, strict=True):
            held.copy_(tensor, non_blocking=True)
        graph.replay()
        # Copied, because the next replay writes over them before they are read.
        total, correct = (tensor.clone() for tensor in figures)
        self.recorder.add(total, correct, self.config.batch_size)

    def _try_to_capture(self, shapes: tuple[torch.Size, ...], given: list[torch.Tensor]) -> bool:
        """Capture a step of these shapes; where that fails, restore everything, and capture no more."""
        random = torch.cuda.get_rng_state()
        try:
            self.graphs[shapes] = self._capture(given)
        except RuntimeError as error:
            say(f"note: steps cannot be captured as CUDA graphs ({first_line(error)}): going on without")
            self._may_capture = False
        else:
            return True
        self.graphs.clear()
        self._rounded = None
        self.model.zero_grad(set_to_none=True)
        # A generator's state cannot be set after a failed capture, but it can take over that of another generator.
        other = torch.Generator(self.runtime.device)
        other.set_state(random)
        torch.cuda.default_generators[torch.cuda.current_device()].graphsafe_set_state(other.graphsafe_get_state())
        return False

    def _capture(self, given: list[torch.Tensor]) -> _Captured:
        """Capture a step without taking it."""
        device = self.runtime.device
        inputs = [tensor.to(device) for tensor in given]
        graph = torch.cuda.CUDAGraph()
        if self._rounded is None and self.runtime.precision == "bfloat16":
            self._rounded = Bf16WeightCache(self.model)
        # The outer context is for a capture that fails, which leaves its own stream as the current one.
        with (
            torch.cuda.stream(torch.cuda.current_stream()),
            torch.cuda.graph(graph, self._pool, capture_error_mode="thread_local"),
        ):
            with self._rounded.in_place() if self._rounded else nullcontext():
                with self.runtime.autocast():
                    result = self.training.loss_of(self.model, inputs[:-1])
                self.go_back(result, inputs[-1], self.config.batch_size)
            self.move()
        return _Captured(graph, inputs, (result.total.detach(), result.correct))


def steps_of(
    model: torch.nn.Module, training: Objective, config: TrainingConfig, runtime: Runtime, *rest: Any
) -> Steps:
    """The fastest steps for this model and machine; arguments as for `Steps`."""
    if runtime.device == "cuda" and can_be_captured(model) and isinstance(training, Capturable) and training.few_shapes:
        return CapturedSteps(model, training, config, runtime, *rest)
    return Steps(model, training, config, runtime, *rest)
