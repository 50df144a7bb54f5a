"""The numbers by which an app calls what it keeps, each in a folder that bears it as its name."""

import re
import secrets
from pathlib import Path
from typing import Any

from trifold.errors import ArtifactError, DataError
from trifold.schema import JsonRecord, read_value

_NUMBER = re.compile(r"[0-9a-f]{12}")


def new_number() -> str:
    """A number that nothing has yet."""
    return secrets.token_hex(6)


def is_number(name: str) -> bool:
    """Whether a name could be such a number."""
    return _NUMBER.fullmatch(name) is not None


def read_numbered(folder: Path, number: str, name: str, kind: type[JsonRecord], gone: str) -> Any:
    """The record of what has a number.

    Args:
        folder: Which has a folder for each number.
        number: As a client gave it.
        name: Of the record's file.
        kind: Of the record.
        gone: What is said where there is none.

    Raises:
        DataError: If there is none, or it is damaged.
    """
    try:
        if is_number(number):
            return read_value(folder / number / name, kind)
    except ArtifactError:
        pass
    raise DataError(gone)
