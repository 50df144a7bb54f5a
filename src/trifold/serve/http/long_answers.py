"""Long answers as JSON, written in pieces: requests that come meanwhile get their turn between two of them."""

import asyncio
import json
import time
from collections.abc import Iterable

_PIECE_SECONDS = 0.005


async def json_list(items: Iterable[object]) -> bytes:
    """A list as JSON.

    Args:
        items: Computed one by one while they are written.
    """
    parts: list[str] = []
    begun = time.perf_counter()
    for item in items:
        parts.append(json.dumps(item, ensure_ascii=False, allow_nan=False, separators=(",", ":")))
        if time.perf_counter() - begun > _PIECE_SECONDS:
            await asyncio.sleep(0)
            begun = time.perf_counter()
    return f"[{','.join(parts)}]".encode()
