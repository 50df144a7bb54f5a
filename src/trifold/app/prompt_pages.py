"""The pages on prompts: they are written, tried on the rows of a file, and compared two by two."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, RedirectResponse, Response

from trifold.app import commands, views
from trifold.app.pages import Pages, to
from trifold.app.prompts import STARTER
from trifold.errors import DataError, PromptError
from trifold.llm.settings import LlmSettings

_MOST_ROWS = 100_000
_SHOWN_ROWS = 50
_USUAL_MODEL = "gemma-270m"
_ANSWER = "answer"


def prompt_routes(pages: Pages) -> APIRouter:
    """`/prompts/…`."""
    router, workspace = APIRouter(prefix="/prompts"), pages.workspace

    @router.get("")
    async def prompts() -> HTMLResponse:
        return _list_page(pages, "", STARTER)

    @router.post("")
    async def write(request: Request) -> Response:
        form = await pages.form(request)
        name, text = form.get("name", ""), form.get("prompt", "")
        try:
            return to(f"/prompts/{workspace.prompts.add(name, text)}")
        except PromptError as error:
            return _list_page(pages, name, text, str(error))

    @router.get("/compare")
    async def compare(first: str, second: str) -> HTMLResponse:
        return await run_in_threadpool(_compare_page, pages, first, second)

    @router.get("/{number}")
    async def prompt(number: str) -> HTMLResponse:
        return _prompt_page(pages, number)

    @router.post("/{number}/try")
    async def attempt(request: Request, number: str) -> RedirectResponse:
        form, path = await pages.form(request), workspace.prompts.path(number)
        rows = form.get("rows", "").strip()
        if not rows.isdecimal() or not 0 < int(rows) <= _MOST_ROWS:
            raise DataError(f"the number of rows is none from 1 to {_MOST_ROWS:,}: go back and give one, such as 10")
        llm = LlmSettings(llm=form.get("llm", "").strip() or _USUAL_MODEL, max_calls=int(rows))
        file = form.get("file", "")
        job = commands.prompt_job(file, workspace.files.path(file), path, number, llm)
        return to(f"/jobs/{workspace.jobs.add(job, commands.RESULT_FLAGS[job.kind])}")

    @router.post("/{number}/remove")
    async def remove(request: Request, number: str) -> RedirectResponse:
        await pages.form(request)
        workspace.prompts.remove(number)
        return to("/prompts")

    return router


def _list_page(pages: Pages, name: str, text: str, problem: str = "") -> HTMLResponse:
    return pages.page(
        "prompts.html",
        "Prompts for language models",
        status=422 if problem else 200,
        prompts=pages.workspace.prompts.all(),
        name=name,
        text=text,
        problem=problem,
    )


def _prompt_page(pages: Pages, number: str) -> HTMLResponse:
    workspace = pages.workspace
    record, path = workspace.prompts.get(number), workspace.prompts.path(number)
    jobs = [pair for pair in workspace.jobs.all() if pair[1].kind == "prompt"]
    asked = [word for _, job in jobs[:1] for word in commands.language_model(job)]
    return pages.page(
        "prompt.html",
        record.name,
        number=number,
        record=record,
        text=path.read_text(encoding="utf-8"),
        others=[pair for pair in workspace.prompts.all() if pair[0] != number],
        files=workspace.files.all(),
        jobs=[pair for pair in jobs if pair[1].based_on == number],
        llm=asked[0] if asked else _USUAL_MODEL,
        command=commands.typed(["prompt", "show", str(path), "--var", "text=…"]),
    )


def _compare_page(pages: Pages, first: str, second: str) -> HTMLResponse:
    workspace = pages.workspace
    answers: dict[str, dict[str, str]] = {first: {}, second: {}}
    for job, record in workspace.jobs.all():
        # The newest answers to each file.
        if record.kind == "prompt" and record.state == "finished" and record.based_on in answers:
            answers[record.based_on].setdefault(record.file, job)
    shared = [file for file in answers[first] if file in answers[second]]
    rows = []
    if shared:
        both = [workspace.jobs.results(answers[one][shared[0]]) for one in (first, second)]
        tables = [
            views.first_rows(folder / workspace.jobs.get(folder.parent.name).result, _SHOWN_ROWS) for folder in both
        ]
        # A trial on fewer rows leaves the others without an answer.
        rows = [pair for pair in zip(*tables, strict=False) if all(one.get(_ANSWER) for one in pair)]
    return pages.page(
        "prompts_compared.html",
        "Two prompts compared",
        names=[workspace.prompts.get(one).name for one in (first, second)],
        numbers=(first, second),
        differences=workspace.prompts.differences(first, second),
        rows=rows,
        command=commands.typed(["prompt", "diff", *(str(workspace.prompts.path(one)) for one in (first, second))]),
    )
