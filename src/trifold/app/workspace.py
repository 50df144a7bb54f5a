"""Everything that an app has: files, jobs, how far they are, and the run that is tried."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from trifold.app.files import GivenFiles
from trifold.app.guard import read_token
from trifold.app.jobs import Jobs
from trifold.app.progress import JobProgress
from trifold.app.prompts import WrittenPrompts
from trifold.app.record import EVENTS, JobRecord, Kind
from trifold.app.searching import AskedIndex
from trifold.app.settings import AppSettings
from trifold.app.trying import TriedRun
from trifold.errors import DataError, SettingsError
from trifold.file_lock import locked
from trifold.system_errors import fault_of


@dataclass
class Workspace:
    """What the pages of an app ask.

    Attributes:
        settings: Of the app.
        files: That were given.
        jobs: Commands.
        prompts: That were written.
        token: That forms bear.
        tried: The run that texts are tried on.
        asked: The index of documents that is asked.
        stopping: Whether the app is about to end.
    """

    settings: AppSettings
    files: GivenFiles
    jobs: Jobs
    prompts: WrittenPrompts
    token: str
    tried: TriedRun = field(default_factory=TriedRun)
    asked: AskedIndex = field(default_factory=AskedIndex)
    stopping: bool = False
    _progress: dict[str, JobProgress] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def progress(self, number: str) -> JobProgress:
        """How far a job is, by now."""
        with self._lock:
            found = self._progress.setdefault(number, JobProgress(self.jobs.folder(number) / EVENTS))
        return found.update()

    def latest(self, file: str, kind: Kind) -> tuple[str, JobRecord] | None:
        """The newest job of a kind that works on a file."""
        found = [pair for pair in self.jobs.all() if (pair[1].file, pair[1].kind) == (file, kind)]
        return found[0] if found else None

    def comparison(self, number: str) -> JobRecord:
        """A comparison that has a model to use.

        Raises:
            DataError: If the job is none, or has none yet.
        """
        record = self.jobs.get(number)
        if record.kind != "compare" or not (self.best(number) / "run.json").exists():
            raise DataError("this comparison has no model yet: wait until it is done, or start it again")
        return record

    def remove(self, file: str) -> None:
        """Remove a file, and everything that was made of it.

        Raises:
            DataError: If there is none, or a job is at work on it.
        """
        self.files.get(file)
        numbers = [number for number, record in self.jobs.all() if record.file == file]
        self.jobs.remove(numbers)
        self.files.remove(file)
        with self._lock:
            for number in numbers:
                self._progress.pop(number, None)

    def best(self, number: str) -> Path:
        """The run that a comparison says to ship."""
        return self.jobs.results(number) / "best"


@contextmanager
def open_workspace(settings: AppSettings) -> Iterator[Workspace]:
    """The workspace in a folder, which no other app opens meanwhile; its jobs begin, and go on when it is closed.

    Raises:
        SettingsError: If it cannot be written, or another app has it.
    """
    folder = settings.folder.absolute()
    with ExitStack() as opened:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            opened.enter_context(locked(folder / "app", "name another --folder"))
            files, jobs = GivenFiles(folder / "files"), Jobs(folder / "jobs")
            prompts = WrittenPrompts(folder / "prompts")
            workspace = Workspace(settings, files, jobs, prompts, read_token(folder))
        except OSError as error:
            raise SettingsError(f"--folder {settings.folder} cannot be used: {fault_of(error) or error}") from None
        jobs.begin()
        opened.callback(jobs.close)
        yield workspace
