"""What pages show of jobs: how far they are, what came of them, and which rows are meant."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any

from trifold.app.outcome import printed
from trifold.app.progress import JobProgress
from trifold.app.record import OUTPUT, JobRecord
from trifold.app.workspace import Workspace
from trifold.artifact.run_record import ComparisonRecord, read_run_record
from trifold.data.open_file import open_table
from trifold.errors import ArtifactError, TrifoldError
from trifold.evaluate.leaderboard import in_words, read_leaderboard
from trifold.evaluate.results import read_csv
from trifold.event_sinks import Silence
from trifold.events import Losses, sending_to
from trifold.formatting import duration, shortened
from trifold.types import BadRow

_MOST_ROWS, _MOST_CHARACTERS, _SCANNED_ROWS = 50, 300, 1_000_000
_MOST_COLUMNS = 12
_WIDTH, _HEIGHT = 300.0, 110.0


@dataclass(frozen=True)
class ShownRow:
    """A row of a file, as far as it is shown.

    Attributes:
        line: In the file.
        reason: What is the matter with it.
        values: Column to the beginning of what stands there.
    """

    line: int
    reason: str
    values: Mapping[str, str]


@dataclass(frozen=True)
class Curve:
    """The losses of a run, drawn.

    Attributes:
        run: Its name.
        train: Points of the line of training, as SVG has them.
        validation: Of validation.
        high: The largest loss, at the top.
        low: The smallest, at the bottom.
        epochs: How many are done.
        latest: The last validation loss.
    """

    run: str
    train: str
    validation: str
    high: float
    low: float
    epochs: int
    latest: float


@dataclass(frozen=True)
class Comparing:
    """What a comparison has come to so far.

    Attributes:
        table: The leaderboard in words, one row a method.
        ship: The method to ship; empty while that is open.
        sentences: The verdict.
        skipped: Method to the reason why it is missing.
        has_report: Whether there is a report.
        has_model: Whether there is a model to use.
    """

    table: list[Mapping[str, str]]
    ship: str
    sentences: tuple[str, ...]
    skipped: Mapping[str, str]
    has_report: bool
    has_model: bool


def answer_of(workspace: Workspace, number: str) -> Any:
    """The JSON that a job printed."""
    return printed(workspace.jobs.folder(number) / OUTPUT)


def comparing(workspace: Workspace, number: str) -> Comparing:
    """What a comparison has come to so far; what is damaged is taken for not being there."""
    folder = workspace.jobs.results(number)
    try:
        table = [in_words(row) for row in read_leaderboard(folder)]
        record = read_run_record(folder) if (folder / "run.json").exists() else None
    except ArtifactError:
        table, record = [], None
    found = record if isinstance(record, ComparisonRecord) else None
    return Comparing(
        table=table,
        ship=found.verdict.ship if found else "",
        sentences=tuple(found.verdict.sentences) if found else (),
        skipped=found.skipped if found else {},
        has_report=(folder / "report.html").exists(),
        has_model=(workspace.best(number) / "run.json").exists(),
    )


def own_words(record: JobRecord, sentence: str) -> str:
    """A sentence in which a file has the name that its owner knows, and not the path that it has here."""
    for word in record.words:
        if word.endswith(f"/{record.name}"):
            sentence = sentence.replace(word, record.name)
    return sentence


def waiting_words(workspace: Workspace, number: str, record: JobRecord) -> str:
    """Where a job is, in a sentence that seldom changes: it is read aloud."""
    if record.state == "waiting":
        before = workspace.jobs.before(number)
        return f"Waiting for {before} other job{'' if before == 1 else 's'} to end." if before else "About to begin."
    if record.cancelled and record.state == "running":
        return "Stopping: what is done by now is kept. This may take half a minute."
    if record.state == "running":
        run = next((work.run for work in reversed(list(workspace.progress(number).works.values())) if work.run), "")
        return f"At work on {run}." if run else "At work."
    words = {"finished": "Done.", "cancelled": "Stopped.", "failed": f"It failed: {own_words(record, record.error)}"}
    return words[record.state]


def bars(progress: JobProgress) -> list[dict[str, object]]:
    """Pieces of work that are not done, the latest first."""
    found = []
    for work in reversed(list(progress.works.values())):
        left = work.seconds_left
        about = f", about {duration(left)} left" if left is not None and work.done else ""
        task = f"{work.run}: {work.task}" if work.run else work.task
        found.append({"task": task, "share": work.done / work.total, "about": about})
    return found[:3]


def curves(progress: JobProgress) -> list[Curve]:
    """The losses of every run that has told some."""
    return [_curve(run, list(told)) for run, told in list(progress.losses.items())]


def _curve(run: str, told: Sequence[Losses]) -> Curve:
    values = [value for one in told for value in (one.train, one.validation)]
    low, high = min(values), max(values)
    last = max(one.epoch for one in told)

    def points(values: Sequence[float]) -> str:
        places = [
            (_WIDTH * one.epoch / last, _HEIGHT * (high - value) / ((high - low) or 1.0))
            for one, value in zip(told, values, strict=True)
        ]
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in places)

    train, validation = ([one.train for one in told], [one.validation for one in told])
    return Curve(run, points(train), points(validation), high, low, len(told), validation[-1])


def columns_of(path: Path) -> tuple[str, ...]:
    """The columns of a file; none where it cannot be read."""
    try:
        with sending_to(Silence()):
            return open_table(path).columns
    except (TrifoldError, OSError):
        return ()


def rows_at(path: Path, lines: Mapping[int, str]) -> list[ShownRow]:
    """Rows of a file by their lines, the first of them.

    Args:
        path: The file.
        lines: Line to what is the matter there.
    """
    return _rows_at(path, tuple(sorted(lines.items())[:_MOST_ROWS]))


@lru_cache(16)
def _rows_at(path: Path, trouble: tuple[tuple[int, str], ...]) -> list[ShownRow]:
    """As `rows_at`; a file that was given does not change, and a large one takes seconds to read."""
    lines, found = dict(trouble), []
    wanted = set(lines)
    try:
        with sending_to(Silence()):
            for row in islice(open_table(path).rows(), _SCANNED_ROWS):
                if row.line in wanted:
                    wanted.discard(row.line)
                    found.append(ShownRow(row.line, lines[row.line], _beginnings(row.values)))
                if not wanted:
                    break
    except (TrifoldError, OSError):
        pass
    known = {row.line for row in found}
    found += [ShownRow(line, reason, {}) for line, reason in trouble if line not in known]
    return sorted(found, key=lambda row: row.line)


def first_rows(path: Path, most: int = 8) -> list[Mapping[str, str]]:
    """The first rows of a result."""
    try:
        with sending_to(Silence()):
            rows = [row for row in islice(open_table(path).rows(), most) if not isinstance(row, BadRow)]
    except (TrifoldError, OSError):
        return []
    return [_beginnings(row.values) for row in rows]


def mistakes(folder: Path, label: str, prediction: str, words: str) -> list[dict[str, str]]:
    """The surest mistakes of a run; of those with a label, a prediction or words alone, where these are given."""
    try:
        rows = list(read_csv(folder / "errors.csv"))
    except OSError:
        return []
    return [
        row
        for row in rows
        if (not label or row["label"] == label)
        and (not prediction or row["prediction"] == prediction)
        and words.casefold() in _text_of(row).casefold()
    ]


def choices(rows: Collection[Mapping[str, str]], name: str) -> list[str]:
    """What stands in a column, the commonest first."""
    values = [row[name] for row in rows]
    return sorted(set(values), key=lambda value: -values.count(value))


def trouble_lines(found: Mapping[str, Any]) -> dict[int, str]:
    """Line to what is the matter there, of what `check` printed: rows left out, then texts with different labels."""
    lines = {int(line): str(reason) for line, reason in found["bad_rows"]}
    for group in (*found["conflicting_lines"], *found["near_conflicts"]):
        others = "the same text" if group in found["conflicting_lines"] else "nearly the same text"
        for line in group:
            rest = ", ".join(str(other) for other in group if other != line)
            lines.setdefault(int(line), f"{others} has another label in line {rest}")
    return lines


def shown_example(text: object, label: object) -> dict[str, str]:
    """One of the first rows that `check` printed; a text may be a pair."""
    texts = text.values() if isinstance(text, dict) else text if isinstance(text, list) else [text]
    labels = label if isinstance(label, list) else [label]
    return {"text": shortened(" / ".join(map(str, texts)), _MOST_CHARACTERS), "label": ", ".join(map(str, labels))}


def _text_of(row: Mapping[str, str]) -> str:
    return " ".join(row.get(name, "") for name in ("text", "text_pair"))


def _beginnings(values: Mapping[str, object]) -> dict[str, str]:
    shown = {name: "" if value is None else str(value) for name, value in islice(values.items(), _MOST_COLUMNS)}
    return {name: shortened(value, _MOST_CHARACTERS) for name, value in shown.items()}
