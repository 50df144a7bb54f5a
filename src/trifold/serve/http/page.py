"""The page at `/`: texts are tried, files are labelled, and the runs are described. Nothing of it is from outside."""

from typing import Annotated

from fastapi import APIRouter, Header, Request
from starlette.responses import HTMLResponse, Response

from trifold.errors import TrifoldError
from trifold.explanations.marks import pieces
from trifold.serve.explainer import MOST_CHARACTERS
from trifold.serve.http.inputs import texts_of
from trifold.serve.http.predict import ranked
from trifold.serve.http.rendering import asset, render
from trifold.serve.http.run_facts import in_words
from trifold.serve.http.service import Service, refusal_of, until_gone
from trifold.serve.replies import Reply
from trifold.serve.served_run import ServedRun
from trifold.web.forms import read_form
from trifold.web.refusals import Refusal
from trifold.web.rendering import KINDS
from trifold.web.request_log import tell

_ASSETS = ("page.css", "site.css", "drop.js", "serve.js", "icon.svg")
# What a browser fetches before its user has a key to send.
PAGE_PATHS = frozenset({"/", *(f"/assets/{name}" for name in _ASSETS)})
_SHOWN_CHARACTERS = 20_000


def page_routes(service: Service) -> APIRouter:
    """`GET /`, what it is made of, and `POST /try`, which its form asks."""
    router = APIRouter(include_in_schema=False)
    described: dict[str, dict[str, str]] = {}

    def facts(run: ServedRun) -> dict[str, str]:
        # The files of a version do not change.
        if run.version not in described:
            described[run.version] = in_words(run)
        return described[run.version]

    def page(run: ServedRun, **more: object) -> str:
        runs = list(service.server.runs.values())
        shown = {"text": "", "second": "", "error": None, "answer": None, "scores": (), **more}
        return render(
            "try.html",
            title=f"Try {run.name}",
            runs=runs,
            run=run,
            facts={one.name: facts(one) for one in runs},
            needs_key=service.settings.key is not None,
            max_file_megabytes=service.settings.max_file_megabytes,
            **shown,
        )

    @router.get("/")
    async def home() -> HTMLResponse:
        return HTMLResponse(page(service.run(None)))

    @router.get("/assets/{name}")
    async def assets(name: str) -> Response:
        if name not in _ASSETS:
            raise Refusal(404, "there is no such part of the page")
        return Response(asset(name), media_type=KINDS[f".{name.rpartition('.')[2]}"])

    @router.post("/try")
    async def attempt(request: Request, x_part: Annotated[str, Header()] = "") -> HTMLResponse:
        form = await read_form(request)
        run = service.run(form.get("run"))
        if x_part:
            return HTMLResponse(await _part(service, request, run, form, x_part))
        told = {"text": form.get("text", ""), "second": form.get("text_pair", "")}
        try:
            return HTMLResponse(page(run, **told, **await _answer(service, request, run, form)))
        except (Refusal, TrifoldError) as error:
            refusal = error if isinstance(error, Refusal) else refusal_of(error)
            return HTMLResponse(page(run, **told, error=refusal.detail), refusal.status_code)

    return router


async def _part(service: Service, request: Request, run: ServedRun, form: dict[str, str], part: str) -> str:
    """A part of the page: what a script puts in its place."""
    if part == "words":
        return await _words(service, request, run, form)
    return render("answer.html", **await _answer(service, request, run, form))


async def _answer(service: Service, request: Request, run: ServedRun, form: dict[str, str]) -> dict[str, object]:
    text: object = form.get("text", "")
    if run.reads_pairs:
        text = {"text": text, "text_pair": form.get("text_pair", "")}
    reply: Reply = await service.predict(request, run, texts_of(text, pairs=run.reads_pairs, name="the text"))
    (answer,) = reply.answers
    return {"answer": answer, "scores": ranked(answer, run)}


async def _words(service: Service, request: Request, run: ServedRun, form: dict[str, str]) -> str:
    """The deciding words; nothing where they cannot be had, or each answer takes time or money."""
    if run.reads_pairs or run.asks_llm:
        return ""
    if len(form.get("text", "")) > MOST_CHARACTERS:
        return f'<p class="soft">Which words decided is told of texts of up to {MOST_CHARACTERS:,} characters.</p>'
    (text,) = texts_of(form.get("text", ""), pairs=False, name="the text")
    found = await until_gone(request, service.server.explain(run.name, str(text)))
    tell(request.scope, run=run.name, version=found.version, texts=1)
    one = found.explanation
    return render("words.html", one=one, label=str(one.label), pieces=pieces(one, _SHOWN_CHARACTERS))
