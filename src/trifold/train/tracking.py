"""`--report-to`: a training's figures sent to an experiment tracker as they come, through accelerate.

Nothing is sent unless a tracker is named. As with progress, whoever trains need not know who listens.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from trifold.errors import SettingsError

# Where trackers without a server keep their files.
TRACKERS = Path("runs") / "trackers"

Figures = Mapping[str, float | None]

_LISTENER: ContextVar[Callable[[Figures, int], None] | None] = ContextVar("listener", default=None)


def report(figures: Figures, step: int) -> None:
    """Send figures of a step to the tracker, if one listens; those that are `None` are left out."""
    listener = _LISTENER.get()
    if listener:
        listener({name: value for name, value in figures.items() if value is not None}, step)


@contextmanager
def reporting(tracker: str, run: str, settings: Mapping[str, object], folder: Path = TRACKERS) -> Iterator[None]:
    """Inside, what is reported goes to `tracker`.

    Args:
        tracker: `none`, or the name of one that accelerate knows.
        run: What the run is called there.
        settings: To be shown with it; of those, words and numbers.
        folder: For the files of trackers without a server.

    Raises:
        SettingsError: If accelerate or the tracker's package is missing.
    """
    if tracker == "none":
        yield
        return
    try:
        from accelerate import Accelerator
        from accelerate.tracking import get_available_trackers
    except ImportError:
        raise SettingsError(f"--report-to {tracker} needs accelerate: pip install 'trifold[track]'") from None
    if tracker not in {str(name) for name in get_available_trackers()}:
        raise SettingsError(f"--report-to {tracker} needs its package: pip install {tracker}")
    folder.mkdir(parents=True, exist_ok=True)
    accelerator = Accelerator(cpu=True, log_with=tracker, project_dir=folder)
    plain = {name: value for name, value in settings.items() if isinstance(value, bool | int | float | str)}
    accelerator.init_trackers(run, config=plain)
    token = _LISTENER.set(lambda figures, step: accelerator.log(dict(figures), step=step))
    try:
        yield
    finally:
        _LISTENER.reset(token)
        accelerator.end_training()
