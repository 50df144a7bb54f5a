"""The weights of a GGUF file as transformers names and orders them, written to disk a few rows at a time.

What llama.cpp's converter does to weights is undone: names, the order of rows in Llama's queries and keys, and the one
that Gemma's normalisations have added. Architectures beyond these are left to transformers' own loader, which holds
all weights in memory.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from trifold.errors import BackboneError
from trifold.events import Advance
from trifold.models.backbone_files import reason_of
from trifold.models.gguf.reading import GgufFile, GgufTensor

# Weights that are in memory at once.
_AT_ONCE = 4_000_000
_NAMES_IN_FILES = {"bfloat16": "BF16", "float32": "F32"}
# Architectures, as GGUF calls them, whose weights are written here.
PLAIN = ("qwen2", "qwen3", "phi3")
_GEMMAS = ("gemma2", "gemma3")
WRITTEN_HERE = (*PLAIN, *_GEMMAS, "llama")


@dataclass(frozen=True)
class _Entry:
    """A weight to write.

    Attributes:
        name: As transformers calls it.
        tensor: Where it comes from.
        order: Which of the tensor's rows comes where; `None` where they stay in order.
        plus: What is added to each number.
    """

    name: str
    tensor: GgufTensor
    order: np.ndarray | None
    plus: float

    def chunks(self) -> Iterator[np.ndarray]:
        """The numbers in float32, some rows at a time."""
        rows = len(self.tensor.data)
        step = max(1, _AT_ONCE * rows // max(1, self.tensor.size))
        for start in range(0, rows, step):
            part = slice(start, start + step)
            found = self.tensor.values(part if self.order is None else self.order[part])
            yield found + np.float32(self.plus) if self.plus else found


def write_weights(file: GgufFile, config: Any, dtype: str, path: Path, advance: Advance) -> None:
    """Write the weights as one file of the safetensors format.

    Args:
        file: The GGUF file, of an architecture in `WRITTEN_HERE`.
        config: The model's configuration, of transformers.
        dtype: Number format, `bfloat16` or `float32`.
        path: Where to write.
        advance: Told how many weights are written.

    Raises:
        BackboneError: If the file lacks a weight, or holds one of another shape.
        OSError: If it cannot be written.
    """
    import torch

    entries = _entries(file, config)
    width = getattr(torch, dtype).itemsize
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for entry in entries:
        start, end = end, end + width * entry.tensor.size
        header[entry.name] = {
            "dtype": _NAMES_IN_FILES[dtype], "shape": entry.tensor.shape, "data_offsets": (start, end)
        }  # fmt: skip
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as out:
        out.write(len(text).to_bytes(8, "little") + text)
        for entry in entries:
            for values in entry.chunks():
                out.write(torch.from_numpy(values).to(getattr(torch, dtype)).view(torch.uint8).numpy().data)
                advance(values.size)


def _entries(file: GgufFile, config: Any) -> list[_Entry]:
    """What is to be written, in the order of the model."""
    try:
        names = _names(file.architecture, config)
    except Exception as error:  # noqa: BLE001 - transformers checks few of the numbers that it divides by
        raise BackboneError(
            f"{file.path} describes no model that can be built ({reason_of(error)}): download a file that is whole"
        ) from None
    lacking = sorted(name for name, (gguf_name, _) in names.items() if gguf_name not in file.tensors)
    if lacking:
        raise BackboneError(
            f"{file.path} lacks {len(lacking)} of its model's weights ({lacking[0]}): download a file that is whole"
        )
    entries = []
    for name, (gguf_name, shape) in names.items():
        tensor = file.tensors[gguf_name]
        if tensor.shape != shape:
            raise BackboneError(
                f"{file.path} holds {gguf_name} with {tensor.shape} numbers where its description asks for {shape}: "
                "download a file that is whole"
            )
        plus = -1.0 if file.architecture in _GEMMAS and gguf_name.endswith("norm.weight") else 0.0
        entries.append(_Entry(name, tensor, _order(file.architecture, gguf_name, shape, config), plus))
    return entries


def _names(architecture: str, config: Any) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Each weight of the model as transformers names it: its name in GGUF, and its shape. Shared ones come once."""
    import torch
    from gguf import MODEL_ARCH_NAMES, get_tensor_name_map
    from transformers import AutoModelForCausalLM

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    model.tie_weights()
    kind = next(one for one, name in MODEL_ARCH_NAMES.items() if name == architecture)
    find: Callable[[str], str | None] = get_tensor_name_map(kind, config.num_hidden_layers).get_name
    found = {}
    for name, weight in model.named_parameters():
        stem, _, ending = name.rpartition(".")
        found[name] = (f"{find(stem)}.{ending}", tuple(weight.shape))
    return found


def _order(architecture: str, gguf_name: str, shape: tuple[int, ...], config: Any) -> np.ndarray | None:
    """The order of rows in the model, by their numbers in the file; `None` where it is the same.

    In files of Llama the two halves that a rotation takes together lie side by side.
    """
    if architecture != "llama" or not (".attn_q." in gguf_name or ".attn_k." in gguf_name):
        return None
    heads = config.num_attention_heads if ".attn_q." in gguf_name else config.num_key_value_heads
    rows = np.arange(shape[0]).reshape(heads, -1, 2)
    return rows.swapaxes(1, 2).reshape(-1)
