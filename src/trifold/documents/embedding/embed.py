"""Turn a file of texts into a file of vectors. Rows are streamed, so memory does not grow with their number."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from trifold.artifact.run_folder import new_file, require_free_file
from trifold.atomic import remove
from trifold.data.columns import Columns
from trifold.data.examples import open_rows
from trifold.data.hub import local_file
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.result_file import JSON_LINES, PARQUET, write_result
from trifold.data.settings import TextSettings
from trifold.data.table import ResultTable, Row, Table, VectorOf
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.documents.embedding.unfinished_vectors import UnfinishedVectors, folder_for, unfinished_vectors
from trifold.errors import DataError, SettingsError
from trifold.hashing import content_address, file_sha256
from trifold.inference.stream import telling
from trifold.types import BadRow, Record
from trifold.version import VERSION, installed_versions

# Rows whose vectors are computed together and kept when a command is killed.
ROWS_PER_SLICE = 1_024
_ROWS_WRITTEN_AT_ONCE = 1_024
_ARRAY = ".npy"
_FORMATS = (_ARRAY, PARQUET, JSON_LINES)
_ADDED = "vector"
# Another version of these may compute other digits.
_LIBRARIES = ("numpy", "torch", "transformers", "tokenizers", "onnxruntime")
_DIGITS = 7


@dataclass(frozen=True)
class EmbeddedFile:
    """The result of `embed_file`.

    Attributes:
        rows: Number of rows of the file, and of vectors.
        width: Numbers of each vector.
        truncated: Number of texts that were cut because they are longer than the model reads.
        resumed: Rows whose vectors an interrupted command had left.
        bad: Line and reason of each row without a usable text; all numbers of its vector are NaN.
    """

    rows: int
    width: int
    truncated: int
    resumed: int
    bad: tuple[tuple[int, str], ...]


def embed_file(
    embedder: TextEmbedder,
    source: Path,
    output: Path,
    settings: TextSettings,
    own: RecordedColumns | None = None,
    *,
    prompt_name: str | None = None,
    prompt: str | None = None,
    force: bool = False,
) -> EmbeddedFile:
    """Write a vector for every row of a file, in the file's order.

    If the command is cut short, however that may be, the same call goes on where it was: no vector is computed twice,
    and the result is the same to the byte. A file of results appears whole or not at all.

    Args:
        embedder: Makes the vectors.
        source: CSV, TSV, JSON or Parquet file.
        output: A `.npy` file gets an array `(rows, width)` of float32; `.parquet` and `.jsonl` files get the columns of
            `source` and a column `vector`.
        settings: How to read `source`.
        own: The columns of the run that the encoder belongs to, if it belongs to one.
        prompt_name: As in `TextEmbedder.encode`.
        prompt: As in `TextEmbedder.encode`.
        force: Overwrite `output` where it is there already.

    Raises:
        DataError: If `source` cannot be read, `output` cannot be written, `source` already has a column `vector`, or a
            row is unusable and `on_bad_rows` is `fail`.
        SettingsError: If `output` ends in no format for vectors, or is there already.
    """
    if output.suffix not in _FORMATS:
        raise SettingsError(
            f"--output {output} is no format for vectors: name a file that ends in {', '.join(_FORMATS[:-1])} or "
            f"{_FORMATS[-1]}"
        )
    require_free_file(output, source, force=force)
    before = embedder.prompt_text(prompt_name, prompt)
    table, columns, stream = open_rows(source, settings, own)
    table.tell()
    columns.tell(own)
    result = ResultTable(table, {_ADDED: VectorOf(embedder.width)})
    if output.suffix != _ARRAY:
        result.require_new("embedding")
    about = content_address(
        {
            "input": file_sha256(local_file(source)),
            "reading": {**vars(settings), "columns": columns.texts},
            "embedder": embedder.identity,
            "prompt": before,
            "computed_by": embedder.computed_by,
            "rows_per_slice": ROWS_PER_SLICE,
            "versions": {"trifold": VERSION, **installed_versions(*_LIBRARIES)},
        }
    )
    with (
        new_file(output, lambda: remove(folder_for(output)), force=force) as aside,
        unfinished_vectors(output, about, embedder.width) as kept,
    ):
        resumed = kept.rows
        bad = _compute(embedder, stream, columns, kept, before)
        if output.suffix == _ARRAY:
            kept.become(aside)
        else:
            write_result(aside, output.suffix, result, _with_vectors(table, kept, as_text=output.suffix == JSON_LINES))
    if not output.is_file():
        # A pipe has no place of its own that would be taken.
        remove(folder_for(output))
    return EmbeddedFile(kept.rows, embedder.width, kept.truncated, resumed, bad)


def _compute(
    embedder: TextEmbedder, stream: Iterator[Record | BadRow], columns: Columns, kept: UnfinishedVectors, prompt: str
) -> tuple[tuple[int, str], ...]:
    """Compute the vectors that are not kept yet; line and reason of each row without a text."""
    bad: list[tuple[int, str]] = []

    def noted(rows: Iterable[Record | BadRow]) -> Iterator[Record | BadRow]:
        for row in rows:
            if isinstance(row, BadRow):
                bad.append((row.line, row.reason))
            yield row

    rows = noted(stream)
    for _ in islice(rows, kept.rows):
        pass
    rows, words_are_known = telling(rows, kept.rows), kept.rows > 0
    while slice_ := list(islice(rows, ROWS_PER_SLICE)):
        texts = {n: str(columns.text_of(row.values)) for n, row in enumerate(slice_) if isinstance(row, Record)}
        vectors, truncated = np.full((len(slice_), embedder.width), np.nan, dtype=np.float32), 0
        if texts:
            if not words_are_known:
                embedder.require_words(list(texts.values()))
            found = embedder.encode_counting(list(texts.values()), prompt=prompt)
            vectors[list(texts)], truncated, words_are_known = found.vectors, int(found.truncated.sum()), True
        kept.add(vectors, truncated)
    return tuple(bad)


def _with_vectors(table: Table, kept: UnfinishedVectors, *, as_text: bool) -> Iterator[Row]:
    """The rows of the file, read once more, each with its vector: a list of numbers or nothing where it becomes text.

    Raises:
        DataError: If the file has changed.
    """
    vectors = (vector for slice_ in kept.slices(_ROWS_WRITTEN_AT_ONCE) for vector in slice_)
    try:
        for row, vector in zip(table.rows(), vectors, strict=True):
            whole = not as_text or bool(np.isfinite(vector).all())
            shown = [round(float(number), _DIGITS) for number in vector] if as_text else vector
            yield {**row.values, _ADDED: shown if whole else None}
    except ValueError:
        raise DataError(f"{table.path} changed while its vectors were computed: run the command again") from None
