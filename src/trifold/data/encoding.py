"""How the bytes of a text file become characters: found out from its beginning, or checked where the user says it."""

import codecs
from pathlib import Path

from trifold.errors import DataError

# So much of a file's beginning is looked at.
SAMPLE_BYTES = 1 << 18
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_ROWS_OF_ANOTHER_ENCODING = 3
_WESTERN = frozenset(
    "àáâãäåæçèéêëìíîïñòóôõöøùúûüßœÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜŒ‘’“”–—…€£§°©®™½¼²«»¿¡ªº·•\xa0"  # noqa: RUF001 - these very signs are meant
)


def is_nothing(sample: bytes) -> bool:
    """Whether a file that begins so holds nothing but space and a byte order mark."""
    return not sample.strip(b"\x00\t\r\n ") or sample in (mark for mark, _ in _BYTE_ORDER_MARKS)


def wide_encoding(sample: bytes) -> str | None:
    """The encoding of text with a byte order mark, or of UTF-16 without one, known by its zero bytes; else `None`."""
    for mark, name in _BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return name
    zeros_even, zeros_odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half and max(zeros_even, zeros_odd) > 0.4 * half and min(zeros_even, zeros_odd) < 0.05 * half:
        return "utf-16-le" if zeros_odd > zeros_even else "utf-16-be"
    return None


def find_encoding(sample: bytes, path: Path) -> str:
    """The encoding of a file: UTF-8, UTF-16, UTF-32 or Windows-1252, which is common in CSV files of older programs.

    Args:
        sample: The first bytes of the file.
        path: The file, for messages.

    Raises:
        DataError: If the bytes are not text.
    """
    wide = wide_encoding(sample)
    if wide is not None:
        return wide
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in sample)
    if control > 0.02 * len(sample):
        raise DataError(f"{path} is a binary file, not text: give a CSV, TSV or Parquet file")
    lines = sample.splitlines()
    if len(sample) == SAMPLE_BYTES and len(lines) > 1:
        lines.pop()
    unusual = [line for line in lines if not line.isascii()]
    broken = [line for line in unusual if not _is_utf8(line)]
    # One or two such rows are damage, to be reported by line; more of them, with letters that people
    # write, are another encoding.
    another = len(broken) >= _ROWS_OF_ANOTHER_ENCODING and len(broken) > 0.5 * len(unusual)
    return "cp1252" if another and _reads_as_western(b"".join(broken)) else "utf-8"


def _reads_as_western(text: bytes) -> bool:
    """Whether nearly all bytes beyond ASCII are letters and signs of Western European writing in Windows-1252."""
    characters = [c for c in text.decode("cp1252", "replace") if not c.isascii()]
    return sum(c in _WESTERN for c in characters) >= 0.9 * len(characters)


def python_name(encoding: str, sample: bytes, path: Path) -> str:
    """Python's own name of an encoding given by the user; a byte order mark at the start is no part of the header.

    Raises:
        DataError: If Python knows no encoding of text by that name.
    """
    try:
        "a".encode(encoding)
        # Some, such as idna, cannot step over bytes that are no text.
        b"a\xff".decode(encoding, "replace")
        name = codecs.lookup(encoding).name
    except (LookupError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {encoding} ({error}): name another --encoding") from None
    marked = next((found for mark, found in _BYTE_ORDER_MARKS if sample.startswith(mark)), None)
    same_family = marked is not None and marked.split("-")[:2] == name.split("-")[:2]
    return marked if marked and same_family else name


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def errors_for(encoding: str) -> str:
    """The error handler for decoding: bytes that cannot be decoded become lone surrogates, which make a bad row later.

    UTF-16 and UTF-32 have no such handler; there they are replaced.
    """
    return "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"
