"""A sorted list of words in two memory-mapped files, searched by bisection: no word is read that is not asked for."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from trifold.documents.search.mapped_array import open_array

# No byte of UTF-8 is as high, so it stands after whatever may follow a word's beginning.
_AFTER_ALL = b"\xff"


class SortedWords:
    """Words in the order of their code points.

    Args:
        folder: Where `write` put them.
        name: As given to `write`.

    Raises:
        ArtifactError: If a file is missing or damaged.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._characters = open_array(folder / f"{name}.characters.npy")
        self._ends = open_array(folder / f"{name}.ends.npy")

    @staticmethod
    def write(words: Iterable[str], folder: Path, name: str) -> None:
        """Write words that are sorted and distinct."""
        encoded = [word.encode() for word in words]
        np.save(folder / f"{name}.characters.npy", np.frombuffer(b"".join(encoded), dtype=np.uint8))
        np.save(folder / f"{name}.ends.npy", np.cumsum([len(word) for word in encoded], dtype=np.int64))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, number: int) -> bytes:
        if not 0 <= number < len(self):
            raise IndexError(number)
        start = int(self._ends[number - 1]) if number else 0
        return bytes(self._characters[start : int(self._ends[number])])

    def word(self, number: int) -> str:
        """The word with a number, as text."""
        return self[number].decode()

    def find(self, word: str) -> int | None:
        """The number of a word; `None` if it is not there."""
        wanted = word.encode("utf-8", "replace")
        number = bisect_left(_as_sequence(self), wanted)
        return number if number < len(self) and self[number] == wanted else None

    def beginning_with(self, start: str) -> range:
        """The numbers of all words that begin so."""
        wanted = start.encode("utf-8", "replace")
        first = bisect_left(_as_sequence(self), wanted)
        return range(first, bisect_left(_as_sequence(self), wanted + _AFTER_ALL, first))


def _as_sequence(words: SortedWords) -> Sequence[bytes]:
    # Bisection needs a length and items alone; the whole interface of a sequence would be code for nobody.
    return words  # type: ignore[return-value]
