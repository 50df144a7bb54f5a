"""The first page, and files as they are given."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from trifold.app import commands
from trifold.app.guard import require_token
from trifold.app.pages import Pages
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
    async def give(request: Request, name: str, label_by: str = "", excel_safe: bool = False) -> Response:
        require_token(request.headers.get("x-token", ""), workspace.token)
        if label_by:
            # Refused before the file is sent, not behind it.
            workspace.comparison(label_by)
        with workspace.files.arriving(name, labels=bool(label_by)) as (number, path):
            await receive(request, path)
            job = (
                commands.label_job(number, path, workspace.best(label_by), label_by, excel_safe=excel_safe)
                if label_by
                else commands.check_job(number, path, DataSettings())
            )
        added = workspace.jobs.add(job, "--output" if label_by else None)
        return JSONResponse({"next": f"/jobs/{added}" if label_by else f"/files/{number}"}, 201)

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
