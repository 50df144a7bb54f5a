"""Segments: passages with their texts and vectors, written once and never changed, in memory-mapped files.

A passage is called by its position, which counts on from one segment to the next. What no document has any more stays
where it is until the segments are written anew without it.
"""

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.lib.format import open_memmap

from trifold.atomic import sync
from trifold.documents.search.mapped_array import open_array, unreadable
from trifold.documents.search.passages import Passage
from trifold.documents.search.records import SegmentRecord, damaged

_ROWS_PER_BLOCK = 8_192


def vectors_file(folder: Path, name: str) -> Path:
    """The vectors of a segment, `(passages, width)` float16."""
    return folder / f"{name}.npy"


def texts_file(folder: Path, name: str) -> Path:
    """The texts of a segment and where they stand in their documents, an Arrow file."""
    return folder / f"{name}.arrow"


class Segments:
    """Segments, opened for reading: files are mapped, and pages of them read where they are asked for.

    Args:
        folder: Where their files lie.
        records: Which, in the order of their positions.
        width: Numbers of a vector.

    Attributes:
        vectors: Of each segment, `(passages, width)` float16.
        width: Numbers of a vector.
        longest: Length of the longest vector.

    Raises:
        ArtifactError: If a file is missing, or is not as large as it should be.
    """

    def __init__(self, folder: Path, records: Sequence[SegmentRecord], width: int) -> None:
        self.width = width
        self.longest = max((one.longest for one in records), default=0.0)
        self._starts = list(accumulate((one.passages for one in records), initial=0))
        self.vectors = [_open_vectors(vectors_file(folder, one.name), (one.passages, width)) for one in records]
        self._texts = [_open_texts(texts_file(folder, one.name), one.passages) for one in records]

    def __len__(self) -> int:
        return self._starts[-1]

    def passage(self, position: int) -> Passage:
        """The passage at a position."""
        number, row = self._place(position)
        table = self._texts[number]
        start, end, text = (table.column(name)[row].as_py() for name in ("start", "end", "text"))
        return Passage(start, end, text)

    def passages(self, positions: np.ndarray) -> Iterator[Passage]:
        """The passages at positions, which rise."""
        for start in range(0, len(positions), _ROWS_PER_BLOCK):
            block = positions[start : start + _ROWS_PER_BLOCK]
            for number, table in enumerate(self._texts):
                rows = block[(block >= self._starts[number]) & (block < self._starts[number + 1])]
                taken = table.take(rows - self._starts[number]).to_pydict()
                yield from map(Passage, taken["start"], taken["end"], taken["text"])

    def gather(self, positions: np.ndarray) -> np.ndarray:
        """The vectors at positions, `(positions, width)` float16, copied."""
        if len(self.vectors) == 1:
            whole: np.ndarray = self.vectors[0][positions]
            return whole
        found = np.empty((len(positions), self.width), dtype=np.float16)
        for number, part in enumerate(self.vectors):
            inside = (positions >= self._starts[number]) & (positions < self._starts[number + 1])
            found[inside] = part[positions[inside] - self._starts[number]]
        return found

    def _place(self, position: int) -> tuple[int, int]:
        number = bisect_right(self._starts, position) - 1
        return number, position - self._starts[number]


class SegmentWriter:
    """Writes a segment: texts as they come, then all vectors.

    Args:
        folder: Where to.
        name: Of the segment.
        width: Numbers of a vector.
    """

    def __init__(self, folder: Path, name: str, width: int) -> None:
        import pyarrow as pa

        self._folder, self._name, self._width = folder, name, width
        self._arrow: Any = pa
        self._schema = pa.schema([("text", pa.large_string()), ("start", pa.int32()), ("end", pa.int32())])
        self._file: Any = pa.ipc.new_file(str(texts_file(folder, name)), self._schema)
        self.passages = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, passages: Sequence[Passage]) -> None:
        """Write the texts of some passages."""
        columns = [[one.text for one in passages], [one.start for one in passages], [one.end for one in passages]]
        arrays = [self._arrow.array(values, field.type) for values, field in zip(columns, self._schema, strict=True)]
        self._file.write_batch(self._arrow.RecordBatch.from_arrays(arrays, schema=self._schema))
        self.passages += len(passages)

    def end(self, vectors: Iterable[np.ndarray]) -> SegmentRecord:
        """Write the vectors, in blocks `(some, width)`, and see that everything is on disk."""
        self._file.close()
        path, written, longest = vectors_file(self._folder, self._name), 0, 0.0
        whole = open_memmap(path, "w+", np.float16, (self.passages, self._width))
        for block in vectors:
            whole[written : written + len(block)] = block
            lengths = np.linalg.norm(block.astype(np.float32), axis=1)
            longest = max(longest, float(lengths.max(initial=0)))
            written += len(block)
        assert written == self.passages
        whole.flush()
        for file in (path, texts_file(self._folder, self._name)):
            sync(file)
        return SegmentRecord(self._name, self.passages, longest)


def merge(segments: Segments, positions: np.ndarray, folder: Path, name: str) -> SegmentRecord:
    """Write the passages at positions, which rise, into a new segment."""
    blocks = [positions[start : start + _ROWS_PER_BLOCK] for start in range(0, len(positions), _ROWS_PER_BLOCK)]
    with SegmentWriter(folder, name, segments.width) as writer:
        for block in blocks:
            writer.add(list(segments.passages(block)))
        return writer.end(segments.gather(block) for block in blocks)


def _open_vectors(path: Path, shape: tuple[int, int]) -> np.ndarray:
    found = open_array(path, "c")
    if found.dtype != np.float16 or found.shape != shape:
        raise damaged(path, f"it holds {found.dtype.name} {found.shape} and should hold float16 {shape}")
    return found


def _open_texts(path: Path, passages: int) -> Any:
    import pyarrow as pa

    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (pa.ArrowException, OSError):
        raise unreadable(path) from None
    if table.num_rows != passages:
        raise damaged(path, f"it holds {table.num_rows} passages and should hold {passages}")
    return table
