"""A copy of a frozen encoder in bfloat16, on a CPU with the weights of its matmuls prepacked once.

Faster, because under autocast weights are rounded and laid out anew for every matmul, states go back and forth between
two precisions, and GELU is a pass of its own (benchmarks/LOG.md). A GPU needs no layout: there the copy is in bfloat16
and otherwise the same. Where the copy cannot be made or its states are not near enough, the encoder stays as it is.
"""

import copy
from contextlib import nullcontext
from typing import Any, ClassVar, Self

import numpy as np
import torch

from trifold.engines.module_engine import ModuleEngine
from trifold.engines.private_operators import has_prepacked_linear, prepack_linear, prepacked_linear
from trifold.engines.protocol import EncoderModule
from trifold.runtime import Runtime

# Rows of a matmul that the layout is made for; others only run a little slower.
_USUAL_ROWS = 2048
# The lowest cosine, over tokens, of the copy's states to those under autocast that is required.
_ENOUGH = 0.995


class PrepackedLinear(torch.nn.Module):
    """A linear layer on bfloat16 states, with GELU behind it if asked.

    Args:
        linear: In bfloat16, on the CPU.
        gelu: Whether the exact GELU follows.
    """

    def __init__(self, linear: torch.nn.Linear, *, gelu: bool = False) -> None:
        super().__init__()
        # No parameter: nothing but this matmul can read such a layout.
        self._weight = prepack_linear(linear.weight.detach(), _USUAL_ROWS)
        self._bias = None if linear.bias is None else linear.bias.detach()
        self._gelu = gelu

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`(…, in)` to `(…, out)`."""
        return prepacked_linear(states, self._weight, self._bias, gelu=self._gelu)


class PrepackedEngine(ModuleEngine):
    """A copy of the encoder in bfloat16 whose weights are laid out for the processor."""

    settings: ClassVar[tuple[str, ...]] = ("torch", "torch-int8")
    name: ClassVar[str] = "torch"

    @classmethod
    def of(cls, source: EncoderModule) -> Self | None:
        """See `Engine.of`."""
        packed = prepack(source.module, source.runtime)
        return None if packed is None else cls(packed, source.runtime, nullcontext)


def prepack(model: Any, runtime: Runtime) -> Any | None:
    """A prepacked copy of an encoder in evaluation mode, which stays as it is.

    Returns:
        The encoder, to be run without autocast; `None` where the runtime is not bfloat16 on hardware that has it, or
        where the copy's states would not be near enough.
    """
    if runtime.precision != "bfloat16" or (runtime.device == "cpu" and not has_prepacked_linear()):
        return None
    try:
        one = copy.deepcopy(model).to(torch.bfloat16)
        if runtime.device == "cpu":
            _pack(one)
        return one if _is_near_enough(one, model, runtime) else None
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError):
        return None


def _pack(module: Any) -> None:
    """Replace every linear layer, in place."""
    behind = getattr(module, "intermediate_act_fn", None)
    if isinstance(getattr(module, "dense", None), torch.nn.Linear) and _is_gelu(behind):
        module.dense, module.intermediate_act_fn = PrepackedLinear(module.dense, gelu=True), torch.nn.Identity()
    for name, part in list(module.named_children()):
        if type(part) is torch.nn.Linear:
            setattr(module, name, PrepackedLinear(part))
        else:
            _pack(part)


def _is_gelu(activation: Any) -> bool:
    """Whether an activation is the exact GELU, tried on some numbers."""
    points = torch.linspace(-4, 4, 64)
    return isinstance(activation, torch.nn.Module) and bool(
        torch.allclose(activation(points), torch.nn.functional.gelu(points), atol=1e-6)
    )


@torch.inference_mode()
def _is_near_enough(one: Any, model: Any, runtime: Runtime) -> bool:
    """Tried on two short made-up texts, one of them padded."""
    ids = torch.from_numpy(np.random.default_rng(0).integers(5, model.get_input_embeddings().num_embeddings, (2, 24)))
    mask = torch.ones_like(ids)
    mask[1, 16:] = 0
    given = {"input_ids": ids.to(runtime.device), "attention_mask": mask.to(runtime.device)}
    found = one(**given).last_hidden_state
    with runtime.autocast():
        expected = model(**given).last_hidden_state
    found, expected = (states.float().cpu()[mask.bool()] for states in (found, expected))
    return bool(torch.nn.functional.cosine_similarity(found, expected, dim=-1).min() > _ENOUGH)
