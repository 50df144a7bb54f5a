"""Whether a model fits in the memory that is free, asked before any of its weights is read."""

from collections.abc import Iterable
from pathlib import Path

from trifold.errors import BackboneError
from trifold.formatting import megabytes
from trifold.runtime import available_bytes

_NUMBER_BYTES = {"float64": 8, "float32": 4, "bfloat16": 2, "float16": 2}


def require_memory(name: str, weights: int, dtype: str) -> None:
    """Refuse a model that does not fit.

    Args:
        name: The model's.
        weights: How many it has.
        dtype: Number format that they are held in.

    Raises:
        BackboneError: If it does not.
    """
    needed, free = weights * _NUMBER_BYTES.get(dtype, 4), available_bytes()
    if free and needed > free:
        raise BackboneError(
            f"{name} has {weights / 1e9:,.1f} billion weights, which take {megabytes(needed)} in {dtype}, and "
            f"{megabytes(free)} of memory are free: give a smaller model, or close other programs"
        )


def count_weights(shards: Iterable[Path]) -> int:
    """How many weights some files of the safetensors format hold, by their headers.

    Raises:
        OSError: If one cannot be read.
        SafetensorError: If one is damaged.
    """
    from math import prod

    from safetensors import safe_open

    total = 0
    for shard in shards:
        with safe_open(shard, "np") as file:
            total += sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - no mapping
    return total
