"""The bytes of a document as text."""

from pathlib import Path

from trifold.data.encoding import SAMPLE_BYTES, find_encoding, python_name
from trifold.errors import DataError


def decoded(content: bytes, encoding: str | None, path: Path) -> str:
    """The text of a file, a line feed ending each line; bytes that its encoding does not have become question marks.

    Args:
        content: The whole file.
        encoding: Given by the user, or by the file itself; detected where `None`.
        path: For messages.

    Raises:
        DataError: If the bytes are no text, or there is no such encoding.
    """
    sample = content[:SAMPLE_BYTES]
    try:
        name = python_name(encoding, sample, path) if encoding else find_encoding(sample, path)
    except DataError as error:
        raise DataError("it is binary, not text" if encoding is None else str(error)) from None
    text = content.decode(name, "replace").removeprefix("\ufeff")
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
