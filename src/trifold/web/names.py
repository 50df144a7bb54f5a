"""Names that a browser sends, made fit to name a file here: no path, nothing that a file system minds."""

import re
import unicodedata
from pathlib import PurePosixPath

from trifold.errors import DataError
from trifold.terminal import printable

# Endings of files that are read, as they are told from each other by.
READ = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm")
# How a result is written, by how its file is read; the others as CSV.
_WRITTEN = {
    ".tsv": ".tsv",
    ".json": ".jsonl",
    ".jsonl": ".jsonl",
    ".ndjson": ".jsonl",
    ".parquet": ".parquet",
    ".xlsx": ".xlsx",
}
_FOR_SPREADSHEETS = (".csv", ".tsv", ".xlsx")
_OTHERS = re.compile(r"[^\w .()-]+")
# Names that Windows gives to devices, whatever their ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)$", re.IGNORECASE)
_MOST_BYTES = 100


def written_suffix(name: str, *, excel_safe: bool) -> str:
    """How the file ends that holds what was made of a file's rows.

    Args:
        name: Of the file.
        excel_safe: Whether cells that a spreadsheet takes for formulas are to be guarded.

    Raises:
        DataError: If they are, and it will have no cells.
    """
    found = _WRITTEN.get(PurePosixPath(name).suffix, ".csv")
    if excel_safe and found not in _FOR_SPREADSHEETS:
        raise DataError(f"a {found} file has no cells that a spreadsheet takes for formulas: leave it unticked")
    return found


def safe_name(given: str) -> str:
    """The last part of a name, without what could be taken for a path, a flag, a hidden file or a device.

    Args:
        given: Whatever a browser sent.

    Raises:
        DataError: If it ends as no file that is read does.
    """
    last = unicodedata.normalize("NFC", printable(given)).replace("\\", "/").rpartition("/")[2]
    suffix = PurePosixPath(last).suffix.lower()
    if suffix not in READ:
        raise DataError(f"a file of this kind is not read here: choose one that ends in {', '.join(READ)}")
    stem = _OTHERS.sub("_", last[: -len(suffix)]).lstrip("-. ").rstrip(". ")
    stem = stem.encode()[:_MOST_BYTES].decode(errors="ignore").rstrip(". ")
    if _DEVICES.match(stem.partition(".")[0]):
        stem = f"file-{stem}"
    return (stem or "file") + suffix
