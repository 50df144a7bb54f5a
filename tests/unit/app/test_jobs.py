"""Jobs are processes: they wait, run, end, are cancelled, and are found again by whoever opens the app later."""

import json
import os
import signal
import sys
import textwrap
import time
from dataclasses import dataclass
from pathlib import Path
from threading import Semaphore

import pytest

from trifold.app.jobs import Jobs
from trifold.app.processes import Process, runs
from trifold.app.progress import JobProgress
from trifold.app.record import EVENTS, JobRecord, State
from trifold.app.views import bars
from trifold.errors import DataError
from trifold.events import Event, Message, sending_to

# A command that does what its first word says, and listens to Ctrl-C as ours do.
SCRIPT = textwrap.dedent("""
    import json, os, signal, sys, time
    what = sys.argv[1]
    print(json.dumps({"event": "message", "text": f"doing {what}", "level": "info"}), file=sys.stderr, flush=True)
    try:
        if what == "stubborn":
            signal.signal(signal.SIGINT, signal.SIG_IGN)
        if what in ("sleep", "stubborn"):
            time.sleep(600)
        if what == "refuse":
            print("trifold: there is no text", file=sys.stderr)
            print(json.dumps({"error": "there is no text", "error_type": "DataError"}))
            sys.exit(2)
        if what == "crash":
            raise ValueError("a fault")
        print(json.dumps({"run": what, "words": sys.argv[1:]}, indent=2))
    except KeyboardInterrupt:
        sys.exit(130)
""")


@pytest.fixture
def command(tmp_path: Path) -> tuple[str, ...]:
    path = tmp_path / "command.py"
    path.write_text(SCRIPT)
    return (sys.executable, "-S", str(path))


class Heard:
    """Keeps what is said."""

    def __init__(self) -> None:
        self.texts: list[str] = []

    def send(self, event: Event) -> None:
        assert isinstance(event, Message)
        self.texts.append(event.text)


def job(*words: str, result: str = "") -> JobRecord:
    return JobRecord(
        kind="compare", words=list(words), file="0" * 12, name="reviews.csv", created=time.time(), result=result
    )


def wait_until(jobs: Jobs, number: str, *states: State) -> JobRecord:
    until = time.monotonic() + 60
    while time.monotonic() < until:
        jobs.look()
        if jobs.get(number).state in states:
            return jobs.get(number)
        time.sleep(0.02)
    raise AssertionError(jobs.get(number))


def end(record: JobRecord) -> None:
    assert record.pid
    os.kill(record.pid, signal.SIGKILL)


def test_a_job_runs_and_its_answer_is_kept(tmp_path: Path, command: tuple[str, ...]) -> None:
    jobs = Jobs(tmp_path / "jobs", command)
    number = jobs.add(job("work", result="out.csv"), "--output")
    assert jobs.get(number).state == "waiting"
    record = wait_until(jobs, number, "finished")
    found = json.loads((jobs.folder(number) / "output.json").read_text())
    place = str(jobs.results(number) / "out.csv")
    assert found["words"] == ["work", "--output", place, "--json", "--events", "json"]
    assert record.ended
    assert [one.text for one in JobProgress(jobs.folder(number) / EVENTS).update().messages] == ["doing work"]


def test_one_runs_and_the_others_wait_their_turn(tmp_path: Path, command: tuple[str, ...]) -> None:
    jobs = Jobs(tmp_path / "jobs", command)
    first, second, third = (jobs.add(job(word)) for word in ("sleep", "work", "work"))
    running = wait_until(jobs, first, "running")
    assert [jobs.get(number).state for number in (second, third)] == ["waiting", "waiting"]
    assert [jobs.before(number) for number in (first, second, third)] == [0, 1, 2]
    end(running)
    wait_until(jobs, third, "finished")
    assert jobs.get(second).ended <= jobs.get(third).ended  # type: ignore[operator]


@pytest.mark.parametrize(
    ("word", "error"), [("refuse", "there is no text"), ("crash", "it failed, and its last messages say why")]
)
def test_why_a_job_failed_is_told(word: str, error: str, tmp_path: Path, command: tuple[str, ...]) -> None:
    jobs = Jobs(tmp_path / "jobs", command)
    number = jobs.add(job(word))
    assert wait_until(jobs, number, "failed").error.startswith(error)
    said = [one.text for one in JobProgress(jobs.folder(number) / EVENTS).update().messages]
    assert "trifold: there is no text" not in said
    assert (word == "crash") == ("ValueError: a fault" in said)


def test_a_job_that_is_killed_has_failed(tmp_path: Path, command: tuple[str, ...]) -> None:
    jobs = Jobs(tmp_path / "jobs", command)
    number = jobs.add(job("sleep"))
    end(wait_until(jobs, number, "running"))
    assert wait_until(jobs, number, "failed").error.startswith("it was killed, most likely for lack of memory")


def test_a_job_that_waits_is_cancelled_at_once_and_never_runs(tmp_path: Path, command: tuple[str, ...]) -> None:
    jobs = Jobs(tmp_path / "jobs", command)
    first, second = jobs.add(job("sleep")), jobs.add(job("work"))
    running = wait_until(jobs, first, "running")
    jobs.cancel(second)
    end(running)
    wait_until(jobs, first, "failed")
    jobs.look()
    assert jobs.get(second).state == "cancelled"
    assert not (jobs.folder(second) / EVENTS).exists()


def test_a_job_that_runs_is_told_to_end_and_can_go_on(tmp_path: Path, command: tuple[str, ...]) -> None:
    jobs = Jobs(tmp_path / "jobs", command)
    number = jobs.add(job("sleep"))
    wait_until_it_says(jobs, number)
    jobs.cancel(number)
    record = wait_until(jobs, number, "cancelled")
    assert record.pid is not None
    assert not runs(Process(record.pid, record.began or 0.0))
    jobs.resume(number)
    assert jobs.get(number).words == ["sleep", "--resume"]
    end(wait_until(jobs, number, "running"))
    wait_until(jobs, number, "failed")


def test_a_job_that_does_not_end_is_ended(
    tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("trifold.app.jobs._TERMINATE_SECONDS", 0.2)
    jobs = Jobs(tmp_path / "jobs", command)
    number = jobs.add(job("stubborn"))
    wait_until_it_says(jobs, number)
    jobs.cancel(number)
    wait_until(jobs, number, "cancelled")


def test_an_app_that_is_opened_again_finds_its_jobs(tmp_path: Path, command: tuple[str, ...]) -> None:
    before = Jobs(tmp_path / "jobs", command)
    done, running, waiting = (before.add(job(word)) for word in ("work", "sleep", "work"))
    wait_until(before, done, "finished")
    process = wait_until(before, running, "running")
    jobs = Jobs(tmp_path / "jobs", command)
    assert [jobs.get(number).state for number in (done, running, waiting)] == ["finished", "running", "waiting"]
    jobs.look()
    assert jobs.get(waiting).state == "waiting"
    jobs.cancel(running)
    before._children[running].wait(30)
    assert wait_until(jobs, running, "cancelled").pid == process.pid
    wait_until(jobs, waiting, "finished")


def test_a_job_that_ended_while_no_app_was_open_is_judged_by_what_it_printed(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    for word, state in (("work", "finished"), ("refuse", "failed"), ("crash", "failed")):
        before = Jobs(tmp_path / word, command)
        number = before.add(job(word))
        wait_until(before, number, "running")
        before._children[number].wait(30)
        record = wait_until(Jobs(tmp_path / word, command), number, "finished", "failed")
        assert record.state == state


def test_a_process_that_was_started_as_the_app_was_killed_is_found(tmp_path: Path, command: tuple[str, ...]) -> None:
    before = Jobs(tmp_path / "jobs", command)
    number = before.add(job("sleep"))
    process = wait_until(before, number, "running")
    # As it stands on disk between the start of a process and the note of its number.
    JobRecord(**{**record_of(process), "pid": None, "began": None}).write(before.folder(number))
    jobs = Jobs(tmp_path / "jobs", command)
    jobs.look()
    assert (jobs.get(number).state, jobs.get(number).pid) == ("running", process.pid)
    end(process)
    before._children[number].wait(30)
    assert wait_until(jobs, number, "failed").error.startswith("it ended without an answer")


def test_another_process_with_the_same_number_is_not_taken_for_the_job(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    before = Jobs(tmp_path / "jobs", command)
    number = before.add(job("work"))
    stale = {**record_of(before.get(number)), "state": "running", "pid": os.getpid(), "began": 1.0}
    JobRecord(**stale).write(before.folder(number))
    jobs = Jobs(tmp_path / "jobs", command)
    jobs.cancel(number)  # this very process would hear it
    assert wait_until(jobs, number, "cancelled", "failed").state == "cancelled"


def test_a_damaged_record_is_left_out_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "0123456789ab"
    folder.mkdir()
    (folder / "job.json").write_text('{"kind": "check"')
    assert Jobs(tmp_path).all() == []
    assert "note: a job is left out: " in capsys.readouterr().err


def test_what_runs_goes_on_when_the_app_is_closed(tmp_path: Path, command: tuple[str, ...]) -> None:
    jobs = Jobs(tmp_path / "jobs", command)
    jobs.begin()
    number = jobs.add(job("sleep"))
    until = time.monotonic() + 30
    while jobs.get(number).state != "running" and time.monotonic() < until:
        time.sleep(0.02)
    assert jobs.close() == 1
    record = jobs.get(number)
    assert runs(Process(record.pid or 0, record.began or 0.0))
    end(record)
    wait_until(jobs, number, "failed")


def test_a_job_that_there_is_not_is_said_to_be_none(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path)
    for number in ("", "..", "0123456789ab"):
        with pytest.raises(DataError, match="there is no such job"):
            jobs.get(number)


def test_lines_that_are_not_whole_wait(tmp_path: Path) -> None:
    path = tmp_path / EVENTS
    progress = JobProgress(path).update()
    path.write_text(
        '{"event": "progress", "work": 1, "task": "encoding", "done": 5, "total": 10, "seconds": 1.0}\n{"eve'
    )
    assert progress.update().works[1].done == 5
    with path.open("a") as file:
        file.write(
            'nt": "losses", "epoch": 1.0, "train": 0.5, "validation": 0.6, "run": "full"}\nwarning of a library\n'
        )
    assert [one.validation for one in progress.update().losses["full"]] == [0.6]
    assert [(one.text, one.level) for one in progress.messages] == [("warning of a library", "warning")]


def record_of(record: JobRecord) -> dict[str, object]:
    return {name: getattr(record, name) for name in JobRecord.__dataclass_fields__}


def wait_until_it_says(jobs: Jobs, number: str) -> None:
    """Wait until its process has come to where it listens."""
    wait_until(jobs, number, "running")
    progress = JobProgress(jobs.folder(number) / EVENTS)
    until = time.monotonic() + 30
    while not progress.update().messages and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.1)


def test_a_fault_while_jobs_are_looked_at_is_told_once_and_the_watch_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, heard = Semaphore(0), Heard()
    with sending_to(heard):
        jobs = Jobs(tmp_path / "jobs")

    def look() -> None:
        looks.release()
        raise ValueError("a fault")

    monkeypatch.setattr(jobs, "look", look)
    jobs.begin()
    assert all(looks.acquire(timeout=30) for _ in range(3))
    jobs.close()
    assert heard.texts == ["note: jobs could not be looked at: ValueError: a fault"]


def test_bars_are_those_of_one_moment_while_another_tab_reads_on(tmp_path: Path) -> None:
    progress = JobProgress(tmp_path / EVENTS)

    @dataclass
    class Arriving:
        """A piece of work beside which another one begins as soon as it is looked at."""

        run: str = ""
        task: str = "scoring"
        done: int = 1
        total: int = 2

        @property
        def seconds_left(self) -> float | None:
            progress.works[len(progress.works)] = Arriving()  # type: ignore[assignment]
            return None

    progress.works |= {0: Arriving(), 1: Arriving()}  # type: ignore[dict-item]
    assert [bar["task"] for bar in bars(progress)] == ["scoring", "scoring"]
