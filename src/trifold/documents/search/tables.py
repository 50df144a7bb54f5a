"""What an index knows of its documents, beside their passages: names, files, rows and metadata, in a Parquet file."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import RLock
from typing import Any

from trifold.atomic import sync
from trifold.data.parquet import as_array
from trifold.documents.document import Document
from trifold.documents.search.records import damaged
from trifold.errors import DataError, first_line

_ROWS_PER_BATCH = 4_096
# Our own columns, and what conditions call them where the documents have no column of that name.
_OWN = {"@id": "id", "@file": "file", "@row": "row"}


@dataclass(frozen=True)
class FoundDocument:
    """What an index knows of a document.

    Attributes:
        id: Its name.
        file: File that it was read from, as it was named; empty where it was none.
        row: 1-based number of its row in that file; 0 where the file is one document.
        metadata: Its other columns.
    """

    id: str
    file: str
    row: int
    metadata: dict[str, object]


class DocumentTable:
    """The table, opened. The file may go once it is open.

    Conditions read their columns alone. The first documents that are asked for have the whole table read, which stays
    in memory, so that those of all later answers are there at once.

    Args:
        path: The file.

    Raises:
        ArtifactError: If it is missing or damaged.
    """

    def __init__(self, path: Path) -> None:
        import pyarrow as pa
        from pyarrow.parquet import ParquetFile

        try:
            self._file: Any = ParquetFile(pa.memory_map(str(path)))
        except (pa.ArrowException, OSError) as error:
            raise damaged(path, first_line(error)) from None
        self._lock = RLock()
        self.types: dict[str, Any] = {one.name: one.type for one in self._file.schema_arrow if one.name not in _OWN}

    def __len__(self) -> int:
        return int(self._file.metadata.num_rows)

    @property
    def columns(self) -> list[str]:
        """Names that conditions may use."""
        return [*self.types, *(name for name in _OWN.values() if name not in self.types)]

    def column(self, name: str) -> Any:
        """A column as one Arrow array; `id`, `file` and `row` are ours where the documents have none of that name."""
        own = {called: stored for stored, called in _OWN.items()}
        stored = name if name in self.types else own[name]
        with self._lock:
            return self._file.read([stored]).column(0).combine_chunks()

    def ids(self) -> list[str]:
        """What all documents are called, in the order of their numbers."""
        with self._lock:
            found: list[str] = self._file.read(["@id"]).column(0).to_pylist()
        return found

    def rows(self, numbers: Sequence[int]) -> list[FoundDocument]:
        """The documents with these numbers."""
        # Row by row: pyarrow imports pandas, where that is installed, to look at an array of positions.
        found = [self._whole.slice(number, 1).to_pylist()[0] for number in numbers]
        return [FoundDocument(row.pop("@id"), row.pop("@file"), row.pop("@row"), row) for row in found]

    @cached_property
    def _whole(self) -> Any:
        with self._lock:
            return self._file.read()


class DocumentTableWriter:
    """Writes the table while documents come.

    Args:
        writer: Of pyarrow.
        schema: Its schema.
    """

    def __init__(self, writer: Any, schema: Any) -> None:
        self._writer, self._schema = writer, schema
        self._rows: list[dict[str, object]] = []
        self.documents = 0

    def add(self, document: Document) -> None:
        """Add a document; its number is that of those before it."""
        own = zip(_OWN, (document.id, document.file, document.row), strict=True)
        self._rows.append({**document.metadata, **dict(own)})
        self.documents += 1
        if len(self._rows) == _ROWS_PER_BATCH:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        import pyarrow as pa

        arrays = [as_array([row.get(field.name) for row in self._rows], field.type) for field in self._schema]
        self._writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=self._schema))
        self._rows.clear()


@contextmanager
def new_table(path: Path, types: Mapping[str, Any]) -> Iterator[DocumentTableWriter]:
    """A writer for a table with these columns of metadata.

    Raises:
        DataError: If one has the name of a column of ours.
    """
    import pyarrow as pa
    from pyarrow.parquet import ParquetWriter

    taken = [name for name in types if name in _OWN]
    if taken:
        raise DataError(f"the documents have a column {taken[0]!r}, which an index adds: rename it")
    own = (("@id", pa.string()), ("@file", pa.string()), ("@row", pa.int64()))
    schema = pa.schema([*own, *types.items()])
    with ParquetWriter(path, schema, compression="zstd") as writer:
        table = DocumentTableWriter(writer, schema)
        yield table
        table.flush()
    sync(path)
