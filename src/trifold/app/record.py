"""What is written down of a job, so that whoever opens the app again finds it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from trifold.atomic import write_json
from trifold.schema import Amount, JsonRecord, read_value

JOB, OUTPUT, EVENTS, RESULTS = "job.json", "output.json", "events.jsonl", "results"
State = Literal["waiting", "running", "finished", "failed", "cancelled"]
Kind = Literal["check", "forecast", "compare", "label", "index", "summarize", "similar", "prompt"]


@dataclass(frozen=True, kw_only=True)
class JobRecord(JsonRecord):
    """A command, and what became of it.

    Attributes:
        kind: What it is for.
        words: Arguments of `trifold`, without those by which a program listens.
        file: Number of the file that it works on.
        name: What that file is called.
        created: When it was asked for, in seconds since 1970.
        state: Where it is; one that was cancelled may have results.
        based_on: Number of the job whose results it uses.
        result: Name of the file that it writes.
        pid: Number of its process.
        began: When that began.
        ended: When it was seen to have ended.
        cancelled: When that was asked for.
        error: Why it failed, in a sentence.
    """

    kind: Kind
    words: list[str]
    file: str
    name: str
    created: Amount
    state: State = "waiting"
    based_on: str = ""
    result: str = ""
    pid: int | None = None
    began: Amount | None = None
    ended: Amount | None = None
    cancelled: Amount | None = None
    error: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will come of it."""
        return self.state in ("finished", "failed", "cancelled")

    def write(self, folder: Path) -> None:
        """Write it into the job's folder, whole or not at all."""
        write_json(folder / JOB, self.as_json())


def read_job(folder: Path) -> JobRecord:
    """The record of a job.

    Raises:
        ArtifactError: If it is missing or damaged.
    """
    found: JobRecord = read_value(folder / JOB, JobRecord)
    return found
