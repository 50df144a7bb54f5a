"""The page on which methods are chosen, with what each will take."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, RedirectResponse

from trifold.app import commands, views
from trifold.app.live import job_page
from trifold.app.pages import Pages, to
from trifold.app.record import JobRecord
from trifold.errors import DataError, SettingsError
from trifold.evaluate.settings import CompareSettings
from trifold.methods.catalogue import METHODS


def method_routes(pages: Pages) -> APIRouter:
    """`/files/…/methods`, and what its form starts."""
    router, workspace = APIRouter(), pages.workspace

    @router.get("/files/{number}/methods")
    async def methods(number: str) -> HTMLResponse:
        workspace.files.get(number)
        found = workspace.latest(number, "forecast")
        if found is None:
            raise DataError("nothing is forecast for this file yet: check it first")
        return _methods_page(pages, *found)

    @router.post("/files/{number}/compare")
    async def compare(request: Request, number: str) -> RedirectResponse:
        form, path = await pages.form(request), workspace.files.path(number)
        found = workspace.latest(number, "forecast")
        if found is None:
            raise DataError("nothing is forecast for this file yet: check it first")
        settings = _settings_of(form)
        job = commands.compare_job(number, path, commands.reading_flags(found[1]), settings)
        return to(f"/jobs/{workspace.jobs.add(job, commands.RESULT_FLAGS['compare'])}")

    return router


def _methods_page(pages: Pages, job: str, record: JobRecord) -> HTMLResponse:
    found = views.answer_of(pages.workspace, job) if record.state == "finished" else None
    return job_page(
        pages,
        "methods.html",
        "Which methods are to be tried?",
        "Methods",
        job,
        record,
        found=found,
        total=sum(found["seconds"].values()) if found else 0.0,
        file=record.file,
    )


def _settings_of(form: dict[str, str]) -> CompareSettings:
    """What the form of the methods asks for.

    Raises:
        SettingsError: If it names no method, or its minutes are no number.
    """
    chosen = [name for name in METHODS if f"method-{name}" in form]
    if not chosen:
        raise SettingsError("no method is chosen: go back and tick one or more")
    minutes = form.get("time_limit", "").strip()
    try:
        limit = float(minutes) if minutes else None
    except ValueError:
        raise SettingsError("the minutes are no number: go back and give one, such as 10, or none") from None
    if limit is not None and not 0 < limit < 100_000:
        raise SettingsError("the minutes are no number above 0: go back and give one, such as 10, or none")
    if limit is not None and limit.is_integer():
        limit = int(limit)  # as one would type it
    return CompareSettings(methods=None if len(chosen) == len(METHODS) else ",".join(chosen), time_limit=limit)
