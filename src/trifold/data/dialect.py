"""Find out how a delimited text file is written: encoding, delimiter, escaping, header."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

from trifold.data import limits
from trifold.data.columns import is_usual_name
from trifold.data.csv_records import EMPTY_ROW, RawRecord, fitted, split_records
from trifold.data.source import open_source, plain_suffix
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
# Excel's own first line, which says what stands between columns.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>[^\w"])"?$', re.IGNORECASE)
# A control character made for this: a file with one column and unquoted commas has no delimiter at all.
_NO_DELIMITER = "\x1f"


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        encoding: A Python codec name.
        delimiter: One character.
        backslash: Whether quotes are escaped by a backslash instead of being doubled.
        spaced: Whether each delimiter is followed by a space that is not part of a field.
        lines_above: Number of lines above the header, such as blank ones, a title, or Excel's `sep=;`.
    """

    encoding: str
    delimiter: str
    backslash: bool
    spaced: bool = False
    lines_above: int = 0

    def python(self) -> type[csv.Dialect]:
        """The dialect for Python's csv module, strict: malformed rows raise an error instead of being guessed at."""
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
                "skipinitialspace": self.spaced,
                "strict": True,
            },
        )

    def describe(self) -> str:
        """The dialect in words, such as `utf-8, separated by commas`."""
        name = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}.get(self.delimiter)
        return (
            f"{self.encoding}, "
            + (f"separated by {name}" if name else "one column")
            + (", backslash escapes" if self.backslash else "")
            + (", spaces between" if self.spaced else "")
            + (f", header in line {self.lines_above + 1}" if self.lines_above else "")
        )


def find_dialect(path: Path, encoding: str | None = None, columns: int = 2) -> Dialect:
    """Find out the dialect of a file from its first 256 KB.

    Args:
        path: The file.
        encoding: The encoding, if the user named one.
        columns: The least number of columns that is plausible: 2 if labels are needed, 1 if texts are enough.

    Raises:
        DataError: If the file is empty or is no text.
    """
    with open_source(path) as file:
        sample = file.read(_SAMPLE_BYTES)
    if not sample.strip(b"\x00\t\r\n ") or sample in (mark for mark, _ in _BYTE_ORDER_MARKS):
        raise DataError(f"{path} is empty: it needs a header line and rows, such as text,label")
    encoding = python_name(encoding, sample, path) if encoding else find_encoding(sample, path)
    try:
        # A multi-byte character may be cut at the sample's end; surrogates mark it and do no harm here.
        text = codecs.getincrementaldecoder(encoding)(_errors_for(encoding)).decode(sample)
    except (LookupError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {encoding} ({error}): name another --encoding") from None
    # Not str.splitlines: it also splits at characters that may stand inside a text (U+2028, form feed).
    lines = list(io.StringIO(text, newline=""))
    cut = len(sample) == _SAMPLE_BYTES
    if cut and len(lines) > 1:
        lines.pop()
    named = _SEPARATOR_LINE.match(lines[0].rstrip("\r\n")) if lines else None
    blank = next((i for i, line in enumerate(lines[bool(named) :]) if line.strip()), 0) + bool(named)
    delimiters = sorted(_DELIMITERS, key=lambda d: d != ("\t" if plain_suffix(path) == ".tsv" else ","))
    seen = _Sample(lines[blank:], blank, encoding, cut)
    dialect = seen.best([named["delimiter"]] if named else delimiters, columns)
    if dialect is None:
        raise DataError(
            f"{path} has one column only: it needs at least a text and a label column, separated by commas or tabs, "
            "and a first line that names them"
        )
    return dialect


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


def python_name(encoding: str, sample: bytes, path: Path) -> str:
    """Python's own name of an encoding given by the user; a byte order mark at the start is no part of the header.

    Raises:
        DataError: If Python knows no encoding of text by that name.
    """
    try:
        "a".encode(encoding)
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


def _errors_for(encoding: str) -> str:
    """The error handler for decoding: bytes that cannot be decoded become lone surrogates, which make a bad row later.

    UTF-16 and UTF-32 have no such handler; there they are replaced.
    """
    return "replace" if encoding.startswith(("utf-16", "utf-32")) else "surrogateescape"


@dataclass(frozen=True)
class _Sample:
    """The beginning of a file.

    Attributes:
        lines: The lines from the first one that is not blank.
        lines_above: Number of lines before them.
        encoding: A Python codec name.
        cut: Whether the file goes on after the sample.
    """

    lines: list[str]
    lines_above: int
    encoding: str
    cut: bool

    def best(self, delimiters: Sequence[str], columns: int) -> Dialect | None:
        """The dialect with which the largest share of the rows is well-formed; `None` if none has enough columns."""
        best, score = self._best_of(delimiters, 2)
        # A header with a delimiter in it means several columns, unless most rows say otherwise.
        if columns == 1 and (best is None or (score < 0.5 and not self.cut)):
            best, _ = self._best_of([_NO_DELIMITER], 1)
        return best

    def _best_of(self, delimiters: Sequence[str], columns: int) -> tuple[Dialect | None, float]:
        best, best_score = None, 0.0
        for dialect in self._readings(delimiters):
            records = self._records(dialect)
            if not records:
                continue
            place = _header_place(records) if columns > 1 else 0
            header, rows = records[place], records[place:]
            if not isinstance(header, RawRecord) or len(header.fields) < columns:
                continue
            good = sum(isinstance(row, RawRecord) and fitted(row.fields, header.fields) is not None for row in rows)
            score = good / len(rows)
            # Without a reason to the contrary, the plainer reading wins; that the sample cuts off a long row is none.
            if score > best_score + 0.01 or (self.cut and best is None):
                best, best_score = replace(dialect, lines_above=header.line - 1), score
        return best, best_score

    def _readings(self, delimiters: Sequence[str]) -> Iterator[Dialect]:
        """The dialects to try, the simpler ones first."""
        escapes = any("\\" in line for line in self.lines)
        for delimiter, backslash in product(delimiters, (False, True) if escapes else (False,)):
            plain = Dialect(self.encoding, delimiter, backslash, lines_above=self.lines_above)
            if not _all_spaced(self._records(plain)):
                yield plain
            if any(f"{delimiter} " in line for line in self.lines[:_SAMPLE_RECORDS]):
                yield replace(plain, spaced=True)

    def _records(self, dialect: Dialect) -> list[RawRecord | BadRow]:
        return list(islice(split_records(self.lines, dialect.python(), self.lines_above + 1), _SAMPLE_RECORDS))


def _all_spaced(records: Sequence[RawRecord | BadRow]) -> bool:
    """Whether a space follows every delimiter, also in the header."""
    later = [field for record in records if isinstance(record, RawRecord) for field in record.fields[1:] if field]
    return bool(later) and all(field.startswith(" ") for field in later)


def _header_place(records: Sequence[RawRecord | BadRow]) -> int:
    """The position of the header: 0, or that of a later record that is surely one, below a title or blank lines."""
    widths = Counter(len(record.fields) for record in records if isinstance(record, RawRecord))
    widths[1] = 0
    usual = max(widths, key=lambda width: widths[width])
    for place, record in enumerate(records[: limits.MAX_LINES_ABOVE_HEADER + 1]):
        if _is_title(record):
            continue
        if isinstance(record, BadRow) or len(record.fields) != usual:
            return 0
        sure = (place > 0 and _is_gap(records[place - 1])) or any(is_usual_name(name) for name in record.fields)
        return place if sure else 0
    return 0


def _is_title(record: RawRecord | BadRow) -> bool:
    """Whether only the first cell is filled, and not with a usual column name."""
    if isinstance(record, BadRow):
        return record.reason == EMPTY_ROW
    return not any(field.strip() for field in record.fields[1:]) and not is_usual_name(record.fields[0])


def _is_gap(record: RawRecord | BadRow) -> bool:
    """Whether all cells are empty; a single cell of two quotes counts as filled."""
    return isinstance(record, BadRow) or (len(record.fields) > 1 and not any(field.strip() for field in record.fields))
