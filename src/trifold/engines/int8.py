"""A frozen BERT whose matmuls are of 8-bit integers: twice the rate of bfloat16 where a processor has that dot product.

The ranges of all states are measured once, on sample texts. So a text's vector does not depend on the texts beside it,
and no pass looks for a batch's range. Attention, normalisation and sums stay in floating point. Where the processor or
PyTorch lacks such a matmul, or the results would not be the encoder's, `catalogue.ENGINES` names what computes instead.
"""

import copy
import platform
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any, ClassVar, Self

import numpy as np
import torch

from trifold.engines.fast_bert import BertConfig, FastBert
from trifold.engines.int8_linear import Affine, ChannelRanges, Int8Linear, quantised, split_outliers
from trifold.engines.module_engine import ModuleEngine
from trifold.engines.private_operators import has_int8_linear
from trifold.engines.protocol import SavedEncoder
from trifold.models.backbone_files import BackboneFiles
from trifold.models.tokenizer_files import fast_tokenizer
from trifold.runtime import Runtime, cpu_multiplies_int8

# Sample texts of random words: so many of so many tokens. On the last the result is tried.
_SAMPLES = ((4, 120), (8, 24), (2, 60))
# The mean cosine, over tokens, of the quantised states to the exact ones that is required.
_ENOUGH = 0.98


class Int8Engine(ModuleEngine):
    """A copy of the encoder whose matmuls are of 8-bit integers."""

    settings: ClassVar[tuple[str, ...]] = ("int8", "torch-int8")
    name: ClassVar[str] = "torch-int8"

    @classmethod
    def missing(cls, runtime: Runtime) -> str:
        """See `Engine.missing`."""
        if runtime.device != "cpu":
            return f"it computes on the CPU, not on {runtime.device}"
        return "" if multiplies_int8() else "this processor, or this PyTorch, has no matmul of 8-bit integers"

    @classmethod
    def of(cls, source: SavedEncoder) -> Self | None:
        """See `Engine.of`."""
        bert = source.module
        one = in_int8(bert, source.files, source.runtime) if isinstance(bert, FastBert) else None
        return None if one is None else cls(one, source.runtime, nullcontext, "int8")


def multiplies_int8() -> bool:
    """Whether processor and PyTorch have such a matmul: without, sums overflow or take a thousand times longer.

    Other processors than x86 have the dot product, too, but nobody has seen PyTorch's matmul use it.
    """
    return platform.machine() in ("x86_64", "AMD64") and cpu_multiplies_int8() and has_int8_linear()


def in_int8(model: FastBert, files: BackboneFiles, runtime: Runtime) -> FastBert | None:
    """An encoder with the matmuls of `model` in 8-bit integers, and everything else in the runtime's precision.

    Args:
        model: In single precision, on the CPU; stays as it is.
        files: Its tokenizer's, for the tokens that every text begins and ends with.
        runtime: Where it will run.

    Returns:
        The encoder, to be run without autocast; `None` where it cannot be made, or its states are not near enough.
    """
    if Int8Engine.missing(runtime):
        return None
    try:
        *samples, trial = _samples(files, model.config)
        one = _converted(model, _ranges(model, samples), getattr(torch, runtime.precision))
        return one if _is_near_enough(one, model, trial) else None
    except (RuntimeError, TypeError, ValueError, AttributeError, NotImplementedError):
        return None


def _samples(files: BackboneFiles, config: BertConfig) -> list[torch.Tensor]:
    """Words at random between the tokens that every text begins and ends with, `(texts, tokens)` each."""
    ends = fast_tokenizer(files).encode("").ids
    draw, places = np.random.default_rng(0), config.max_position_embeddings - config.first_position
    shapes = [(texts, min(tokens, places)) for texts, tokens in _SAMPLES]
    found = [torch.from_numpy(draw.integers(0, config.vocab_size, shape)) for shape in shapes]
    for ids in found:
        if ends:
            ids[:, 0], ids[:, -1] = ends[0], ends[-1]
    return found


@torch.inference_mode()
def _ranges(model: FastBert, texts: Sequence[torch.Tensor]) -> dict[torch.nn.Linear, ChannelRanges]:
    """Of what goes into each linear layer."""
    found = {part: ChannelRanges(part.in_features) for part in model.modules() if isinstance(part, torch.nn.Linear)}

    def observe(part: Any, given: tuple[torch.Tensor]) -> None:
        found[part].observe(given[0])

    hooks = [part.register_forward_pre_hook(observe) for part in found]
    try:
        for ids in texts:
            model(ids)
    finally:
        for hook in hooks:
            hook.remove()
    return found


@torch.inference_mode()
def _converted(model: FastBert, ranges: dict[torch.nn.Linear, ChannelRanges], dtype: torch.dtype) -> FastBert:
    one = copy.deepcopy(model).to(dtype)
    layer: Any
    exact: Any
    for layer, exact in zip(one.encoder["layer"].children(), model.encoder["layer"].children(), strict=True):
        heads, mixed = exact.attention.self, exact.attention.output.dense
        up, down = exact.intermediate.dense, exact.output.dense
        quantise, matmuls = quantised([Affine.of(part) for part in heads.values()], ranges[heads["query"]], dtype)
        layer.attention.quantise = quantise
        layer.attention.self = torch.nn.ModuleDict(dict(zip(heads, matmuls, strict=True)))
        quantise, matmuls = quantised([Affine.of(mixed)], ranges[mixed], dtype)
        layer.attention.output.dense = torch.nn.Sequential(quantise, *matmuls)
        wider, narrower, between = split_outliers(Affine.of(up), Affine.of(down), ranges[down])
        # GELU's result is quantised inside the matmul that makes it.
        quantise, matmuls = quantised([wider], ranges[up], dtype, gelu=True, result=between)
        layer.intermediate.dense = torch.nn.Sequential(quantise, *matmuls)
        layer.intermediate.intermediate_act_fn = torch.nn.Identity()
        layer.output.dense = Int8Linear(narrower, between, dtype)
    return one


@torch.inference_mode()
def _is_near_enough(one: FastBert, model: FastBert, ids: torch.Tensor) -> bool:
    found, expected = (states(ids).last_hidden_state.float() for states in (one, model))
    return bool(torch.nn.functional.cosine_similarity(found, expected, dim=-1).mean() > _ENOUGH)
