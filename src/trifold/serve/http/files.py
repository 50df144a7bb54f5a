"""Files that are sent to be labelled: taken, followed, fetched and forgotten. No name that a client sends is a path."""

import asyncio
import secrets
import shutil
import tempfile
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any, Literal

from fastapi import APIRouter, Request
from starlette.responses import FileResponse, JSONResponse, Response

from trifold.errors import TrifoldError
from trifold.events import Event as Told
from trifold.events import Message, sending_to
from trifold.inference.settings import AnswerSettings
from trifold.serve.errors import QueueFullError
from trifold.serve.http.scored_file import FileProgress, FileWork, StoppedError, score_file
from trifold.serve.http.service import Service
from trifold.system_errors import fault_of
from trifold.web.bodies import receive
from trifold.web.names import safe_name, written_suffix
from trifold.web.refusals import Refusal
from trifold.web.request_log import tell

FILES_PATH = "/files"
_MOST_FILES = 4
_KEPT_SECONDS = 3_600.0


@dataclass
class Job:
    """A file that was sent.

    Attributes:
        folder: Where it lies.
        name: What the result is called for whoever fetches it.
        begun: When it came, by the clock of `time.monotonic`.
        state: What becomes of it.
        error: Why it failed.
        summary: What was done, in words.
        notes: What was said while it was read.
        progress: How far it is.
        stopped: Once set, its work ends.
    """

    folder: Path
    name: str
    output: Path
    begun: float = field(default_factory=time.monotonic)
    state: Literal["arriving", "running", "done", "failed"] = "arriving"
    error: str | None = None
    summary: str = ""
    notes: list[str] = field(default_factory=list)
    progress: FileProgress = field(default_factory=FileProgress)
    stopped: Event = field(default_factory=Event)

    def send(self, event: Told) -> None:
        """Take what is said while the file is read, for whoever sent it."""
        if isinstance(event, Message) and event.level == "warning":
            self.notes.append(event.text.removeprefix("note: "))

    def described(self) -> dict[str, Any]:
        """For whoever follows it."""
        told = {"state": self.state, "name": self.name, "rows": self.progress.rows, "done": self.progress.done}
        return {**told, "error": self.error, "summary": self.summary, "notes": self.notes}


class Files:
    """The files of a server; those that are done are forgotten after an hour, or when others need the room.

    Args:
        service: The server.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._threads = ThreadPoolExecutor(_MOST_FILES, "file")
        self.jobs: dict[str, Job] = {}

    @cached_property
    def folder(self) -> Path:
        """Where they lie; there is none before the first comes."""
        return Path(tempfile.mkdtemp(prefix="trifold-files-"))

    async def take(self, request: Request, name: str, run_name: str | None, *, excel_safe: bool) -> str:
        """Take a file that a request sends, and have its rows labelled.

        Returns:
            What it is asked for by.

        Raises:
            DataError: If it is no file that is read.
        """
        run, safe = self._service.run(run_name), Path(safe_name(name))
        self._make_room()
        written = written_suffix(safe.name, excel_safe=excel_safe)
        file_id = secrets.token_urlsafe(16)
        folder = self._new_folder(file_id)
        source, output = folder / f"file{safe.suffix}", folder / f"labelled{written}"
        job = self.jobs[file_id] = Job(folder, f"{safe.stem}-labelled{written}", output)
        loop = asyncio.get_running_loop()
        loop.call_later(_KEPT_SECONDS, self._forget_if_old, file_id)
        try:
            await receive(request, source)
        except OSError as error:
            self.forget(file_id)
            raise _no_room(error) from None
        except BaseException:
            self.forget(file_id)
            raise
        answers = AnswerSettings(reject_below=self._service.settings.reject_below)
        work = FileWork(run, source, output, answers, excel_safe)
        job.state = "running"
        loop.run_in_executor(self._threads, self._score, job, work, loop)
        tell(request.scope, run=run.name)
        return file_id

    def _new_folder(self, file_id: str) -> Path:
        """Where a file lies.

        Raises:
            Refusal: If there is no room for it.
        """
        try:
            if not self.folder.is_dir():
                # Systems remove temporary files that were not used for days.
                del self.folder
            folder = self.folder / file_id
            folder.mkdir()
        except OSError as error:
            raise _no_room(error) from None
        return folder

    def _forget_if_old(self, file_id: str) -> None:
        job = self.jobs.get(file_id)
        if job is None:
            return
        if job.state in ("done", "failed"):
            self.forget(file_id)
        else:
            asyncio.get_running_loop().call_later(_KEPT_SECONDS, self._forget_if_old, file_id)

    def job(self, file_id: str) -> Job:
        """A file that was sent.

        Raises:
            Refusal: If there is none.
        """
        if file_id not in self.jobs:
            raise Refusal(404, "there is no such file: it may have been forgotten by now, send it again")
        return self.jobs[file_id]

    def forget(self, file_id: str) -> None:
        """Remove a file, and end the work on it."""
        job = self.jobs.pop(file_id)
        job.stopped.set()
        # A thread that still works on it removes it.
        if job.state != "running":
            shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """Forget all of them."""
        for job in self.jobs.values():
            job.stopped.set()
        self._threads.shutdown(wait=True, cancel_futures=True)
        if "folder" in vars(self):
            shutil.rmtree(self.folder, ignore_errors=True)

    def _make_room(self) -> None:
        now = time.monotonic()
        ended = [file_id for file_id, job in self.jobs.items() if job.state in ("done", "failed")]
        for file_id in ended:
            if now - self.jobs[file_id].begun > _KEPT_SECONDS or len(self.jobs) >= _MOST_FILES:
                self.forget(file_id)
        if len(self.jobs) >= _MOST_FILES:
            raise QueueFullError(f"{_MOST_FILES} files are being labelled already: send yours a little later", 30.0)

    def _score(self, job: Job, work: FileWork, loop: asyncio.AbstractEventLoop) -> None:
        try:
            with sending_to(job):
                counts = score_file(work, self._service.server, loop, job.progress, job.stopped)
            job.summary, job.state = counts.in_words(), "done"
        except StoppedError:
            job.error, job.state = "stopped", "failed"
        except TrifoldError as error:
            job.error, job.state = _own_words(str(error), work.source), "failed"
        except Exception as error:  # noqa: BLE001 - whatever happens to a file, whoever sent it is told
            job.error, job.state = fault_of(error) or "the server failed on this file; its log says why", "failed"
            self._service.report(traceback.format_exc())
        work.source.unlink(missing_ok=True)
        if job.stopped.is_set():
            shutil.rmtree(job.folder, ignore_errors=True)


def file_routes(files: Files) -> APIRouter:
    """`POST /files`, and what becomes of one."""
    router = APIRouter(prefix=FILES_PATH, tags=["files"])

    body = {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }

    @router.post(
        "",
        response_model=None,
        status_code=202,
        openapi_extra={"requestBody": body},
        summary="Send a file, as the body, whose rows are to be labelled",
    )
    async def send(request: Request, name: str, run: str | None = None, excel_safe: bool = False) -> JSONResponse:
        return JSONResponse({"id": await files.take(request, name, run, excel_safe=excel_safe)}, 202)

    @router.get("/{file_id}", response_model=None, summary="How far a file is")
    async def follow(file_id: str) -> JSONResponse:
        return JSONResponse(files.job(file_id).described())

    @router.get(
        "/{file_id}/result", response_model=None, response_class=FileResponse, summary="The file with its labels"
    )
    async def result(file_id: str) -> FileResponse:
        job = files.job(file_id)
        if job.state != "done":
            raise Refusal(404, f"there is no result: the file is {job.state}")
        if not job.output.is_file():
            raise Refusal(404, "the result is gone from this machine: send the file again")
        return FileResponse(job.output, filename=job.name)

    @router.delete("/{file_id}", response_model=None, status_code=204, summary="Stop the work on a file, and forget it")
    async def forget(file_id: str) -> Response:
        files.job(file_id)
        files.forget(file_id)
        return Response(status_code=204)

    return router


def _no_room(error: OSError) -> Refusal:
    return Refusal(507, f"the server cannot keep the file: {error.strerror or error}")


def _own_words(sentence: str, source: Path) -> str:
    """A sentence without the path that the file has here."""
    return sentence.replace(str(source), "the file")
