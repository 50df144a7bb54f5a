"""Files are told apart by their bytes."""

import hashlib
from pathlib import Path

from trifold.hashing import file_sha256


def test_it_is_the_sha256_of_the_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"some bytes" * 100_000)
    assert file_sha256(tmp_path / "a") == hashlib.sha256(b"some bytes" * 100_000).hexdigest()
