"""Arrays of a run folder that were damaged, or made to be hostile."""

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest
from numpy.lib.format import write_array_header_1_0

from trifold.artifact.npy_file import read_npy


def zipped(file: BinaryIO) -> None:
    np.savez(file, one=np.arange(3, dtype="<u8"))


def pickled(file: BinaryIO) -> None:
    np.save(file, np.array([{}], dtype=object))


def claiming(*shape: int) -> Callable[[BinaryIO], None]:
    def write(file: BinaryIO) -> None:
        write_array_header_1_0(file, {"descr": "<u8", "fortran_order": False, "shape": shape})
        file.write(bytes(80))

    return write


def holding(content: bytes) -> Callable[[BinaryIO], None]:
    return lambda file: file.write(content) and None


def saved(array: np.ndarray) -> Callable[[BinaryIO], None]:
    return lambda file: np.save(file, array)


@pytest.mark.parametrize(
    "write",
    [
        zipped,
        pickled,
        claiming(10**11),
        claiming(10**30),
        claiming(1 << 61, 8),
        claiming(-1),
        claiming(11),
        holding(b""),
        holding(b"nothing"),
        holding(b'\x93NUMPY\x01\x00\x10\x00{"descr": (((((  '),
        saved(np.zeros((2, 2), dtype="<u8")),
        saved(np.zeros(2, dtype="<f8")),
        saved(np.empty(0)),
    ],
)
def test_what_is_no_such_array_is_none(write: Callable[[BinaryIO], None], tmp_path: Path) -> None:
    path = tmp_path / "some.npy"
    with path.open("wb") as file:
        write(file)
    assert read_npy(path, "<u8", 1) is None


@pytest.mark.parametrize("count", [0, 3])
def test_an_array_comes_back(count: int, tmp_path: Path) -> None:
    path = tmp_path / "some.npy"
    assert read_npy(path, "<u8", 1) is None
    np.save(path, np.arange(count, dtype="<u8"))
    found = read_npy(path, "<u8", 1)
    assert type(found) is np.ndarray
    assert found.tolist() == list(range(count))
