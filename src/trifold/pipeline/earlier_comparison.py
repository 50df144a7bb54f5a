"""What an earlier comparison left in a folder: runs to keep, if they are of the same data and settings."""

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from trifold.artifact.manifest import STATE
from trifold.artifact.run_record import RUN
from trifold.errors import ArtifactError, SettingsError
from trifold.evaluate.results import RunResult, read_result
from trifold.pipeline.contestants import Contestant
from trifold.pipeline.request import Task
from trifold.pipeline.resume import asked_for, require_same
from trifold.train.checkpoint import Checkpointer


def require_comparison(folder: Path, contestants: Collection[str]) -> None:
    """Refuse to go on in a folder that holds something, and nothing of a comparison: it would be written over.

    Raises:
        SettingsError: If it is such a one.
    """
    there = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
    if there and not there & {"leaderboard.csv", *contestants}:
        raise SettingsError(f"{folder} holds no comparison to go on with: name its --output-dir, or leave out --resume")


def finished_earlier(folder: Path, contestants: Mapping[str, Contestant], task: Task) -> dict[str, RunResult]:
    """What an earlier comparison in this folder found, of the methods that it finished.

    Raises:
        SettingsError: If it had other data or settings; nothing is changed then.
        TrainingError: If it left a half-trained method with other data or settings.
        ArtifactError: If a run is damaged.
    """
    found = {}
    for name, one in contestants.items():
        run = folder / name
        asked = asked_for(one.request, one.method, task.hashes)
        if (run / RUN).is_file():
            require_same(run, asked)
            found[name] = read_own(run, name, task)
        else:
            Checkpointer(run / STATE, None, 1.0, asked).require_same()
    return found


def read_own(folder: Path, name: str, task: Task) -> RunResult:
    """A run of this comparison.

    Raises:
        ArtifactError: If it is damaged, or answers other rows than this comparison's test rows.
    """
    result, test = read_result(folder, name), task.split.test
    same = result.labels.names == task.labels.names and result.rows.tolist() == list(test.rows)
    if not (same and np.array_equal(result.truth, task.labels.encode(test.labels))):
        raise ArtifactError(
            f"{folder} holds answers to other test rows than this comparison's: remove that folder and run again"
        )
    return result
