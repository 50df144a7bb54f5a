"""The jobs of an app: one runs, the others wait in the order in which they came. All of it stands on disk."""

import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from trifold.app import processes
from trifold.app.numbers import is_number, new_number
from trifold.app.outcome import outcome
from trifold.app.processes import Process
from trifold.app.record import EVENTS, OUTPUT, RESULTS, JobRecord, read_job
from trifold.errors import ArtifactError, DataError, first_line
from trifold.events import say, with_this_sink
from trifold.system_errors import fault_of

# A comparison that is told to end waits so long for the method that it is at, and then judges what is done.
_TERMINATE_SECONDS, _KILL_SECONDS = 45.0, 60.0
_LOOK_SECONDS = 0.2
# By which a command is heard by a program.
_LISTENED = ("--json", "--events", "json")


class Jobs:
    """The jobs in a folder; whoever has the app's folder has them alone.

    Args:
        folder: One folder a job, made where there is none.
        command: What takes the words of a job.
    """

    def __init__(self, folder: Path, command: Sequence[str] = processes.COMMAND) -> None:
        self._folder, self._command = folder, command
        self._lock = threading.RLock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=with_this_sink(self._watch), daemon=True)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._records: dict[str, JobRecord] = {}
        folder.mkdir(parents=True, exist_ok=True)
        for path in sorted(folder.iterdir()):
            if is_number(path.name):
                self._find_again(path)

    def begin(self) -> None:
        """Start jobs as their turn comes, from a thread of its own."""
        self._thread.start()

    def close(self) -> int:
        """Start nothing more; what runs goes on.

        Returns:
            How many jobs are not done.
        """
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            return sum(not record.is_over for record in self._records.values())

    def add(self, record: JobRecord, result_flag: str | None = None) -> str:
        """Have a job wait for its turn.

        Args:
            record: What it is.
            result_flag: By which its command is told where its results go; `None` where it has none.

        Returns:
            Its number.
        """
        number = new_number()
        self.folder(number).mkdir()
        words = list(record.words)
        if record.result:
            self.results(number).mkdir()
        if result_flag:
            words += [result_flag, str((self.results(number) / record.result).absolute())]
        with self._lock:
            self._put(number, replace(record, words=words))
        return number

    def folder(self, number: str) -> Path:
        """The folder of a job."""
        return self._folder / number

    def results(self, number: str) -> Path:
        """Where a job writes what comes of it."""
        return self._folder / number / RESULTS

    def get(self, number: str) -> JobRecord:
        """A job by its number.

        Raises:
            DataError: If there is none.
        """
        with self._lock:
            if number not in self._records:
                raise DataError("there is no such job: it may have been removed; begin at the first page")
            return self._records[number]

    def all(self) -> list[tuple[str, JobRecord]]:
        """Number and record of every job, the newest first."""
        with self._lock:
            return sorted(self._records.items(), key=lambda pair: -pair[1].created)

    def before(self, number: str) -> int:
        """How many jobs come before one that waits."""
        with self._lock:
            created = self.get(number).created
            return sum(not one.is_over and one.created < created for one in self._records.values())

    def cancel(self, number: str) -> None:
        """Have a job end: one that waits at once, one that runs as Ctrl-C ends a command, with what is done kept."""
        with self._lock:
            record = self.get(number)
            if record.state == "waiting":
                self._put(number, replace(record, state="cancelled", cancelled=time.time(), ended=time.time()))
            elif record.state == "running" and record.cancelled is None:
                self._put(number, replace(record, cancelled=time.time()))
                processes.tell(_process_of(record), signal.SIGINT)

    def resume(self, number: str) -> None:
        """Have a comparison that was stopped go on where it was.

        Raises:
            DataError: If it was not stopped, or is no comparison.
        """
        with self._lock:
            record = self.get(number)
            if record.kind != "compare" or record.state not in ("cancelled", "failed"):
                raise DataError("this job cannot go on: start it anew")
            words = [*record.words, *(["--resume"] if "--resume" not in record.words else [])]
            fresh = replace(record, words=words, state="waiting", created=time.time(), error="")
            self._put(number, replace(fresh, pid=None, began=None, ended=None, cancelled=None))

    def remove(self, numbers: Collection[str]) -> None:
        """Remove jobs and what came of them.

        Raises:
            DataError: If one of them runs; then all of them stay.
        """
        with self._lock:
            if any(self.get(number).state == "running" for number in numbers):
                raise DataError("a job is at work on this: stop it first, then remove it")
            for number in numbers:
                del self._records[number]
                shutil.rmtree(self.folder(number), ignore_errors=True)

    def look(self) -> None:
        """See what has ended, end what was cancelled and does not, and start what is next."""
        with self._lock:
            for number, record in list(self._records.items()):
                if record.state == "running":
                    self._look_at(number, record)
            if not any(record.state == "running" for record in self._records.values()):
                waiting = [pair for pair in self._records.items() if pair[1].state == "waiting"]
                if waiting and not self._ended.is_set():
                    self._start(*min(waiting, key=lambda pair: pair[1].created))

    def _watch(self) -> None:
        said = ""
        while not self._ended.wait(_LOOK_SECONDS):
            trouble = ""
            try:
                self.look()
            except OSError as error:
                trouble = f"note: the state of a job cannot be written: {fault_of(error) or error}"
            except Exception as error:  # noqa: BLE001 - without this thread no job would ever start again
                trouble = f"note: jobs could not be looked at: {type(error).__name__}: {first_line(error)}"
            if trouble and trouble != said:
                say(trouble)
            said = trouble

    def _put(self, number: str, record: JobRecord) -> None:
        record.write(self.folder(number))
        self._records[number] = record

    def _find_again(self, folder: Path) -> None:
        """Take a job from disk; one that was being started as the app was killed is looked for."""
        try:
            record = read_job(folder)
        except ArtifactError as error:
            say(f"note: a job is left out: {error}")
            return
        if record.state == "running" and record.pid is None:
            process = processes.find(str(folder.absolute()))
            began = process or Process(0, 0.0)
            record = replace(record, pid=began.pid, began=began.began)
        self._records[folder.name] = record

    def _start(self, number: str, record: JobRecord) -> None:
        folder = self.folder(number)
        # Written before and after: there is no moment in which a process runs of which nothing is known.
        self._put(number, replace(record, state="running"))
        words = [*record.words, *_LISTENED]
        try:
            process, child = processes.start(
                words, str(folder.absolute()), folder / OUTPUT, folder / EVENTS, self._command
            )
        except OSError as error:
            sentence = f"it could not be started: {fault_of(error) or error}"
            self._put(number, replace(record, state="failed", error=sentence, ended=time.time()))
            return
        self._children[number] = child
        self._put(number, replace(record, state="running", pid=process.pid, began=process.began))

    def _look_at(self, number: str, record: JobRecord) -> None:
        child = self._children.get(number)
        code = child.poll() if child else None
        # Of a child the system keeps the exit code until it is asked for.
        if code is None and (child or processes.runs(_process_of(record))):
            since = time.time() - record.cancelled if record.cancelled else 0.0
            if since > _TERMINATE_SECONDS:
                stop = signal.SIGKILL if since > _KILL_SECONDS else signal.SIGTERM
                processes.tell(_process_of(record), stop)
            return
        self._children.pop(number, None)
        found = outcome(self.folder(number) / OUTPUT, cancelled=record.cancelled is not None, exit_code=code)
        self._put(number, replace(record, state=found.state, error=found.error, ended=time.time()))


def _process_of(record: JobRecord) -> Process:
    return Process(record.pid or 0, record.began or 0.0)
