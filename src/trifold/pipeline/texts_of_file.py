"""All usable texts of a file, in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.data.columns import guess_label
from trifold.data.examples import open_rows
from trifold.data.settings import TextSettings
from trifold.data.table import Table
from trifold.errors import DataError, did_you_mean
from trifold.events import say
from trifold.formatting import counted
from trifold.models.settings import EncodingSettings
from trifold.types import Record


@dataclass(frozen=True)
class TextsOfFile:
    """The usable texts of a file.

    Attributes:
        path: The file.
        table: The file, opened.
        texts: `(texts,)` in the order of the file.
        rows: `(texts,)` 1-based numbers of their rows, rows without a usable text counted.
        lines: `(texts,)` 1-based lines on which they begin.
        labels: `(texts,)` values of the label column as text; empty where there is none.
        label_column: Its name; empty where there is none.
        bad_rows: Number of rows without a usable text.
    """

    path: Path
    table: Table
    texts: list[str]
    rows: list[int]
    lines: list[int]
    labels: list[str]
    label_column: str
    bad_rows: int

    @property
    def all_rows(self) -> int:
        """Rows of the file."""
        return len(self.texts) + self.bad_rows


def read_texts(path: Path, settings: TextSettings, label_column: str | None = None) -> TextsOfFile:
    """Read the texts of a file, and the labels beside them where there is a column of a usual name for labels.

    Args:
        path: The file.
        settings: How to read it.
        label_column: The column of labels, where it has no usual name.

    Raises:
        DataError: As `open_rows`; also if there is no such label column.
    """
    table, columns, stream = open_rows(path, settings)
    table.tell()
    columns.tell(what=f"texts of {path}")
    if label_column is not None and label_column not in table.columns:
        known = ", ".join(map(repr, table.columns))
        guess = did_you_mean(label_column, table.columns)
        raise DataError(f"there is no column {label_column!r}{guess}: the file has {known}; name one of these")
    others = [name for name in table.columns if name not in columns.texts]
    label = label_column or guess_label(others, ()) or ""
    texts, rows, lines, labels, number = [], [], [], [], 0
    for number, row in enumerate(stream, start=1):
        if isinstance(row, Record):
            texts.append(str(columns.text_of(row.values)))
            rows.append(number)
            lines.append(row.line)
            if label:
                labels.append("" if row.values[label] is None else str(row.values[label]))
    return TextsOfFile(path, table, texts, rows, lines, labels, label, number - len(texts))


class FileEncoder:
    """Turns texts into vectors of length 1, and counts those that it cut.

    Args:
        model: As in `TextEmbedder`.
        settings: How texts are read.

    Raises:
        BackboneError: If there is no such model.
    """

    def __init__(self, model: str, settings: EncodingSettings) -> None:
        from trifold.documents.embedding.embedder import TextEmbedder
        from trifold.documents.similarity.similar import Counts, unit_encoder
        from trifold.runtime import prepare_own

        prepare_own()
        self._embedder = TextEmbedder(model, normalize=True, settings=settings)
        self._counts = Counts()
        self._encode = unit_encoder(self._embedder, self._embedder.prompt_text(), self._counts)

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        """`(texts, width)` float32; refused where the model knows hardly any word of the first texts."""
        return self._encode(texts)

    @property
    def truncated(self) -> int:
        """Texts that were cut so far because they are longer than the model reads."""
        return self._counts.truncated

    def tell(self) -> None:
        """Say how many texts were cut, if any were."""
        if self.truncated:
            say(f"note: {counted(self.truncated, 'text')} {self._embedder.too_long}")
