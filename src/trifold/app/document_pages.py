"""The pages on files of texts without labels: they are searched, summarized, and compared with each other."""

from pathlib import Path

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from trifold.app import commands, views
from trifold.app.pages import Pages, to
from trifold.app.searching import FoundDocuments, marked
from trifold.errors import DataError, TrifoldError


def document_routes(pages: Pages) -> APIRouter:
    """`/documents`, the search in an index, and a job once more with another column."""
    router, workspace = APIRouter(), pages.workspace

    @router.get("/documents")
    async def documents() -> HTMLResponse:
        jobs = [pair for pair in workspace.jobs.all() if pair[1].kind in commands.DOCUMENTS]
        return pages.page(
            "documents.html",
            "Search, summarize and compare texts",
            jobs=jobs,
            most=workspace.settings.max_file_megabytes,
        )

    @router.get("/jobs/{number}/search")
    async def search(number: str, q: str = "") -> HTMLResponse:
        return await run_in_threadpool(_search_page, pages, number, q)

    @router.post("/jobs/{number}/again")
    async def again(request: Request, number: str) -> RedirectResponse:
        form, record = await pages.form(request), workspace.jobs.get(number)
        column = form.get("text_column", "")
        if not column or not record.is_over:
            raise DataError("no column is chosen: go back and choose the column of the texts")
        job = commands.again(record, workspace.files.path(record.file), column)
        return to(f"/jobs/{workspace.jobs.add(job, commands.RESULT_FLAGS.get(record.kind))}")

    return router


def _search_page(pages: Pages, number: str, query: str) -> HTMLResponse:
    workspace = pages.workspace
    record, folder = workspace.jobs.get(number), workspace.jobs.results(number)
    if record.kind != "index" or record.state != "finished":
        raise DataError("there is no index here yet: wait until it is made, or make it again")
    found, problem = FoundDocuments([], ""), ""
    try:
        found = workspace.asked.find(folder, query) if query else found
    except TrifoldError as error:
        problem = views.own_words(record, str(error))
    return pages.page(
        "search.html",
        f"Search in {record.name}",
        status=422 if problem else 200,
        job=number,
        record=record,
        query=query,
        found=[(one, marked(one.snippet)) for one in found.answers],
        note=found.note,
        problem=problem,
        command=commands.typed(["search", "query", str(Path(folder)), query or "what you look for"]),
    )
