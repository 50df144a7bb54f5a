"""Which texts a run has learned from, training and validation, as hashes: no text can be read back from them."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from trifold.artifact.manifest import verify_file
from trifold.artifact.npy_file import read_npy
from trifold.errors import ArtifactError
from trifold.types import Text

LEARNED_TEXTS = "learned_texts.npy"
_BYTES = 8


def text_hashes(texts: Iterable[Text]) -> np.ndarray:
    """`(texts,)` uint64: 8 bytes of BLAKE2b of each text, without the spaces around it."""
    digests = (hashlib.blake2b(text.strip().encode(), digest_size=_BYTES).digest() for text in texts)
    return np.frombuffer(b"".join(digests), dtype="<u8")


def write_learned_texts(folder: Path, texts: Iterable[Text]) -> None:
    """Write the distinct hashes of texts, sorted, into a run folder."""
    np.save(folder / LEARNED_TEXTS, np.unique(text_hashes(texts)))


def read_learned_texts(folder: Path) -> np.ndarray | None:
    """The hashes of a run folder; `None` where an earlier version of Trifold, or Python, wrote it.

    Raises:
        ArtifactError: If the file is damaged, or not the one that the run wrote.
    """
    if not verify_file(folder, LEARNED_TEXTS):
        return None
    found = read_npy(folder / LEARNED_TEXTS, "<u8", 1)
    if found is None:
        raise ArtifactError(f"{folder / LEARNED_TEXTS} is damaged: restore it, or train again")
    return found
