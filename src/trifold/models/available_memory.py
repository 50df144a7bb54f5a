"""Whether a model fits in the memory that is free, asked before any of its weights is read."""

from math import prod

from trifold.errors import BackboneError
from trifold.formatting import megabytes
from trifold.models.backbone_files import BackboneFiles
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


def count_weights(files: BackboneFiles) -> int:
    """How many weights a model has, by the headers of its files; where these are damaged, by their size."""
    from safetensors import SafetensorError, safe_open

    shards, total = files.shards(), 0
    try:
        for shard in shards:
            with safe_open(shard, "np") as file:
                total += sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError):
        return files.size_bytes() // 4
    return total
