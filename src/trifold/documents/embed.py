"""Files of texts to files of vectors, streamed: memory does not grow with the number of rows."""

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
    """What `embed_file` wrote.

    Attributes:
        rows: Of the file, and so of the result.
        width: Of each vector.
        truncated: Texts that were too long to be read whole.
        bad: Line and reason of each row without a usable text; its vector is not-a-number throughout.
    """

    rows: int
    width: int
    truncated: int
    bad: tuple[tuple[int, str], ...]


class _Sink(Protocol):
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
    """Write a vector of length 1 for every row of a file, in its order; it appears whole or not at all.

    Args:
        encoder: Its top layer's mean over a text's tokens is the vector.
        tokenizer: The encoder's.
        source: CSV, TSV, JSONL or Parquet.
        output: `.npy` for `(rows, width)` float32, or `.parquet` for the file's columns and one more, `vector`.
        settings: How to read `source`.
        token_budget: Tokens of one forward pass; the device's own where `None`.
        own: The columns of the run that the encoder is from.
        force: Overwrite `output` where it is there already.

    Raises:
        DataError: If the file cannot be read or `output` not be written, a column that would be added is there
            already, or a row is bad and `on_bad_rows` is `fail`.
        SettingsError: If the format of `output` is unknown, or it is there already.
    """
    if output.suffix not in _FORMATS:
        raise SettingsError(f"--output {output} is no format for vectors: name a file that ends in .npy or .parquet")
    require_free_file(output, source, force=force)
    table, columns, stream = open_rows(source, settings, own)
    if columns.guessed and own is None:
        say(f"note: texts are read from column {columns.text!r}; --text-column overrides")
    if output.suffix == ".parquet" and _ADDED in table.columns:
        raise DataError(f"{source} already has a column {_ADDED!r}, which embedding would add: rename it")
    count, truncated = 0, 0
    bad: list[tuple[int, str]] = []
    with _sink(output, table.columns, encoder.width, force=force) as sink:
        while slice_ := list(islice(stream, _TEXTS_PER_SLICE)):
            texts = {n: str(columns.text_of(row.values)) for n, row in enumerate(slice_) if isinstance(row, Record)}
            vectors = np.full((len(slice_), encoder.width), np.nan, dtype=np.float32)
            if texts:
                if not count:
                    tokenizer.require_words(list(texts.values()))
                vectors[list(texts)], cut = embed(encoder, tokenizer, list(texts.values()), token_budget)
                truncated += int(cut.sum())
            sink.write([_plain(row.values, table.columns) for row in slice_], vectors)
            count += len(slice_)
            bad += [(row.line, row.reason) for row in slice_ if isinstance(row, BadRow)]
    return Embedded(count, encoder.width, truncated, tuple(bad))


def _plain(values: Mapping[str, object], columns: tuple[str, ...]) -> dict[str, str]:
    """A row as a CSV would have it."""
    return {name: "" if values.get(name) is None else str(values[name]) for name in columns}


@contextmanager
def _sink(output: Path, columns: tuple[str, ...], width: int, *, force: bool) -> Iterator[_Sink]:
    """Writes aside; the file takes its name only if nothing fails."""
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
    """A .npy file that grows.

    Source: NumPy's format version 1.0, whose header may be filled up with spaces.
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
    """A Parquet file: the source's columns as text, and the vectors."""

    def __init__(self, path: Path, columns: tuple[str, ...], width: int) -> None:
        try:
            import pyarrow as pa
            from pyarrow import parquet
        except ImportError:
            raise SettingsError("writing .parquet needs pyarrow: pip install pyarrow, or name a .npy file") from None
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
