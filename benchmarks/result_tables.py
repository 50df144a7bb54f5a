"""Raw rows of the kept results, and rows of the data sets: Parquet, one file a table, compressed."""

import csv
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]
# Of `predictions.csv` and `history.csv`. Everything else stays text, labels too, whatever they look like.
_NUMBERS: dict[str, type[int] | type[float]] = {
    "row": int,
    "line": int,
    "step": int,
    **dict.fromkeys(("probability", "cosine", "epoch", "learning_rate", "seconds"), float),
    **dict.fromkeys(("train_loss", "train_accuracy", "validation_loss", "validation_accuracy"), float),
    "validation_calibrated_loss": float,
}


def read_rows(path: Path, columns: list[str] | None = None) -> list[Row]:
    """A table's rows, of all columns or of those named."""
    rows: list[Row] = pq.read_table(path, columns=columns).to_pylist()
    return rows


def labelled_texts(path: Path) -> list[tuple[str, Any]]:
    """Text and label of every row of a data set, in the file's order."""
    return [(row["text"], row["label"]) for row in read_rows(path, ["text", "label"])]


def rows_by_run(path: Path) -> dict[str, list[Row]]:
    """The rows of each run that a table holds."""
    runs: dict[str, list[Row]] = {}
    for row in read_rows(path):
        runs.setdefault(row["run"], []).append(row)
    return runs


def write_rows(path: Path, rows: Iterable[Mapping[str, object]]) -> None:
    """Write a table, its columns those of the first row."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path, compression="zstd", compression_level=19)


def replace_rows(path: Path, rows: Iterable[Row], replaced: Callable[[Row], bool]) -> None:
    """Write rows into a table in place of those that are `replaced`; the others stay, and come first."""
    kept = [row for row in read_rows(path) if not replaced(row)] if path.exists() else []
    write_rows(path, [*kept, *rows])


def replace_run(path: Path, run: str, rows: Iterable[Row]) -> None:
    """Write a run's rows into a table that has a column `run`, in place of those it had."""
    replace_rows(path, [{"run": run, **row} for row in rows], lambda row: row["run"] == run)


def read_csv(path: Path) -> list[Row]:
    """Rows of a run's `predictions.csv` or `history.csv`; a number that is missing is `None`."""
    with path.open(newline="", encoding="utf-8") as file:
        return [{name: _value(name, cell) for name, cell in row.items()} for row in csv.DictReader(file)]


def _value(name: str, cell: str) -> str | int | float | None:
    if name not in _NUMBERS:
        return cell
    return _NUMBERS[name](cell) if cell else None
