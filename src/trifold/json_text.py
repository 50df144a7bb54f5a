"""JSON from outside (files, run folders, servers), read so that every fault is a `ValueError`.

Python's own parser lets some through that surface far away: nesting too deep is a `RecursionError`, `NaN` is taken,
and half of a surrogate pair becomes a string that no file or terminal can be given.
"""

import codecs
import json
from typing import Any, NoReturn

MAX_DEPTH = 200


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text.

    Args:
        text: A whole JSON document; bytes are UTF-8, with or without a byte order mark.

    Raises:
        ValueError: If it is not JSON, nests more than `MAX_DEPTH` deep, holds a number that is not finite or is longer
            than Python reads, or half of a surrogate pair. The message says which.
    """
    try:
        if isinstance(text, bytes):
            text = text.removeprefix(codecs.BOM_UTF8).decode("utf-8")
        else:
            text.encode("utf-8")
        value = _DECODER.decode(text)
        if _nests_deep(text):
            _refuse_depth(value, MAX_DEPTH)
        if "\\" in text and ("\\ud" in text or "\\uD" in text):
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except RecursionError:
        raise ValueError(f"it nests more than {MAX_DEPTH} deep") from None
    except UnicodeEncodeError:
        raise ValueError("it holds half of a surrogate pair, which is no character") from None
    return value


def _nests_deep(text: str) -> bool:
    """Whether it could nest too deep; cheap, since most texts have one bracket, or fewer than would be needed."""
    several = "[" in text or text.find("{", 1) > 0
    return several and text.count("[") + text.count("{") > MAX_DEPTH


def _refuse_depth(value: object, left: int) -> None:
    if left < 0:
        raise RecursionError
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for item in items:
        if isinstance(item, dict | list):
            _refuse_depth(item, left - 1)


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


# Made once: to make it takes longer than to read a short text.
_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
