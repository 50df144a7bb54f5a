"""What an earlier comparison left in a folder: runs to keep, if they are of the same data and settings."""

from collections.abc import Collection
from pathlib import Path

from trifold.artifact.manifest import STATE
from trifold.artifact.run_record import RUN
from trifold.errors import SettingsError
from trifold.pipeline.contest import Contest, Run
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


def finished_earlier(folder: Path, contest: Contest[Run]) -> dict[str, Run]:
    """What an earlier comparison in this folder found, of the methods that it finished.

    Raises:
        SettingsError: If it had other data or settings; nothing is changed then.
        TrainingError: If it left a half-trained method with other data or settings.
        ArtifactError: If a run is damaged.
    """
    found = {}
    for name, one in contest.contestants.items():
        run = folder / name
        asked = asked_for(one.request, one.method, contest.task.hashes)
        if (run / RUN).is_file():
            require_same(run, asked)
            found[name] = contest.read(run, name)
        else:
            Checkpointer(run / STATE, None, 1.0, asked).require_same()
    return found
