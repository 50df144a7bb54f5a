"""The index of a segment: which texts its data file holds, where each begins, and what computing them took."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trifold.cache_folder import read_npz
from trifold.hashing import DIGEST_BYTES


class SegmentIndex(NamedTuple):
    """The content of an index file.

    Attributes:
        digests: `(texts, 16)` uint8.
        offsets: `(texts + 1,)` int64; the array of text i is `data[offsets[i]:offsets[i + 1]]`.
        seconds: Time that computing all arrays of the segment took.
    """

    digests: np.ndarray
    offsets: np.ndarray
    seconds: float


def write_index(path: Path, digests: Sequence[bytes], lengths: Sequence[int], seconds: float) -> None:
    """Write the index of a segment and wait until it is on the disk.

    Args:
        path: The file.
        digests: 16 bytes for each text.
        lengths: Rows of each text's array.
        seconds: Time that computing all arrays took.
    """
    with path.open("wb") as file:
        np.savez(
            file,
            digests=np.frombuffer(b"".join(digests), dtype=np.uint8).reshape(-1, DIGEST_BYTES),
            offsets=np.cumsum([0, *lengths]),
            seconds=np.float64(seconds),
        )
        file.flush()
        os.fsync(file.fileno())


def read_index(path: Path) -> SegmentIndex:
    """Read the index of a segment.

    Raises:
        OSError: If the file is missing.
        ValueError: If it is damaged.
    """
    found = read_npz(path)
    try:
        digests, offsets, seconds = found["digests"], found["offsets"], float(found["seconds"])
    except (KeyError, TypeError) as error:
        raise ValueError(f"{path} is damaged") from error
    valid = (
        digests.dtype == np.uint8
        and (digests.ndim, digests.shape[-1]) == (2, DIGEST_BYTES)
        and (offsets.dtype.kind, offsets.shape) == ("i", (len(digests) + 1,))
        and offsets[0] == 0
        and (np.diff(offsets) >= 0).all()
        and 0 <= seconds < np.inf
    )
    if not valid:
        raise ValueError(f"{path} is damaged")
    return SegmentIndex(digests, offsets, seconds)
