"""Find out how a delimited text file is written: encoding, delimiter, escaping, header."""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice, product
from pathlib import Path

from trifold.data import limits
from trifold.data.columns import is_usual_name
from trifold.data.csv_records import EMPTY_ROW, RawRecord, fitted, split_records
from trifold.data.encoding import SAMPLE_BYTES, errors_for, find_encoding, is_nothing, python_name
from trifold.data.source import open_source, plain_suffix
from trifold.errors import DataError
from trifold.types import BadRow

_SAMPLE_RECORDS = 200
_DELIMITERS = (",", "\t", ";", "|")
# Excel's own first line, which says what stands between columns.
_SEPARATOR_LINE = re.compile(r'"?sep=(?P<delimiter>[^\w"])"?$', re.IGNORECASE)
# A control character made for this: a file with one column and unquoted commas has no delimiter at all.
_NO_DELIMITER = "\x1f"
# Such a file is a text a line, unless its first line names several columns.
_LINES = ".txt"
_WORDS_OF_PROSE = 4


@dataclass(frozen=True)
class Dialect:
    """How a file is written.

    Attributes:
        encoding: A Python codec name.
        delimiter: One character.
        backslash: Whether quotes are escaped by a backslash instead of being doubled.
        spaced: Whether each delimiter is followed by a space that is not part of a field.
        lines_above: Number of lines above the header, such as blank ones, a title, or Excel's `sep=;`.
        quoted: Whether quotes have a meaning; not in a file with a text per line.
    """

    encoding: str
    delimiter: str
    backslash: bool
    spaced: bool = False
    lines_above: int = 0
    quoted: bool = True

    def python(self) -> type[csv.Dialect]:
        """The dialect for Python's csv module, strict: malformed rows raise an error instead of being guessed at."""
        # A class body cannot see the method's locals under the same names, hence type().
        return type(
            "FoundDialect",
            (csv.Dialect,),
            {
                "delimiter": self.delimiter,
                "quotechar": '"' if self.quoted else None,
                "doublequote": not self.backslash,
                "escapechar": "\\" if self.backslash else None,
                "lineterminator": "\n",
                "quoting": csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE,
                "skipinitialspace": self.spaced,
                "strict": True,
            },
        )

    def describe(self, header: bool = True) -> str:
        """The dialect in words, such as `utf-8, separated by commas`."""
        name = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}.get(self.delimiter)
        return (
            f"{self.encoding}, "
            + (f"separated by {name}" if name else "one column")
            + (", backslash escapes" if self.backslash else "")
            + (", spaces between" if self.spaced else "")
            + ("" if header else ", no header")
            + (f", header in line {self.lines_above + 1}" if header and self.lines_above else "")
        )


def find_dialect(
    path: Path, encoding: str | None = None, columns: int = 2, header: bool | None = None, known: Collection[str] = ()
) -> Dialect:
    """Find out the dialect of a file from its first 256 KB.

    Args:
        path: The file.
        encoding: The encoding, if the user named one.
        columns: The least number of columns that is plausible: 2 if labels are needed, 1 if texts are enough.
        header: Whether the first row names the columns, if the user said so.
        known: Names of columns that are asked for.

    Raises:
        DataError: If the file is empty or is no text.
    """
    with open_source(path) as file:
        sample = file.read(SAMPLE_BYTES)
    if is_nothing(sample):
        raise DataError(f"{path} is empty: it needs a header line and rows, such as text,label")
    encoding = python_name(encoding, sample, path) if encoding else find_encoding(sample, path)
    try:
        # A multi-byte character may be cut at the sample's end; surrogates mark it and do no harm here.
        text = codecs.getincrementaldecoder(encoding)(errors_for(encoding)).decode(sample)
    except (LookupError, ValueError) as error:
        raise DataError(f"{path} cannot be read as {encoding} ({error}): name another --encoding") from None
    # Not str.splitlines: it also splits at characters that may stand inside a text (U+2028, form feed).
    lines = list(io.StringIO(text, newline=""))
    cut = len(sample) == SAMPLE_BYTES
    if cut and len(lines) > 1:
        lines.pop()
    named = _SEPARATOR_LINE.match(lines[0].rstrip("\r\n")) if lines else None
    blank = next((i for i, line in enumerate(lines[bool(named) :]) if line.strip()), 0) + bool(named)
    delimiters = sorted(_DELIMITERS, key=lambda d: d != ("\t" if plain_suffix(path) == ".tsv" else ","))
    seen = _Sample(lines[blank:], blank, encoding, cut)
    dialect = seen.best([named["delimiter"]] if named else delimiters, columns)
    a_text_a_line = plain_suffix(path) == _LINES or seen.is_prose(dialect)
    if columns == 1 and header is not True and a_text_a_line and not seen.has_names(dialect, known):
        return Dialect(encoding, _NO_DELIMITER, backslash=False, quoted=False)
    if dialect is None and plain_suffix(path) == _LINES:
        raise DataError(
            f"{path} is a text a line, without labels: predict, label, embed and pretrain take it so; to learn or "
            "measure, give a CSV with a text and a label column"
        )
    if dialect is None:
        raise DataError(
            f"{path} has one column only: it needs at least a text and a label column, separated by commas or tabs, "
            "and a first line that names them; above that, a line sep=^ names another separator"
        )
    return dialect


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

    def is_prose(self, dialect: Dialect | None) -> bool:
        """Whether the delimiters stand within sentences: a space follows each, and much before the first."""
        spaced = dialect is not None and dialect.spaced and not self.lines[0].startswith('"')
        first = next(iter(self._records(dialect)), None) if dialect and spaced else None
        return isinstance(first, RawRecord) and len(first.fields[0].split()) >= _WORDS_OF_PROSE

    def has_names(self, dialect: Dialect | None, known: Collection[str]) -> bool:
        """Whether the first record names several columns as they are often called, or as is asked for."""
        first = next(iter(self._records(dialect)), None) if dialect else None
        names = first.fields if isinstance(first, RawRecord) else []
        return len(names) > 1 and any(is_usual_name(name) or name.strip() in known for name in names)

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
