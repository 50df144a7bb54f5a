"""Open a run of `--task similarity`, and score the pairs of a file of any size with it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.artifact.hub_runs import run_folder
from trifold.artifact.manifest import verify_model
from trifold.artifact.run_folder import best_run
from trifold.artifact.run_record import RUN, SimilarityRecord, read_run_record
from trifold.data.columns import unusable_text
from trifold.data.examples import open_rows
from trifold.data.recorded_columns import RecordedColumns
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.table import ResultTable
from trifold.errors import ArtifactError, DataError, SettingsError
from trifold.folder_kinds import wrong_kind
from trifold.inference.answers import ERROR
from trifold.inference.stream import Counts, counting_unreadable, label_rows, require_result, write_labelled
from trifold.methods.catalogue import method_entry, similarity_entry
from trifold.methods.similarity import Similarities, SimilarityModel
from trifold.models.settings import ComputeSettings
from trifold.runtime import prepare_own, unchanged_process
from trifold.schema import damaged
from trifold.types import Record, Text, TextPair

_COLUMNS: dict[str, type] = {"prediction": float, "cosine": float, "truncated": bool, ERROR: str}


@dataclass(frozen=True)
class SimilarityRun:
    """A trained model of similarities, opened.

    Attributes:
        folder: The run folder.
        model: The model.
        record: Content of `run.json`.
    """

    folder: Path
    model: SimilarityModel
    record: SimilarityRecord

    @property
    def own_columns(self) -> RecordedColumns:
        """The columns that it read in training."""
        return RecordedColumns.recorded(self.record.as_json())


def is_similarity_run(path: Path, *, offline: bool = False) -> bool:
    """Whether a folder is that of a run of `--task similarity`, or of a comparison of such; damage is found later.

    Args:
        path: The folder, or the name of a run on the hub.
        offline: Open no connection.
    """
    try:
        return isinstance(read_run_record(best_run(run_folder(path, offline=offline))), SimilarityRecord)
    except ArtifactError:
        return False


def load_similarity_run(path: Path | str, compute: ComputeSettings | None = None) -> SimilarityRun:
    """Load a run folder, or the best run of a comparison's folder, after checking its hashes.

    The process is left as it was, unless it is a command's own (`runtime.own_process`).

    Args:
        path: The folder, or the name of a run on the hub.
        compute: Where and how the model computes.

    Raises:
        ArtifactError: If the folder holds no such run, or a file is missing or damaged; the message names the file.
    """
    folder = best_run(run_folder(path, offline=compute is not None and compute.offline))
    record = read_run_record(folder)
    if not isinstance(record, SimilarityRecord):
        wanted = "a run of --task similarity"
        raise ArtifactError(wrong_kind(folder, wanted) or f"{folder} is not {wanted}: name one")
    try:
        method = similarity_entry(record.method)
    except SettingsError as error:
        raise damaged(folder / RUN, str(error)) from None
    verify_model(folder)
    with unchanged_process():
        if method_entry(record.method).needs_backbone:
            prepare_own()
        model = method.load().model.load(folder / "model", compute or ComputeSettings())
    return SimilarityRun(folder, model, record)


def similarities(run: SimilarityRun, pairs: Sequence[TextPair]) -> Similarities:
    """How similar the texts of some pairs are.

    Raises:
        DataError: If a text is empty: a model has nothing to go by.
    """
    for pair in pairs:
        if reason := unusable_text(pair):
            raise DataError(f"{reason}: give two texts with at least one word each")
    return run.model.similarities(pairs)


def score_file(
    run: SimilarityRun,
    source: Path,
    reading: TextSettings | None = None,
    result: ResultSettings | None = None,
    *,
    json: bool = False,
) -> Counts:
    """Score every pair of a file: same order, same number of rows, bad rows marked in column `error`.

    The file is streamed, so it may be larger than memory. A file of results appears whole or not at all.

    Args:
        run: The model.
        source: CSV, TSV, JSON, Parquet or a workbook; two columns of texts are enough.
        reading: How to read `source`; the run's own columns are read where it names none.
        result: Where to write.
        json: Whether standard output gets JSON lines instead of CSV.

    Raises:
        DataError: If the file cannot be read, a column that would be added is there already, or a row is bad and
            `on_bad_rows` is `fail`.
        SettingsError: If the result would overwrite a file.
    """
    reading, result = reading or TextSettings(), result or ResultSettings()
    require_result(result, source, json=json)
    source_table, columns, rows = open_rows(source, reading, run.own_columns)
    source_table.tell()
    table = ResultTable(source_table, _COLUMNS)
    table.require_new("the scores")
    counts = Counts()

    def score(_: Sequence[Record], texts: Sequence[Text]) -> Iterator[Mapping[str, object]]:
        found = run.model.similarities([text for text in texts if isinstance(text, TextPair)])
        for score, cosine, cut in zip(found.scores, found.cosines, found.truncated, strict=True):
            counts.labelled += 1
            yield {"prediction": float(score), "cosine": float(cosine), "truncated": bool(cut)}

    write_labelled(label_rows(counting_unreadable(rows, counts), columns, score), table, result, json=json)
    return counts
