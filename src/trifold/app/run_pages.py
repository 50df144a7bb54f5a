"""The pages on the model that a comparison found: texts are tried, mistakes looked at, files labelled."""

from fastapi import APIRouter, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse

from trifold.app import commands, views
from trifold.app.pages import Pages
from trifold.app.workspace import Workspace
from trifold.errors import TrifoldError


def run_routes(pages: Pages) -> APIRouter:
    """What is done with a comparison's model."""
    router, workspace = APIRouter(prefix="/jobs"), pages.workspace

    @router.get("/{number}/try")
    async def try_form(number: str) -> HTMLResponse:
        return await run_in_threadpool(_try_page, pages, number, None)

    @router.post("/{number}/try")
    async def attempt(request: Request, number: str) -> HTMLResponse:
        return await run_in_threadpool(_try_page, pages, number, await pages.form(request))

    @router.get("/{number}/mistakes")
    async def mistakes(number: str, label: str = "", prediction: str = "", words: str = "") -> HTMLResponse:
        return await run_in_threadpool(_mistakes_page, pages, number, label, prediction, words)

    @router.get("/{number}/label")
    async def label(number: str) -> HTMLResponse:
        record = workspace.comparison(number)
        earlier = [pair for pair in workspace.jobs.all() if pair[1].based_on == number]
        return pages.page(
            "label.html",
            "Label a file with the model",
            "Use",
            job=number,
            record=record,
            earlier=earlier,
            most=workspace.settings.max_file_megabytes,
            command=_typed(workspace, number, "FILE.csv", "--output", "labelled.csv"),
        )

    return router


def _try_page(pages: Pages, number: str, form: dict[str, str] | None) -> HTMLResponse:
    workspace = pages.workspace
    record, folder = workspace.comparison(number), workspace.best(number)
    text, second = (form.get("text", ""), form.get("text_pair", "")) if form else ("", "")
    answer, problem, pairs = None, "", False
    try:
        pairs = workspace.tried.reads_pairs(folder)
        answer = workspace.tried.answer(folder, text, second) if form else None
    except TrifoldError as error:
        problem = views.own_words(record, str(error))
    typed = ("--text", text or "…", *(("--text-pair", second or "…") if pairs else ()))
    return pages.page(
        "try.html",
        "Try the model on a text",
        "Use",
        422 if problem else 200,
        job=number,
        record=record,
        pairs=pairs,
        text=text,
        second=second,
        answer=answer,
        problem=problem,
        command=_typed(workspace, number, *typed),
    )


def _mistakes_page(pages: Pages, number: str, label: str, prediction: str, words: str) -> HTMLResponse:
    workspace = pages.workspace
    record, folder = workspace.comparison(number), workspace.best(number)
    every = views.mistakes(folder, "", "", "")
    return pages.page(
        "mistakes.html",
        "What the model got wrong",
        "Use",
        job=number,
        record=record,
        every=every,
        rows=views.mistakes(folder, label, prediction, words),
        labels=views.choices(every, "label"),
        predictions=views.choices(every, "prediction"),
        asked={"label": label, "prediction": prediction, "words": words},
        command=_typed(workspace, number, record.words[1], "--mistakes", verb="explain"),
    )


def _typed(workspace: Workspace, number: str, *words: str, verb: str = "predict") -> str:
    return commands.typed([verb, str(workspace.best(number)), *words])
