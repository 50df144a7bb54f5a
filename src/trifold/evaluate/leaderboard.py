"""The table of a comparison: one line a method, in a file for scripts and in words for people."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from trifold.atomic import whole_file
from trifold.evaluate.results import RunResult
from trifold.progress import duration

SCORE_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1"}


@dataclass(frozen=True)
class LeaderboardRow:
    """One line of `leaderboard.csv`; its names are relied on by scripts.

    Attributes:
        method: Name, with the backbone's where several were tried.
        score_name: `accuracy` or `macro_f1`, whichever comes first on this data.
        score: On the test rows, a fraction.
        score_low: Lower end of its 95 % interval.
        score_high: Upper end.
        accuracy: On the test rows.
        macro_f1: On the test rows.
        train_seconds: Of training alone, choosing settings included.
        ms_per_text: Of predicting one text among many.
        trainable_parameters: Numbers learned.
        size_bytes: On disk, with the backbone where one is needed.
        peak_memory_bytes: Of a process that does nothing else.
    """

    method: str
    score_name: str
    score: float
    score_low: float
    score_high: float
    accuracy: float
    macro_f1: float
    train_seconds: float
    ms_per_text: float
    trainable_parameters: int
    size_bytes: int
    peak_memory_bytes: int


def build_leaderboard(results: Sequence[RunResult], score: str) -> list[LeaderboardRow]:
    """The highest score first."""
    rows = [
        LeaderboardRow(
            method=result.name,
            score_name=score,
            score=result.metrics[score]["value"],
            score_low=result.metrics[score]["low"],
            score_high=result.metrics[score]["high"],
            accuracy=result.metrics["accuracy"]["value"],
            macro_f1=result.metrics["macro_f1"]["value"],
            train_seconds=result.facts["train_seconds"],
            ms_per_text=result.milliseconds_per_text,
            trainable_parameters=result.facts["trainable_parameters"],
            size_bytes=result.facts["size_bytes"],
            peak_memory_bytes=result.facts["peak_memory_bytes"],
        )
        for result in results
    ]
    return sorted(rows, key=lambda row: -row.score)


def write_leaderboard(folder: Path, rows: Sequence[LeaderboardRow]) -> None:
    """Write `leaderboard.csv`."""
    with (
        whole_file(folder / "leaderboard.csv") as aside,
        aside.open("w", newline="", encoding="utf-8") as file,
    ):
        writer = csv.DictWriter(file, [field.name for field in fields(LeaderboardRow)], lineterminator="\n")
        writer.writeheader()
        for row in rows:
            writer.writerow({name: f"{v:.6g}" if isinstance(v, float) else v for name, v in asdict(row).items()})


def in_words(row: LeaderboardRow) -> Mapping[str, str]:
    """The columns that people read, title to text."""
    return {
        "method": row.method,
        SCORE_NAMES[row.score_name]: f"{100 * row.score:.1f} %",
        "95 % interval": f"{100 * row.score_low:.1f} to {100 * row.score_high:.1f}",
        "training": duration(row.train_seconds),
        "per text": milliseconds(row.ms_per_text),
        "trained numbers": f"{row.trainable_parameters:,}",
        "size": megabytes(row.size_bytes),
        "peak memory": megabytes(row.peak_memory_bytes),
    }


def milliseconds(value: float) -> str:
    """`0.14 ms`, `5.2 ms`, `48 ms`."""
    return f"{value:.2g} ms" if value < 10 else f"{value:,.0f} ms"


def megabytes(value: float) -> str:
    """`4.1 MB`, `812 MB`, `1.6 GB`."""
    if value >= 1e9:
        return f"{value / 1e9:.1f} GB"
    return f"{value / 1e6:.1f} MB" if value < 1e7 else f"{value / 1e6:.0f} MB"
