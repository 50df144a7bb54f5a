"""Hashes of content: of a file, of the settings that determine a cached result, of one text."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

DIGEST_BYTES = 16


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def content_address(determining: Mapping[str, object]) -> str:
    """A file name of 32 hexadecimal digits for a cached result.

    Args:
        determining: Everything that determines the result, as values that JSON can hold; their order does not matter.
    """
    return hashlib.sha256(json.dumps(determining, sort_keys=True).encode()).hexdigest()[:32]


def short_digest(content: bytes) -> bytes:
    """16 bytes (BLAKE2b) that identify `content`."""
    return hashlib.blake2b(content, digest_size=DIGEST_BYTES).digest()
