"""JSON from outside (files, run folders, servers), read so that every fault is a `ValueError`.

Python's own parser lets some through that surface far away: nesting too deep is a `RecursionError`, `NaN` is taken,
and half of a surrogate pair becomes a string that no file or terminal can be given.
"""

import json
import re
from typing import Any, NoReturn

MAX_DEPTH = 200
# Half a pair shows as an escape, or stands in the string itself where bytes were decoded leniently.
_SURROGATE = re.compile(r"\\u[dD][89abAB-Fc-f]|[\ud800-\udfff]")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Args:
        text: A whole JSON document; bytes are UTF-8, with or without a byte order mark.

    Raises:
        ValueError: If it is not JSON, nests more than `MAX_DEPTH` deep, holds a number that is not finite or is longer
            than Python reads, or half of a surrogate pair. The message says which.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8-sig")
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
        if _nests_deep(text):
            _refuse_depth(value, MAX_DEPTH)
        if _SURROGATE.search(text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError(f"it nests more than {MAX_DEPTH} deep") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair, which is no character") from None
    return value


def _nests_deep(text: str) -> bool:
    """Whether it could nest too deep; cheap, since most texts have fewer brackets than would be needed."""
    return text.count("[") + text.count("{") > MAX_DEPTH


def _refuse_depth(value: object, left: int) -> None:
    if left < 0:
        raise RecursionError
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        if isinstance(item, dict | list):
            _refuse_depth(item, left - 1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")
