"""Tokens of texts, kept on disk so that a text is tokenised once for all runs."""

import time
from collections.abc import Iterator, Sequence

import numpy as np

from trifold.features.store import Segment, Store, kept_or_computed
from trifold.models.tokenizer import Tokenizer, Tokens, digest


def encode_through_cache(tokenizer: Tokenizer, texts: Sequence[str], limit_bytes: int) -> tuple[Tokens, float]:
    """Tokenise `texts`, taking from the cache on disk what it has and keeping the rest there.

    Args:
        tokenizer: Of the backbone.
        texts: Any number.
        limit_bytes: The most that the whole cache may take on disk.

    Returns:
        The tokens, and the seconds that computing those from the cache once took.
    """
    # A row holds whether the text was longer, then its ids.
    store = Store(tokenizer.identity(), 1, limit_bytes, dtype=np.int32)
    digests = [digest(text.encode("utf-8", "surrogatepass")) for text in texts]

    def compute(missing: list[int]) -> Iterator[Segment]:
        begun = time.perf_counter()
        fresh = tokenizer.encode([texts[number] for number in missing])
        rows = [np.append(cut, ids)[:, None] for cut, ids in zip(fresh.truncated, fresh.each(), strict=True)]
        yield Segment(missing, rows, time.perf_counter() - begun)

    with kept_or_computed(store, digests, compute) as (found, cached_seconds):
        kept = [array[:, 0] for array in found]
        return Tokens.of([row[1:] for row in kept], [bool(row[0]) for row in kept]), cached_seconds
