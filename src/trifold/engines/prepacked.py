"""A frozen encoder laid out for its processor: bfloat16 throughout, and the weights of its matmuls prepacked once.

Under autocast a frozen model's weights are rounded or laid out anew for every product, its states go back and forth
between two precisions, and GELU is a pass of its own. What is frozen can have that behind it (benchmarks/LOG.md).
A GPU needs no layout of its own: there the copy is in bfloat16, and nothing else.
"""

import copy
from contextlib import nullcontext
from typing import Any, ClassVar, Self

import numpy as np
import torch

from trifold.engines.module_engine import ModuleEngine
from trifold.engines.protocol import EncoderModule
from trifold.runtime import Runtime

# Rows of a product that the layout is made for; others only run a little slower.
_USUAL_ROWS = 2048
# A direction of two vectors from which on they say the same.
_SAME = 0.995


class PrepackedLinear(torch.nn.Module):
    """What `linear` computes, and GELU behind it where told so, on bfloat16 states.

    Args:
        linear: In bfloat16, on the CPU.
        gelu: Whether the exact GELU follows.
    """

    def __init__(self, linear: torch.nn.Linear, *, gelu: bool = False) -> None:
        super().__init__()
        # No parameter: nothing but this product can read such a layout.
        self._weight = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), _USUAL_ROWS)
        self._bias = None if linear.bias is None else linear.bias.detach()
        self._behind: tuple[str, list[float], str] = ("gelu", [], "none") if gelu else ("none", [], "")

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """`(…, in)` to `(…, out)`."""
        found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(states, self._weight, self._bias, *self._behind)
        return found


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
        It, to be run without autocast; `None` where the runtime is not bfloat16 on hardware that has it, or where the
        copy would say something else.
    """
    if runtime.precision != "bfloat16" or (runtime.device == "cpu" and not _supported()):
        return None
    try:
        one = copy.deepcopy(model).to(torch.bfloat16)
        if runtime.device == "cpu":
            _pack(one)
        return one if _says_the_same(one, model, runtime) else None
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError):
        return None


def _supported() -> bool:
    return torch._C._has_mkldnn and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _pack(module: Any) -> None:
    """Replace every linear part, in place."""
    behind = getattr(module, "intermediate_act_fn", None)
    if isinstance(getattr(module, "dense", None), torch.nn.Linear) and _is_gelu(behind):
        module.dense, module.intermediate_act_fn = PrepackedLinear(module.dense, gelu=True), torch.nn.Identity()
    for name, part in list(module.named_children()):
        if type(part) is torch.nn.Linear:
            setattr(module, name, PrepackedLinear(part))
        else:
            _pack(part)


def _is_gelu(activation: Any) -> bool:
    """Whether it is the exact one, by what it does."""
    points = torch.linspace(-4, 4, 64)
    return isinstance(activation, torch.nn.Module) and bool(
        torch.allclose(activation(points), torch.nn.functional.gelu(points), atol=1e-6)
    )


@torch.inference_mode()
def _says_the_same(one: Any, model: Any, runtime: Runtime) -> bool:
    """Tried on two short made-up texts, one of them padded."""
    ids = torch.from_numpy(np.random.default_rng(0).integers(5, model.get_input_embeddings().num_embeddings, (2, 24)))
    mask = torch.ones_like(ids)
    mask[1, 16:] = 0
    given = {"input_ids": ids.to(runtime.device), "attention_mask": mask.to(runtime.device)}
    found = one(**given).last_hidden_state
    with runtime.autocast():
        expected = model(**given).last_hidden_state
    found, expected = (states.float().cpu()[mask.bool()] for states in (found, expected))
    return bool(torch.nn.functional.cosine_similarity(found, expected, dim=-1).min() > _SAME)
