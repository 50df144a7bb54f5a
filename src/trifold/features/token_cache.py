"""Tokens of texts, kept on disk so that a text is tokenised once for all runs."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from trifold.cache_folder import has_room
from trifold.features.background_writer import Segment, kept_or_computed
from trifold.features.store import Store
from trifold.hashing import short_digest
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokens import Tokens


def encode_through_cache(tokenizer: Tokenizer, texts: Sequence[str], limit_bytes: int) -> tuple[Tokens, float]:
    """Tokenise `texts`; those that the cache on disk holds are read from it, the others are added to it.

    Args:
        tokenizer: The backbone's.
        texts: Any number.
        limit_bytes: What the whole cache may take on disk.

    Returns:
        The tokens, and the seconds that tokenising those from the cache once took.
    """
    # A stored array is one column: whether the text was truncated and twice its windows beside the first, then its ids.
    store = Store(tokenizer.identity(), 1, limit_bytes, dtype=np.int32)
    digests = [short_digest(text.encode("utf-8", "surrogatepass")) for text in texts]

    def compute(missing: list[int]) -> Iterator[Segment]:
        begun = time.perf_counter()
        fresh = tokenizer.encode([texts[number] for number in missing])
        marks = fresh.truncated.astype(np.int32)
        if fresh.windows is not None:
            marks += 2 * (fresh.windows - 1)
        columns = [np.append(mark, ids)[:, None] for mark, ids in zip(marks, fresh.each(), strict=True)]
        yield Segment(missing, columns, time.perf_counter() - begun)

    # About one token for each character at most, and the special tokens around them.
    missing_lengths = (len(text) + 2 for text, one in zip(texts, digests, strict=True) if one not in store)
    needed_bytes = sum(4 * (1 + min(tokenizer.most_tokens, length)) for length in missing_lengths)
    keep = not needed_bytes or has_room(needed_bytes, limit_bytes)
    with kept_or_computed(store, digests, compute, keep=keep) as (found, cached_seconds):
        rows = [column[:, 0] for column in found]
        truncated, windows = [bool(row[0] % 2) for row in rows], [1 + int(row[0]) // 2 for row in rows]
        return Tokens.of([row[1:] for row in rows], truncated, windows), cached_seconds
