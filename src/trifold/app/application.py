"""The application: all pages, what they are made of, and what stands before them."""

from collections.abc import Callable

from fastapi import APIRouter, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp

from trifold.app.check_pages import check_routes
from trifold.app.document_pages import document_routes
from trifold.app.file_pages import FILES_PATH, file_routes
from trifold.app.guard import SiteGuard
from trifold.app.job_pages import job_routes
from trifold.app.method_pages import method_routes
from trifold.app.pages import PACKAGE, Pages
from trifold.app.prompt_pages import prompt_routes
from trifold.app.run_pages import run_routes
from trifold.app.workspace import Workspace
from trifold.errors import TrifoldError
from trifold.system_errors import fault_of
from trifold.web.guards import BodyGuard, HostGuard
from trifold.web.refusals import Refusal, refused, sentence_of
from trifold.web.rendering import KINDS, asset
from trifold.web.request_log import RequestLog

_ASSETS = ("page.css", "site.css", "app.css", "drop.js", "app.js", "icon.svg")
_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})
# Of a form: a text to try, at most.
_FORM_BYTES, _BODY_SECONDS = 4_000_000, 60.0
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


def make_app(workspace: Workspace, report: Callable[[str], None]) -> ASGIApp:
    """The application of an app.

    Args:
        workspace: What its pages show.
        report: Takes what is known of a fault of the app.
    """
    pages = Pages(workspace)
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False, telemetry=_NO_TELEMETRY)
    for family in (file_routes, check_routes, method_routes, job_routes, run_routes, document_routes, prompt_routes):
        app.include_router(family(pages))
    app.include_router(_assets())
    _add_handlers(app, pages)
    guarded = HostGuard(SiteGuard(app), _HOSTS, "open the address that trifold app has printed")
    larger = {FILES_PATH: workspace.settings.max_file_bytes}
    limited = BodyGuard(guarded, _FORM_BYTES, _BODY_SECONDS, larger)
    return RequestLog(limited, lambda *_: None, None, report)


def _assets() -> APIRouter:
    router = APIRouter()

    @router.get("/assets/{name}")
    async def one(name: str) -> Response:
        if name not in _ASSETS:
            raise Refusal(404, "there is no such part of a page")
        return Response(asset(PACKAGE, name), media_type=KINDS[f".{name.rpartition('.')[2]}"])

    return router


def _add_handlers(app: FastAPI, pages: Pages) -> None:
    """Have every refusal be a page with a sentence, and for scripts JSON."""

    def told(request: Request, status: int, sentence: str) -> Response:
        if "application/json" in request.headers.get("accept", ""):
            return refused(status, sentence)
        return pages.page("refused.html", "That did not work", status=status, sentence=sentence)

    async def ours(request: Request, error: Exception) -> Response:
        status = 404 if str(error).startswith("there is no such") else 422
        return told(request, status, str(error))

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return told(request, 422, sentence_of(error))

    async def fault(request: Request, error: Exception) -> Response:
        unknown = "the app failed on this page; what it knows of that stands where it was started"
        return told(request, 500, fault_of(error) or unknown)

    async def of_http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        sentence = "there is no such page" if error.detail == "Not Found" else str(error.detail)
        return told(request, error.status_code, sentence)

    app.add_exception_handler(TrifoldError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, of_http)
    app.add_exception_handler(Exception, fault)
