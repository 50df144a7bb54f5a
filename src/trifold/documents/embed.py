"""Turn a file of texts into a file of vectors. Rows are streamed, so memory does not grow with their number."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np

from trifold.artifact.run_folder import new_file, require_free_file
from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import TextSettings
from trifold.engines.encoder import Encoder, embed
from trifold.errors import DataError, SettingsError
from trifold.events import say
from trifold.models.tokenizer import Tokenizer
from trifold.types import BadRow, Record

_TEXTS_PER_SLICE = 4_096
_FORMATS = (".npy", ".parquet")
_ADDED = "vector"
# Room for a header whose number of rows is written last; a multiple of 64, as the format wants it.
_HEADER_BYTES = 128


@dataclass(frozen=True)
class Embedded:
    """The result of `embed_file`.

    Attributes:
        rows: Number of rows of the file, and of vectors.
        width: Numbers of each vector.
        truncated: Number of texts that were cut because they are longer than the model reads.
        bad: Line and reason of each row without a usable text; all numbers of its vector are NaN.
    """

    rows: int
    width: int
    truncated: int
    bad: tuple[tuple[int, str], ...]


class _Writer(Protocol):
    def write(self, rows: list[dict[str, str]], vectors: np.ndarray) -> None: ...


def embed_file(
    encoder: Encoder,
    tokenizer: Tokenizer,
    source: Path,
    output: Path,
    settings: TextSettings,
    token_budget: int | None,
    own: RecordedColumns | None = None,
    *,
    force: bool = False,
) -> Embedded:
    """Write a vector of length 1 for every row of a file, in the file's order.

    A text's vector is the mean of its tokens' states in the encoder's last layer. If anything fails, no output file is
    left behind.

    Args:
        encoder: The encoder.
        tokenizer: The encoder's tokenizer.
        source: CSV, TSV, JSONL or Parquet file.
        output: A `.npy` file gets an array `(rows, width)` of float32; a `.parquet` file gets the columns of `source`
            and a column `vector`.
        settings: How to read `source`.
        token_budget: Tokens of one forward pass; `None` for the device's default.
        own: The columns of the run that the encoder belongs to, if it belongs to one.
        force: Overwrite `output` where it is there already.

    Raises:
        DataError: If `source` cannot be read, `output` cannot be written, `source` already has a column `vector`, or a
            row is unusable and `on_bad_rows` is `fail`.
        SettingsError: If `output` ends in neither .npy nor .parquet, or is there already.
    """
    if output.suffix not in _FORMATS:
        raise SettingsError(f"--output {output} is no format for vectors: name a file that ends in .npy or .parquet")
    require_free_file(output, source, force=force)
    table, columns, stream = open_rows(source, settings, own)
    table.tell()
    if columns.guessed and own is None:
        say(f"note: texts are read from column {columns.text!r}; --text-column overrides")
    if output.suffix == ".parquet" and _ADDED in table.columns:
        raise DataError(f"{source} already has a column {_ADDED!r}, which embedding would add: rename it")
    count, truncated = 0, 0
    bad: list[tuple[int, str]] = []
    with _open_output(output, table.columns, encoder.width, force=force) as written:
        while slice_ := list(islice(stream, _TEXTS_PER_SLICE)):
            texts = {n: str(columns.text_of(row.values)) for n, row in enumerate(slice_) if isinstance(row, Record)}
            vectors = np.full((len(slice_), encoder.width), np.nan, dtype=np.float32)
            if texts:
                if not count:
                    tokenizer.require_words(list(texts.values()))
                vectors[list(texts)], cut = embed(encoder, tokenizer, list(texts.values()), token_budget)
                truncated += int(cut.sum())
            written.write([_as_cells(row.values, table.columns) for row in slice_], vectors)
            count += len(slice_)
            bad += [(row.line, row.reason) for row in slice_ if isinstance(row, BadRow)]
    return Embedded(count, encoder.width, truncated, tuple(bad))


def _as_cells(values: Mapping[str, object], columns: tuple[str, ...]) -> dict[str, str]:
    """The cells of a row as text, in the order of `columns`; a missing value is empty text."""
    return {name: "" if values.get(name) is None else str(values[name]) for name in columns}


@contextmanager
def _open_output(output: Path, columns: tuple[str, ...], width: int, *, force: bool) -> Iterator[_Writer]:
    """A writer for the format of `output`; the file appears under its name only if nothing fails."""
    with new_file(output, force=force) as aside:
        if output.suffix == ".npy":
            with aside.open("wb") as file:
                array = _ArrayFile(file, width)
                yield array
                array.end()
        else:
            table = _TableFile(aside, columns, width)
            yield table
            table.end()


class _ArrayFile:
    """Writer of a .npy file whose number of rows is not known at the start.

    Source: NumPy's format version 1.0. Its header may be padded with spaces, so it is written last, into space that was
    left for it at the beginning.
    """

    def __init__(self, file: BinaryIO, width: int) -> None:
        self._file, self._width, self._rows = file, width, 0
        file.write(b" " * _HEADER_BYTES)

    def write(self, rows: list[dict[str, str]], vectors: np.ndarray) -> None:
        self._rows += len(rows)
        self._file.write(np.ascontiguousarray(vectors, dtype="<f4").tobytes())

    def end(self) -> None:
        described = f"{{'descr': '<f4', 'fortran_order': False, 'shape': ({self._rows}, {self._width}), }}"
        magic = b"\x93NUMPY\x01\x00" + (_HEADER_BYTES - 10).to_bytes(2, "little")
        self._file.seek(0)
        self._file.write(magic + described.ljust(_HEADER_BYTES - 11).encode("latin-1") + b"\n")


class _TableFile:
    """Writer of a Parquet file with the columns of the source as text and a column of vectors."""

    def __init__(self, path: Path, columns: tuple[str, ...], width: int) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        self._arrow: Any = pa
        self._columns, self._width = columns, width
        fields = [(name, pa.string()) for name in columns]
        self._schema = pa.schema([*fields, (_ADDED, pa.list_(pa.float32(), width))])
        self._writer: Any = parquet.ParquetWriter(path, self._schema)

    def write(self, rows: list[dict[str, str]], vectors: np.ndarray) -> None:
        pa = self._arrow
        found = [pa.array([row[name] for row in rows], pa.string()) for name in self._columns]
        flat = pa.array(vectors.reshape(-1))
        found.append(pa.FixedSizeListArray.from_arrays(flat, self._width))
        self._writer.write_table(pa.Table.from_arrays(found, schema=self._schema))

    def end(self) -> None:
        self._writer.close()
