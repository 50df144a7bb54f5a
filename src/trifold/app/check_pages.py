"""The page of a file: what was found in it, and how it is read otherwise."""

from itertools import pairwise

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse

from trifold.app import commands, views
from trifold.app.live import job_page
from trifold.app.pages import Pages, to
from trifold.app.record import JobRecord
from trifold.data.settings import DataSettings
from trifold.errors import DataError


def check_routes(pages: Pages) -> APIRouter:
    """`/files/…`, and what its forms start."""
    router, workspace = APIRouter(), pages.workspace

    @router.get("/files/{number}")
    async def check(number: str) -> HTMLResponse:
        workspace.files.get(number)
        found = workspace.latest(number, "check")
        if found is None:
            raise DataError("this file was never checked: give it again")
        return await run_in_threadpool(_check_page, pages, *found)

    @router.post("/files/{number}/check")
    async def check_again(request: Request, number: str) -> RedirectResponse:
        form, path = await pages.form(request), workspace.files.path(number)
        reading = DataSettings(
            text_column=form.get("text_column") or None,
            label_column=form.get("label_column") or None,
            merge_labels="merge_labels" in form,
            label_separator="" if "whole_labels" in form else None,
        )
        workspace.jobs.add(commands.check_job(number, path, reading))
        return to(f"/files/{number}")

    @router.post("/files/{number}/forecast")
    async def forecast(request: Request, number: str) -> RedirectResponse:
        await pages.form(request)
        path, found = workspace.files.path(number), workspace.latest(number, "check")
        if found is None or found[1].state != "finished":
            raise DataError("the file is not checked yet: wait for that, or give it again")
        workspace.jobs.add(commands.forecast_job(number, path, commands.reading_flags(found[1])))
        return to(f"/files/{number}/methods")

    return router


def _check_page(pages: Pages, job: str, record: JobRecord) -> HTMLResponse:
    workspace, path = pages.workspace, pages.workspace.files.path(record.file)
    found = views.answer_of(workspace, job) if record.state == "finished" else None
    flags = commands.reading_flags(record)
    trouble = views.trouble_lines(found) if found else {}
    return job_page(
        pages,
        "check.html",
        f"Is {record.name} fit to learn from?",
        "Check",
        job,
        record,
        found=found,
        warnings=[views.own_words(record, one) for one in found["warnings"]] if found else [],
        examples=[views.shown_example(*row) for row in found["first_rows"]] if found else [],
        trouble=views.rows_at(path, trouble) if trouble else [],
        trouble_count=len(trouble),
        columns=views.columns_of(path) if record.is_over else (),
        merged="--merge-labels" in flags,
        whole="--label-separator" in flags,
        chosen=_chosen_columns(found, flags),
    )


def _chosen_columns(found: dict[str, str] | None, flags: list[str]) -> tuple[str, str]:
    """The columns of texts and labels: those that were found, or else those that were asked for."""
    if found:
        return found["text_column"], found["label_column"]
    asked = dict(pairwise(flags))
    return asked.get("--text-column", ""), asked.get("--label-column", "")
