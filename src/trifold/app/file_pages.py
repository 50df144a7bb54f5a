"""The first page, and files as they are given."""

from typing import cast

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, JSONResponse, Response

from trifold.app import commands
from trifold.app.guard import require_token
from trifold.app.pages import Pages, to
from trifold.app.record import Kind
from trifold.data.settings import DataSettings
from trifold.web.bodies import receive

FILES_PATH = "/files"


def file_routes(pages: Pages) -> APIRouter:
    """`/`, and `POST /files`."""
    router, workspace = APIRouter(), pages.workspace

    @router.get("/")
    async def home() -> HTMLResponse:
        files = [(number, one, _next_page(pages, number)) for number, one in workspace.files.all() if not one.labels]
        return pages.page(
            "home.html",
            "From a file of texts to a model that labels them",
            "File",
            files=files,
            jobs=workspace.jobs.all()[:50],
            most=workspace.settings.max_file_megabytes,
        )

    @router.post(FILES_PATH)
    async def give(
        request: Request, name: str, label_by: str = "", excel_safe: bool = False, use: str = "check"
    ) -> Response:
        require_token(request.headers.get("x-token", ""), workspace.token)
        if label_by:
            # Refused before the file is sent, not behind it.
            workspace.comparison(label_by)
        with workspace.files.arriving(name, labels=bool(label_by) or use != "check") as (number, path):
            job = commands.check_job(number, path, DataSettings())
            if label_by:
                run = workspace.best(label_by)
                job = commands.label_job(number, path, run, label_by, excel_safe=excel_safe)
            elif use != "check":
                job = commands.document_job(cast("Kind", use), number, path)
            await receive(request, path)
        added = workspace.jobs.add(job, commands.RESULT_FLAGS.get(job.kind))
        return JSONResponse({"next": f"/files/{number}" if job.kind == "check" else f"/jobs/{added}"}, 201)

    @router.post(FILES_PATH + "/{number}/remove")
    async def remove(request: Request, number: str) -> Response:
        await pages.form(request)
        await run_in_threadpool(workspace.remove, number)
        return to("/")

    return router


def _next_page(pages: Pages, number: str) -> tuple[str, str]:
    """Where one goes on with a file, and in which words."""
    workspace = pages.workspace
    compared, forecast = workspace.latest(number, "compare"), workspace.latest(number, "forecast")
    if compared:
        return f"/jobs/{compared[0]}", "see the comparison"
    if forecast:
        return f"/files/{number}/methods", "choose methods"
    return f"/files/{number}", "see the check"
