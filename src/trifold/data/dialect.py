"""Find out how a delimited text file is written: encoding, delimiter, escaping, header."""

import codecs
import csv
import io
from dataclasses import dataclass
from pathlib import Path

from trifold.data.records import split_records
from trifold.errors import DataError
from trifold.types import BadRow

_SAMPLE_BYTES = 1 << 18
_SAMPLE_RECORDS = 200
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
_DELIMITERS = (",", "\t", ";", "|")
# A control character made for this: a file with one column and unquoted commas has no delimiter at all.
_NO_DELIMITER = "\x1f"


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        encoding: A Python codec name.
        delimiter: One character.
        backslash: Whether quotes are escaped by a backslash instead of being doubled.
    """

    encoding: str
    delimiter: str
    backslash: bool

    def python(self) -> type[csv.Dialect]:
        """The same as Python's csv module wants it, strict: what is malformed raises instead of being guessed at."""
        # A class body cannot see the method's locals under the same names, hence type().
        return type(
            "FoundDialect",
            (csv.Dialect,),
            {
                "delimiter": self.delimiter,
                "quotechar": '"',
                "doublequote": not self.backslash,
                "escapechar": "\\" if self.backslash else None,
                "lineterminator": "\n",
                "quoting": csv.QUOTE_MINIMAL,
                "skipinitialspace": False,
                "strict": True,
            },
        )

    def describe(self) -> str:
        """In words, for the line that says what was found."""
        name = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}.get(self.delimiter)
        return (
            f"{self.encoding}, "
            + (f"separated by {name}" if name else "one column")
            + (", backslash escapes" if self.backslash else "")
        )


def find_dialect(path: Path, encoding: str | None = None, columns: int = 2) -> Dialect:
    """Look at the file's beginning and say how it is written.

    Args:
        path: The file.
        encoding: Overrides what would be found.
        columns: The fewest that make sense: 2 where labels are needed, 1 where texts alone will do.

    Raises:
        DataError: If the file is empty or is no text.
    """
    with path.open("rb") as file:
        sample = file.read(_SAMPLE_BYTES)
    if not sample.strip(b"\x00\t\r\n ") or sample in (mark for mark, _ in _BYTE_ORDER_MARKS):
        raise DataError(f"{path} is empty: it needs a header line and rows, such as text,label")
    try:
        encoding = _python_name(encoding, sample) if encoding else find_encoding(sample, path)
        # A multi-byte character may be cut at the sample's end; surrogates mark it and do no harm here.
        text = codecs.getincrementaldecoder(encoding)(_errors_for(encoding)).decode(sample)
    except (LookupError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {encoding} ({error}): name another --encoding") from None
    # Not str.splitlines: it also splits at characters that may stand inside a text (U+2028, form feed).
    lines = list(io.StringIO(text, newline=""))
    cut = len(sample) == _SAMPLE_BYTES
    if cut and len(lines) > 1:
        lines.pop()
    dialect = _best_dialect(lines, encoding, path.suffix.lower() == ".tsv", columns, cut)
    if dialect is None:
        raise DataError(
            f"{path} has one column only: it needs at least a text and a label column, separated by commas or tabs"
        )
    return dialect


def find_encoding(sample: bytes, path: Path) -> str:
    """UTF-8 (with or without mark), UTF-16/32, or else Windows-1252, the usual stranger in CSV files.

    Raises:
        DataError: If the bytes are no text in any of them.
    """
    for mark, name in _BYTE_ORDER_MARKS:
        if sample.startswith(mark):
            return name
    zeros_even, zeros_odd = sample[0::2].count(0), sample[1::2].count(0)
    half = len(sample) // 2
    if half and max(zeros_even, zeros_odd) > 0.4 * half and min(zeros_even, zeros_odd) < 0.05 * half:
        return "utf-16-le" if zeros_odd > zeros_even else "utf-16-be"
    control = sum(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in sample)
    if control > 0.02 * len(sample):
        raise DataError(f"{path} is a binary file, not text: give a CSV, TSV or Parquet file")
    lines = sample.splitlines()
    if len(sample) == _SAMPLE_BYTES and len(lines) > 1:
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


def _python_name(encoding: str, sample: bytes) -> str:
    """Python's own name of an encoding given by the user; a byte order mark at the start is no part of the header."""
    "a".encode(encoding)  # raises LookupError where Python knows a codec of this name, but not for text
    name = codecs.lookup(encoding).name
    marked = next((found for mark, found in _BYTE_ORDER_MARKS if sample.startswith(mark)), None)
    same_family = marked is not None and marked.split("-")[:2] == name.split("-")[:2]
    return marked if marked and same_family else name


def _is_utf8(line: bytes) -> bool:
    try:
        line.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _errors_for(encoding: str) -> str:
    """Undecodable bytes become lone surrogates, which the reader reports by line; wide encodings cannot do that."""
    return "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"


def _best_dialect(lines: list[str], encoding: str, prefer_tabs: bool, columns: int, cut: bool) -> Dialect | None:
    """The delimiter and escaping under which most of the sample is well-formed, with enough columns."""
    delimiters = sorted(_DELIMITERS, key=lambda d: d != ("\t" if prefer_tabs else ","))
    best, score = _best_of(delimiters, 2, lines, encoding, cut)
    # A header with a delimiter in it means several columns, unless most rows say otherwise.
    if columns == 1 and (best is None or (score < 0.5 and not cut)):
        best, _ = _best_of([_NO_DELIMITER], 1, lines, encoding, cut)
    return best


def _best_of(
    delimiters: list[str], columns: int, lines: list[str], encoding: str, cut: bool
) -> tuple[Dialect | None, float]:
    best, best_score = None, 0.0
    for delimiter in delimiters:
        for backslash in (False, True):
            dialect = Dialect(encoding, delimiter, backslash)
            records = [
                fields
                for _, fields in zip(range(_SAMPLE_RECORDS), split_records(lines, dialect.python()), strict=False)
            ]
            header = records[0] if records and not isinstance(records[0], BadRow) else None
            if header is None or len(header.fields) < columns:
                continue
            width = len(header.fields)
            good = sum(not isinstance(r, BadRow) and len(r.fields) == width for r in records)
            score = good / len(records)
            # Without a reason to the contrary, the plainer reading wins; that the sample cuts off a long row is none.
            if score > best_score + 0.01 or (cut and best is None):
                best, best_score = dialect, score
    return best, best_score
