"""A GPU made ready while the processor is busy with something else."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from typing import Any, NamedTuple

import torch
from torch.nn.functional import (
    cross_entropy,
    dropout,
    embedding,
    gelu,
    layer_norm,
    linear,
    scaled_dot_product_attention,
)

from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.runtime import Runtime
from trifold.train.optimiser import AdamW, Average

# Of the step: enough for the kernels of usual batches, and far from filling a small GPU.
_MOST_TOKENS = 4_096


class Size(NamedTuple):
    """Of a step, for one layer.

    Attributes:
        texts: In the batch.
        tokens: Of each text.
        width: Of a token's state.
        inner: Width between the two products behind attention.
        heads: Of attention.
    """

    texts: int
    tokens: int
    width: int
    inner: int
    heads: int


@contextmanager
def warming_up(runtime: Runtime, files: BackboneFiles, texts: int, tokens: int) -> Iterator[None]:
    """Inside, on a GPU, a thread of its own takes a step of one layer of the backbone's size; elsewhere, nothing.

    Driver, libraries and kernels are loaded when they are first used, which takes a second or two. A model is loaded
    meanwhile, and both are done sooner than one after the other.

    Args:
        runtime: Where and in which precision.
        files: The backbone.
        texts: Of a step.
        tokens: Of a long text.
    """
    if runtime.device != "cuda":
        yield
        return
    # Two names of each across architectures.
    config: dict[str, Any] = read_config(files)
    width = config.get("hidden_size") or config.get("dim") or 768
    inner = config.get("intermediate_size") or config.get("hidden_dim") or 4 * width
    heads = config.get("num_attention_heads") or config.get("n_heads") or 1
    size = Size(max(1, min(texts, _MOST_TOKENS // tokens)), tokens, width, inner, heads)
    thread = Thread(target=_step_apart, args=(runtime, size))
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _step_apart(runtime: Runtime, size: Size) -> None:
    """A step that leaves the GPU's random numbers as they were."""
    # What is wrong with the GPU, the training itself will say.
    with suppress(RuntimeError):
        random = torch.cuda.get_rng_state()
        take_step(runtime, size)
        torch.cuda.set_rng_state(random)
        torch.cuda.synchronize()


def take_step(runtime: Runtime, size: Size) -> None:
    """Forward, back, and weights moved, by the kernels that training takes; nothing is drawn but what is dropped."""
    texts, tokens, width, inner, heads = size

    def weight(*shape: int) -> torch.nn.Parameter:
        return torch.nn.Parameter(torch.zeros(shape, device=runtime.device))

    layer = torch.nn.ParameterDict(
        {
            "words": weight(8, width),
            "gain": weight(width),
            "square": weight(width, width),
            "shift": weight(width),
            "up": weight(inner, width),
            "inner_shift": weight(inner),
            "down": weight(width, inner),
            "head": weight(2, width),
        }
    )
    ids = torch.zeros(texts, tokens, dtype=torch.long, device=runtime.device)
    for mask in (None, torch.ones(texts, 1, 1, tokens, dtype=torch.bool, device=runtime.device)):
        with runtime.autocast():
            normed = layer_norm(embedding(ids, layer["words"]), (width,), layer["gain"], layer["shift"])
            states = dropout(normed, 0.1)
            asked = linear(states, layer["square"], layer["shift"]).view(texts, tokens, heads, -1).transpose(1, 2)
            mixed = scaled_dot_product_attention(asked, asked, asked, mask).transpose(1, 2).flatten(2)
            attended = states + dropout(linear(mixed, layer["square"], layer["shift"]), 0.1)
            states = layer_norm(attended, (width,), layer["gain"], layer["shift"])
            grown = gelu(linear(states, layer["up"], layer["inner_shift"]))
            states = states + dropout(linear(grown, layer["down"], layer["shift"]), 0.1)
            loss = cross_entropy(linear(states[:, 0], layer["head"]).tanh().float(), ids[:, 0])
        loss.backward()  # type: ignore[no-untyped-call]
    AdamW(layer, 1e-3, 0.01).step(1.0)
    Average(layer, 0.9).update()
