"""Reading `.npy` files that may be damaged, or made to be hostile."""

from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap


def read_npy(path: Path, dtype: str, dimensions: int) -> np.ndarray | None:
    """The array in a `.npy` file; `None` if the file is missing, damaged, or holds something else.

    No pickle is loaded, and no memory is taken for an array that is larger than its file.

    Args:
        path: The file.
        dtype: NumPy's name of the type that the array must have, such as `<f4`.
        dimensions: How many it must have.
    """
    if not path.is_file():
        return None
    try:
        # Mapping refuses a header that claims more bytes than the file has; NumPy may overflow when it counts them.
        with np.errstate(over="ignore"):
            found = open_memmap(path, mode="r")
    except Exception:  # noqa: BLE001 - parsing a damaged header raises tokenize's, Python's and NumPy's own errors
        return None
    return np.array(found) if found.dtype == np.dtype(dtype) and found.ndim == dimensions else None
