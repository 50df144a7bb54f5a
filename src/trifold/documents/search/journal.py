"""Vectors of passages while an index is being built, by a digest of each text: a killed build loses none of them.

Each build appends to two files of its own, vectors and digests, and reads those of the builds before it. A digest is
written once its vector is on disk, so whatever has a digest can be trusted.
"""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from trifold.atomic import remove
from trifold.errors import ArtifactError
from trifold.features.half_precision import half
from trifold.hashing import DIGEST_BYTES, short_digest

_VECTORS, _DIGESTS = ".vectors", ".digests"


class Journal:
    """Vectors `(passages, width)` in float16.

    Args:
        folder: Where the journals of unfinished builds lie, which is made where it is missing.
        encoder: Identity of what computes the vectors; those of another one are cleared away.
        width: Numbers of a vector.

    Attributes:
        recovered: Vectors that builds before this one computed.
    """

    def __init__(self, folder: Path, encoder: str, width: int) -> None:
        for other in folder.iterdir() if folder.is_dir() else ():
            if other.name != encoder:
                remove(other)
        self._folder, self._width = folder / encoder, width
        self._folder.mkdir(parents=True, exist_ok=True)
        earlier = sorted(self._folder.glob(f"*{_DIGESTS}"))
        self._path = self._folder / f"{len(earlier):06d}"
        # Rows of all journals count on from one to the next; this build's own come last.
        self._parts = [part for path in earlier if (part := _read(path, width)) is not None]
        self._rows: dict[bytes, int] = {}
        for row, digest in enumerate(digest for digests, _ in self._parts for digest in digests):
            self._rows[digest.tobytes()] = row
        self.recovered = sum(len(digests) for digests, _ in self._parts)
        self._written = 0
        self._vectors = self._path.with_suffix(_VECTORS).open("wb")
        self._digests = self._path.with_suffix(_DIGESTS).open("wb")

    def find(self, text: str) -> int | None:
        """The row of a text's vector; `None` if it was not computed, by this build or one before."""
        return self._rows.get(_digest_of(text))

    def append(self, texts: Sequence[str], vectors: np.ndarray) -> int:
        """Keep vectors that were just computed.

        Args:
            texts: What they are of.
            vectors: `(texts, width)` floats.

        Returns:
            The row of the first of them.

        Raises:
            ArtifactError: If a number is none, which no model should compute.
        """
        if not np.isfinite(vectors).all():
            raise ArtifactError("the model computed vectors with numbers that are not finite: give another --model")
        self._vectors.write(np.ascontiguousarray(half(vectors)).data)
        self._vectors.flush()
        os.fsync(self._vectors.fileno())
        digests = [_digest_of(text) for text in texts]
        self._digests.write(b"".join(digests))
        self._digests.flush()
        first = self.recovered + self._written
        self._rows.update(zip(digests, range(first, first + len(digests)), strict=True))
        self._written += len(texts)
        return first

    def gather(self, rows: np.ndarray, into: np.ndarray) -> None:
        """Copy the vectors at `rows`, `(passages,)`, into an array `(passages, width)`."""
        parts = [vectors for _, vectors in self._parts]
        if self._written:
            parts.append(
                np.memmap(self._path.with_suffix(_VECTORS), np.float16, "r", shape=(self._written, self._width))
            )
        first = 0
        for part in parts:
            inside = np.flatnonzero((rows >= first) & (rows < first + len(part)))
            into[inside] = part[rows[inside] - first]
            first += len(part)

    def close(self) -> None:
        """Let go of this build's files."""
        self._vectors.close()
        self._digests.close()


def _digest_of(text: str) -> bytes:
    return short_digest(text.encode("utf-8", "surrogatepass"))


def _read(digests: Path, width: int) -> tuple[np.ndarray, np.ndarray] | None:
    """Digests `(passages, 16)` and vectors of a journal as far as it has both; `None` if it has none."""
    vectors = digests.with_suffix(_VECTORS)
    row_bytes = 2 * width
    known = min(digests.stat().st_size // DIGEST_BYTES, vectors.stat().st_size // row_bytes if vectors.is_file() else 0)
    if not known:
        return None
    found = np.fromfile(digests, np.uint8, known * DIGEST_BYTES).reshape(known, DIGEST_BYTES)
    return found, np.memmap(vectors, np.float16, "r", shape=(known, width))
