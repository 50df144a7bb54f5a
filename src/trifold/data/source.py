"""Open a data file, compressed or not, or standard input, as a stream of bytes.

What could block forever or is no table (a pipe, a device, an archive, a workbook) is refused, with what to do instead.
"""

import atexit
import bz2
import errno
import gzip
import lzma
import os
import shutil
import stat
import sys
import tempfile
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import BinaryIO, cast

from trifold.data import limits
from trifold.errors import DataError, did_you_mean
from trifold.folder_kinds import wrong_kind

_STANDARD_INPUT = ("-", "/dev/stdin")
_PIECE_BYTES = 1 << 20
_HEAD_BYTES = 16
_UNPACKED_BY: dict[bytes, Callable[[Path], object]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_PACKED = (".gz", ".bz2", ".xz")
_AS_CSV = "save it as CSV (UTF-8) where it was made"
_FOREIGN = (
    (b"PK\x03\x04", (".xlsx", ".xlsm"), "a damaged workbook, or another archive", "save it again, or as CSV (UTF-8)"),
    (b"PK\x03\x04", (".xlsb", ".ods"), "a workbook", _AS_CSV),
    (b"PK\x03\x04", (".docx", ".odt", ".pptx"), "a document", "save its rows as CSV"),
    (b"PK\x03\x04", (), "a zip archive, or a workbook", "unzip it, or save the workbook as CSV (UTF-8)"),
    (b"\xd0\xcf\x11\xe0", (), "a workbook or document of old Office", _AS_CSV),
    (b"%PDF", (), "a PDF", "save its rows as CSV"),
    (b"\x89PNG", (), "an image", "give the texts themselves as CSV"),
    (b"\xff\xd8\xff", (), "an image", "give the texts themselves as CSV"),
    (b"GIF8", (), "an image", "give the texts themselves as CSV"),
    (b"\x28\xb5\x2f\xfd", (), "packed by Zstandard", "unpack it with zstd -d, or pack it with gzip"),
    (b"7z\xbc\xaf", (), "a 7z archive", "unpack it"),
    (b"Rar!", (), "a RAR archive", "unpack it"),
    (b"PARE", (), "an encrypted Parquet file", "write it without encryption"),
    (b"ARROW1", (), "an Arrow file", "write it as Parquet"),
    (b"Obj\x01", (), "an Avro file", "write it as Parquet"),
    (b"SQLite format 3", (), "an SQLite database", "export the table as CSV"),
)


class StandardInput(type(Path())):  # type: ignore[misc]
    """`-`, or the file that standard input is kept in; a message that it is formatted into says what it is."""

    def __format__(self, _: str) -> str:
        return "standard input"


def is_standard_input(path: Path) -> bool:
    """Whether `-` was given, or `/dev/stdin`."""
    return str(path) in _STANDARD_INPUT


def require_lasting(*paths: Path | None) -> None:
    """Refuse standard input for data that are read again later, by each method, `--resume` or `export`.

    Raises:
        DataError: If a path is standard input.
    """
    if any(path is not None and is_standard_input(path) for path in paths):
        raise DataError(
            "what comes in by standard input cannot be read a second time: write it to a file and name that"
        )


def require_name(path: Path) -> None:
    """Refuse a file name that cannot be shown in a report or on a terminal.

    Raises:
        DataError: If it has a control character, such as a line break, or bytes that are not text.
    """
    if any(unicodedata.category(character) in ("Cc", "Cs") for character in str(path)):
        raise DataError(f"the name {str(path)!a} holds a control character or bytes that are no text: rename it")


def require_file(path: Path) -> None:
    """Refuse a path that is not a readable file.

    Raises:
        DataError: If it does not exist, is a folder, pipe or device, or may not be read.
    """
    require_name(path)
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise DataError(
                f"the name {str(path)[:40]}… is longer than the file system takes ({len(str(path)):,} characters): "
                "check it"
            ) from None
        if error.errno in (errno.ENOENT, errno.ENOTDIR):
            near = did_you_mean(path.name, _names_beside(path))
            raise DataError(f"there is no file {path}{near}: check the name, or the folder you are in") from None
        raise DataError(f"{path} cannot be opened ({error.strerror}): check the name and its permissions") from None
    if stat.S_ISDIR(mode):
        other = wrong_kind(path, "a data file")
        raise DataError(other or f"{path} is a folder: name a CSV, TSV, JSONL or Parquet file in it")
    if not stat.S_ISREG(mode):
        raise DataError(f"{path} is a pipe or device, not a file: name a file, or - for standard input")


def _names_beside(path: Path) -> list[str]:
    """Names of the files in a path's folder; none where there is no such folder."""
    try:
        return [one.name for one in path.parent.iterdir() if one.is_file()]
    except OSError:
        return []


def plain_suffix(path: Path) -> str:
    """The file name extension in lower case, without that of the compression: `.csv` of `a.CSV.gz`."""
    suffix = path.suffix.lower()
    return Path(path.stem).suffix.lower() if suffix in _PACKED else suffix


@contextmanager
def open_source(path: Path) -> Iterator[BinaryIO]:
    """Open a file as a stream of bytes; one that is compressed by gzip, bzip2 or xz is decompressed.

    Raises:
        DataError: If it cannot be opened or read to its end, or has another format than text or Parquet.
    """
    require_file(path)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
        unpack = next((unpack for magic, unpack in _UNPACKED_BY.items() if head.startswith(magic)), None)
        if unpack is not None:
            with cast("BinaryIO", unpack(path)) as file:
                _refuse_foreign(file.read(_HEAD_BYTES), path, Path(path.stem).suffix.lower())
        else:
            _refuse_foreign(head, path, path.suffix.lower())
        with cast("BinaryIO", unpack(path)) if unpack else path.open("rb") as file:
            yield file
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise DataError(f"{path} is packed and damaged ({error}): pack it again") from None
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or error}): check it and its permissions") from None


def is_packed(path: Path) -> bool:
    """Whether the file is compressed by gzip, bzip2 or xz, judging by its first bytes."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return any(head.startswith(magic) for magic in _UNPACKED_BY)


def _refuse_foreign(head: bytes, path: Path, suffix: str) -> None:
    for magic, suffixes, what, way_out in _FOREIGN:
        if head.startswith(magic) and (not suffixes or suffix in suffixes):
            raise DataError(f"{path} is {what}, not a table that is read here: {way_out}")


@cache
def standard_input() -> Path:
    """Copy standard input into a temporary file, once, and return its path; the file is removed when the process ends.

    Raises:
        DataError: If standard input is closed, a terminal or a device, larger than the limit, or does not fit on the
            disk.
    """
    try:
        source = sys.stdin.buffer
        mode = os.fstat(source.fileno()).st_mode
    except (AttributeError, OSError, ValueError):
        raise DataError("standard input is closed: name a file") from None
    if stat.S_ISCHR(mode) or stat.S_ISDIR(mode):
        raise DataError("standard input is a terminal, a device or a folder: pipe a file into it, or name the file")
    folder = Path(tempfile.mkdtemp(prefix="trifold-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    kept: Path = StandardInput(folder / "standard-input")
    size = 0
    try:
        with kept.open("wb") as file:
            while piece := source.read(_PIECE_BYTES):
                size += len(piece)
                if size > limits.MAX_STANDARD_INPUT_BYTES:
                    raise DataError(
                        f"more than {limits.MAX_STANDARD_INPUT_BYTES:,} bytes came in by standard input: name a file"
                    )
                file.write(piece)
    except OSError as error:
        raise DataError(
            f"standard input cannot be kept in {folder} ({error.strerror}): name a file, or set TMPDIR to a folder "
            "with room"
        ) from None
    return kept
