"""Texts and their vectors in temporary files, for as long as they are compared with others."""

from array import array
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

import numpy as np


class StoredTexts:
    """Texts with a number and a vector each, of which memory holds some bytes alone. To be used as a context.

    Args:
        width: Numbers of a vector.
    """

    def __init__(self, width: int) -> None:
        self._width = width
        self._numbers, self._ends = array("q"), array("q", [0])
        self._folder = TemporaryDirectory(prefix="trifold-")
        self._vectors_path = Path(self._folder.name) / "vectors"
        self._vectors = self._vectors_path.open("wb")
        self._texts = (Path(self._folder.name) / "texts").open("w+b")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._vectors.close()
        self._texts.close()
        self._folder.cleanup()

    def add(self, numbers: Sequence[int], texts: Sequence[str], vectors: np.ndarray) -> None:
        """Add some texts.

        Args:
            numbers: Of each text, such as its row.
            texts: As many.
            vectors: `(texts, width)`.
        """
        self._numbers.extend(numbers)
        for text in texts:
            # What a file held as half a character is kept as it is.
            self._ends.append(self._ends[-1] + self._texts.write(text.encode("utf-8", "surrogatepass")))
        self._vectors.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())

    def vectors(self) -> np.ndarray:
        """All vectors, `(texts, width)` float32, read from the file as they are needed."""
        self._vectors.flush()
        if not self._numbers:
            return np.zeros((0, self._width), dtype=np.float32)
        return np.memmap(self._vectors_path, dtype="<f4", mode="r", shape=(len(self._numbers), self._width))

    def text(self, position: int) -> tuple[int, str]:
        """The number and the text at a position."""
        start, end = self._ends[position : position + 2]
        self._texts.seek(start)
        return self._numbers[position], self._texts.read(end - start).decode("utf-8", "surrogatepass")
