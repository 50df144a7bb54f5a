"""JSON from outside (files, run folders, servers), read so that every fault is a `ValueError`.

Python's own parser lets some through that surface far away: nesting too deep is a `RecursionError`, `NaN` is taken,
and half of a surrogate pair becomes a string that no file or terminal can be given.
"""

import codecs
import json
import math
import stat
from pathlib import Path
from typing import Any, NoReturn

MAX_DEPTH = 200
MAX_FILE_BYTES = 256 << 20


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


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        OSError: If it cannot be read.
        ValueError: As `parse_json`, or if it is no plain file, which might never end, or has over `MAX_FILE_BYTES`.
    """
    state = path.stat()
    if not stat.S_ISREG(state.st_mode):
        raise ValueError("it is no plain file")
    if state.st_size > MAX_FILE_BYTES:
        raise ValueError(f"it has more than {MAX_FILE_BYTES >> 20} MB")
    return parse_json(path.read_bytes())


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
    raise ValueError(f"{name} is not a JSON number (null stands for a missing value)")


def _finite(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"{digits[:40]} is larger than any number here")
    return value


# Made once: to make it takes longer than to read a short text.
_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse_constant)
