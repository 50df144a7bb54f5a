"""Each document of before is claimed once."""

import numpy as np

from trifold.documents.search.known_documents import KnownDocuments
from trifold.hashing import short_digest


def test_documents_of_the_same_text_are_claimed_one_after_the_other() -> None:
    texts = ["a", "b", "a", "c", "a"]
    digests = np.frombuffer(b"".join(short_digest(text.encode()) for text in texts), dtype=np.uint8).reshape(-1, 16)
    known = KnownDocuments(digests)
    assert [known.claim(short_digest(b"a")) for _ in range(4)] == [0, 2, 4, None]
    assert known.claim(short_digest(b"c")) == 3
    assert known.claim(short_digest(b"d")) is None


def test_half_a_digest_is_not_enough() -> None:
    known = KnownDocuments(np.frombuffer(bytes(8) + b"12345678", dtype=np.uint8).reshape(1, 16))
    assert known.claim(bytes(16)) is None
    assert known.claim(bytes(8) + b"12345678") == 0
    assert KnownDocuments(np.zeros((0, 16), dtype=np.uint8)).claim(bytes(16)) is None
