"""The pages on jobs: how far one is, and what came of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response, StreamingResponse

from trifold.app import views
from trifold.app.live import job_page, live_parts
from trifold.app.pages import Pages, to
from trifold.app.record import JobRecord
from trifold.app.workspace import Workspace
from trifold.errors import DataError
from trifold.web.refusals import Refusal

_LOOK_SECONDS = 0.4
# After so long without news a line is sent, by which it is found out that a reader is gone.
_QUIET_LOOKS = 25
# Name of what may be fetched of a comparison to where it lies in its results.
_OF_COMPARISONS = {
    "report.html": "report.html",
    "leaderboard.csv": "leaderboard.csv",
    "predictions.csv": "best/predictions.csv",
    "errors.csv": "best/errors.csv",
}
_TITLES = {
    "label": "Labels for",
    "index": "An index of",
    "summarize": "Summaries of",
    "similar": "Most similar rows of",
    "prompt": "Answers to",
}
# Styles, pictures and the one script of the report stand in it; its own policy names that script by its hash. It loads
# nothing, and is kept apart from the app's pages as another site's would be.
_REPORT_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'unsafe-inline'; "
    "frame-ancestors 'self'; sandbox allow-scripts"
)


def job_routes(pages: Pages) -> APIRouter:
    """`/jobs/…`, but for what is done with a model."""
    router, workspace = APIRouter(prefix="/jobs"), pages.workspace

    @router.get("/{number}")
    async def job(number: str) -> Response:
        record = workspace.jobs.get(number)
        if record.kind == "check":
            return to(f"/files/{record.file}")
        if record.kind == "forecast":
            return to(f"/files/{record.file}/methods")
        show = _comparison_page if record.kind == "compare" else _result_page
        return await run_in_threadpool(show, pages, number, record)

    @router.get("/{number}/events")
    async def events(number: str) -> StreamingResponse:
        workspace.jobs.get(number)
        return StreamingResponse(_events(pages, number), media_type="text/event-stream")

    @router.post("/{number}/cancel")
    async def cancel(request: Request, number: str) -> RedirectResponse:
        await pages.form(request)
        await run_in_threadpool(workspace.jobs.cancel, number)
        return to(f"/jobs/{number}")

    @router.post("/{number}/resume")
    async def resume(request: Request, number: str) -> RedirectResponse:
        await pages.form(request)
        await run_in_threadpool(workspace.jobs.resume, number)
        return to(f"/jobs/{number}")

    @router.get("/{number}/results/{name}")
    async def result(number: str, name: str) -> FileResponse:
        return _result(workspace, number, name)

    return router


async def _events(pages: Pages, number: str) -> AsyncIterator[str]:
    """What changes on the page of a job, as it does; each part by its name."""
    workspace, quiet = pages.workspace, 0
    sent: dict[str, str] = {}
    while not workspace.stopping:
        try:
            over = workspace.jobs.get(number).is_over
            parts = await run_in_threadpool(live_parts, pages, number)
        except DataError:
            # Removed, from another tab: the page that is loaded anew says so.
            over, parts = True, {}
        changed = {name: html for name, html in parts.items() if sent.get(name) != html}
        sent = parts
        if changed:
            yield f"data: {json.dumps(changed)}\n\n"
        elif quiet >= _QUIET_LOOKS:
            yield ": still there\n\n"
        if over:
            yield "event: over\ndata: {}\n\n"
            return
        quiet = 0 if changed or quiet >= _QUIET_LOOKS else quiet + 1
        await asyncio.sleep(_LOOK_SECONDS)


def _comparison_page(pages: Pages, number: str, record: JobRecord) -> HTMLResponse:
    return job_page(
        pages,
        "comparison.html",
        f"Which method for {record.name}?",
        "Compare",
        number,
        record,
        comparing=views.comparing(pages.workspace, number),
    )


def _result_page(pages: Pages, number: str, record: JobRecord) -> HTMLResponse:
    finished = record.state == "finished"
    path = pages.workspace.jobs.results(number) / record.result
    messages = [one.text for one in pages.workspace.progress(number).messages if one.level == "info"]
    return job_page(
        pages,
        "result.html",
        f"{_TITLES[record.kind]} {record.name}",
        "Use" if record.kind == "label" else "",
        number,
        record,
        finished=finished,
        counts=messages[-1].partition(", written to ")[0] if finished and messages else "",
        rows=views.first_rows(path) if finished and record.result else [],
        columns=views.columns_of(pages.workspace.files.path(record.file)) if record.state == "failed" else (),
    )


def _result(workspace: Workspace, number: str, name: str) -> FileResponse:
    """A file that may be fetched: one of a fixed list of names, never a path that a client sends.

    Raises:
        Refusal: If there is none.
    """
    record, folder = workspace.jobs.get(number), workspace.jobs.results(number)
    stem = Path(record.name).stem
    if record.result and record.state == "finished" and name == record.result:
        return FileResponse(folder / record.result, filename=f"{stem}-{record.result}")
    place = folder / _OF_COMPARISONS.get(name, "") if record.kind == "compare" and name in _OF_COMPARISONS else None
    if place is None or not place.is_file():
        raise Refusal(404, "there is no such result: it may not be made yet")
    if name == "report.html":
        return FileResponse(place, headers={"Content-Security-Policy": _REPORT_POLICY})
    return FileResponse(place, filename=f"{stem}-{name}")
