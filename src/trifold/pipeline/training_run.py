"""What every command that trains one model does around its training: its folder, its saved state, its run record."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from trifold.artifact.manifest import STATE
from trifold.artifact.run_folder import new_folder
from trifold.artifact.run_record import ModelRecord, write_run_record
from trifold.errors import ArtifactError
from trifold.events import say_detail
from trifold.formatting import duration
from trifold.train.checkpoint import Checkpointer, checkpointing
from trifold.train.settings import CheckpointSettings
from trifold.train.tracking import reporting


@dataclass(frozen=True)
class Start:
    """When a command began."""

    date: datetime = field(default_factory=lambda: datetime.now(UTC))
    clock: float = field(default_factory=time.monotonic)

    def say_done(self, step: str) -> None:
        """Say, to who wants to know more, how long after the start a step was done."""
        say_detail(f"{step} after {duration(time.monotonic() - self.clock)}")


@dataclass(frozen=True)
class TrainingRun:
    """A run folder that is being written.

    Attributes:
        folder: To write into; it becomes the run folder only if nothing fails.
        checkpointer: Of the training.
        asked: What decides on the run.
        start: Of the command.
    """

    folder: Path
    checkpointer: Checkpointer
    asked: Mapping[str, Any]
    start: Start

    def write_record(self, record: ModelRecord) -> None:
        """Write `run.json`, with what was asked for and the times of the whole command."""
        started = self.start.date.isoformat(timespec="seconds")
        seconds = round(time.monotonic() - self.start.clock, 3)
        write_run_record(self.folder, record.but(asked=dict(self.asked), started=started, seconds=seconds))


def require_same(method: str, what: str, trained: np.ndarray, saved: np.ndarray, allowed: float) -> None:
    """Refuse a model that was saved and says something else than the one that was trained.

    Args:
        method: Its name.
        what: Was compared, such as logits.
        trained: Of some texts, by the model that was trained.
        saved: Of the same texts, by the one that was saved.
        allowed: The largest difference.

    Raises:
        ArtifactError: If they differ by more, or one is no number.
    """
    difference = float(np.abs(trained - saved).max())
    if not difference <= allowed:
        raise ArtifactError(
            f"the saved {method} model gives other {what} than the trained one (by {difference:.2g}): "
            "nothing was kept; please report this with the command"
        )


@contextmanager
def training_run(
    target: Path,
    start: Start,
    keep: CheckpointSettings,
    asked: Mapping[str, Any],
    report_to: str,
    named: Mapping[str, object],
) -> Iterator[TrainingRun]:
    """Inside, a model is trained: its folder is written aside, its state is kept, its figures go to a tracker.

    Args:
        target: The run folder.
        start: Of the command.
        keep: When the state of the training is saved.
        asked: What decides on the run.
        report_to: The tracker, or `none`.
        named: The settings, for the tracker.

    Raises:
        SettingsError: If the folder cannot be written, or is in use.
        TrainingError: If it holds a state of another training than is asked for.
    """
    with (
        new_folder(target) as folder,
        checkpointing(target / STATE, keep.save_steps, keep.save_minutes, asked) as checkpointer,
        reporting(report_to, "-".join(target.absolute().parts[-2:]), named),
    ):
        yield TrainingRun(folder, checkpointer, asked, start)
