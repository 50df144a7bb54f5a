"""Arrays of an index, mapped into memory: a page is read where it is asked for."""

from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib.format import open_memmap

from trifold.documents.search.records import damaged
from trifold.errors import ArtifactError


def open_array(path: Path, mode: Literal["r", "c"] = "r") -> np.ndarray:
    """The array in a `.npy` file of an index.

    Args:
        path: The file.
        mode: `c` for PyTorch, which takes no array that is read only; it is never written all the same.

    Raises:
        ArtifactError: If the file is missing or damaged.
    """
    try:
        return open_memmap(path, mode)
    except Exception:  # noqa: BLE001 - parsing a damaged header raises tokenize's, Python's and NumPy's own errors
        raise unreadable(path) from None


def unreadable(path: Path) -> ArtifactError:
    """The error for a file of an index that cannot be opened."""
    return damaged(path, "it cannot be read" if path.exists() else "it is missing")
