"""Find the duplicates of a file's texts, or those that also stand in another file, and write the file without them."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from trifold.artifact.run_folder import new_file
from trifold.data.hub import offline_data
from trifold.data.result_file import write_result
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.table import ResultTable, Row
from trifold.documents.duplicates.duplicates import Copy, counts_by_kind, find_copies, find_duplicates
from trifold.documents.duplicates.settings import DuplicateSettings
from trifold.errors import require
from trifold.inference.stream import require_result
from trifold.models.settings import EncodingSettings
from trifold.pipeline.request import unchanged
from trifold.pipeline.texts_of_file import FileEncoder, TextsOfFile, read_texts

_DUPLICATE_OF, _KIND, _SIMILARITY = "duplicate_of", "duplicate_kind", "similarity"


@dataclass(frozen=True, kw_only=True)
class DuplicatesRequest:
    """What to look for, and what to write.

    Attributes:
        data: The file.
        against: Another file: its texts are then what those of `data` may be duplicates of.
        drop: Write `data` without its duplicates, instead of with columns that name them.
        model: Encoder of semantic duplicates.
        reading: How both files are read.
        duplicates: What counts as a duplicate.
        encoding: How texts become vectors.
        result: Where to write.
    """

    data: Path
    against: Path | None = None
    drop: bool = False
    model: str = "minilm"
    reading: TextSettings = field(default_factory=TextSettings)
    duplicates: DuplicateSettings = field(default_factory=DuplicateSettings)
    encoding: EncodingSettings = field(default_factory=EncodingSettings)
    result: ResultSettings = field(default_factory=ResultSettings)


@dataclass(frozen=True)
class DuplicatesReport:
    """What was found.

    Attributes:
        data: The file.
        others: What its texts were compared with: the file itself, or another one.
        copies: Its duplicates: `position` counts `data.texts`, `of` counts `others.texts`.
        clusters: Groups of texts that say the same; `None` against another file.
        truncated: Texts whose vectors are of their beginning alone, because they are longer than the model reads.
    """

    data: TextsOfFile
    others: TextsOfFile
    copies: tuple[Copy, ...]
    clusters: int | None
    truncated: int = 0

    @property
    def counts(self) -> dict[str, int]:
        """Kind to the number of duplicates."""
        return counts_by_kind(self.copies)

    def as_dict(self) -> dict[str, object]:
        """For `--json`."""
        return {
            "path": str(self.data.path),
            "against": None if self.clusters is not None else str(self.others.path),
            "rows": self.data.all_rows,
            "bad_rows": self.data.bad_rows,
            "truncated": self.truncated,
            "duplicates": len(self.copies),
            "counts": self.counts,
            "clusters": self.clusters,
            "found": [
                {
                    "row": self.data.rows[copy.position],
                    "line": self.data.lines[copy.position],
                    "of_row": self.others.rows[copy.of],
                    "of_line": self.others.lines[copy.of],
                    "kind": copy.kind,
                    "similarity": round(copy.similarity, 4),
                }
                for copy in self.copies
            ],
        }


def duplicates(request: DuplicatesRequest) -> DuplicatesReport:
    """Find duplicates, and write what was asked for.

    Raises:
        DataError: If a file cannot be read.
        SettingsError: If a setting is not allowed, or the result would overwrite a file.
        BackboneError: If there is no such encoder.
    """
    result = request.result
    require(
        not request.drop or result.output is not None, "--drop without --output", "name the file for the rows that stay"
    )
    written_as = require_result(result, *(path for path in (request.data, request.against) if path))
    with (
        offline_data(request.encoding.offline),
        new_file(result.output, force=result.force) if result.output else nullcontext() as aside,
        unchanged([request.data, request.against]),
    ):
        data = read_texts(request.data, request.reading)
        table = ResultTable(data.table, {} if request.drop else {_DUPLICATE_OF: int, _KIND: str, _SIMILARITY: float})
        if aside is not None:
            table.require_new("looking for duplicates")
        encode = FileEncoder(request.model, request.encoding) if request.duplicates.semantic else None
        if request.against is None:
            others = data
            groups = find_duplicates(data.texts, request.duplicates, encode)
            copies = sorted((copy for group in groups for copy in group.copies), key=lambda copy: copy.position)
            clusters: int | None = len(groups)
        else:
            others, clusters = read_texts(request.against, request.reading), None
            copies = find_copies(data.texts, others.texts, request.duplicates, encode)
        if encode:
            encode.tell()
        report = DuplicatesReport(data, others, tuple(copies), clusters, encode.truncated if encode else 0)
        if aside is not None:
            rows = _result_rows(report, drop=request.drop)
            write_result(aside, written_as, table, rows, excel_safe=result.excel_safe)
    return report


def _result_rows(report: DuplicatesReport, *, drop: bool) -> Iterator[Row]:
    """The rows of the file once more: those that stay, or all with what was found out of them."""
    found: Mapping[int, Copy] = {report.data.rows[copy.position]: copy for copy in report.copies}
    for number, row in enumerate(report.data.table.rows(), start=1):
        copy = found.get(number)
        if copy is None:
            yield row.values
        elif not drop:
            added = {_DUPLICATE_OF: report.others.lines[copy.of], _KIND: copy.kind, _SIMILARITY: copy.similarity}
            yield {**row.values, **added}
