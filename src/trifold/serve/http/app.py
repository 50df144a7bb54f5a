"""The application: all endpoints, and what stands before them."""

import json
from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from trifold.errors import TrifoldError
from trifold.serve.http.decisions import decision_routes
from trifold.serve.http.docs_page import docs_routes
from trifold.serve.http.embeddings import embedding_routes
from trifold.serve.http.explain import explain_routes
from trifold.serve.http.files import FILES_PATH, Files, file_routes
from trifold.serve.http.operations import operation_routes
from trifold.serve.http.page import PAGE_PATHS, page_routes
from trifold.serve.http.predict import predict_routes
from trifold.serve.http.search import search_routes
from trifold.serve.http.service import Service, refusal_of
from trifold.serve.http.settings import HttpSettings
from trifold.version import VERSION
from trifold.web.guards import OPEN_PATHS, BodyGuard, HostGuard, KeyGuard
from trifold.web.refusals import KINDS, refused, sentence_of
from trifold.web.request_log import RequestLog

_DESCRIPTION = "Trained runs put to work. Errors are {error, error_type}: a sentence, and its kind."
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False}


def make_app(service: Service, files: Files, write: Callable[[str], None] | None = None) -> ASGIApp:
    """The application of a server.

    Args:
        service: What endpoints ask.
        files: Those that are sent to be labelled.
        write: Takes a line of JSON for each request; `None` for no lines.
    """
    settings = service.settings
    larger = {FILES_PATH: settings.max_file_bytes}
    guarded: ASGIApp = KeyGuard(make_api(service, files), settings.key, settings.cors_origin, open_paths(settings))
    if settings.cors_origin:
        # Before the key is asked for: browsers ask without one whether they may ask.
        guarded = CORSMiddleware(
            guarded,
            allow_origins=settings.cors_origin,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("Authorization", "Content-Type"),
            expose_headers=("X-Truncated", "X-Declined", "X-Run-Version", "Server-Timing", "Retry-After"),
        )
    guarded = HostGuard(guarded, settings.hosts, "name it with --allowed-host")
    guarded = BodyGuard(guarded, settings.max_body_bytes, settings.body_seconds, larger)
    return RequestLog(guarded, service.metrics.request, write, service.report)


def open_paths(settings: HttpSettings) -> frozenset[str]:
    """Paths that need no key: those that tell whether the server lives, and the page, which asks for the key."""
    return OPEN_PATHS | PAGE_PATHS if settings.page else OPEN_PATHS


def make_api(service: Service, files: Files) -> FastAPI:
    """The endpoints alone, with their documentation in `/openapi.json`."""
    app = _Api(
        key=service.settings.key is not None,
        title="Trifold",
        version=VERSION,
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=_NO_TELEMETRY,
    )
    families = (
        predict_routes, decision_routes, embedding_routes, explain_routes, search_routes, operation_routes,
    )  # fmt: skip
    for family in families:
        app.include_router(family(service))
    app.include_router(file_routes(files))
    if service.settings.page:
        app.include_router(page_routes(service))
    app.include_router(docs_routes(app))
    _add_handlers(app)
    return app


class _Api(FastAPI):
    """FastAPI's application, whose document tells of errors as they are.

    Args:
        key: Whether a key is asked for.
        settings: As FastAPI takes them.
    """

    def __init__(self, *, key: bool, **settings: Any) -> None:
        self._key = key
        super().__init__(**settings)

    def openapi(self) -> dict[str, Any]:
        """See FastAPI."""
        if not self.openapi_schema:
            self.openapi_schema = with_errors(super().openapi(), key=self._key)
        return self.openapi_schema


def with_errors(schema: dict[str, Any], *, key: bool) -> dict[str, Any]:
    """The document with our form of errors in place of FastAPI's, and the key where one is asked for.

    Args:
        schema: As FastAPI makes it; it is changed.
        key: Whether a key is asked for.
    """
    parts = schema.setdefault("components", {}).setdefault("schemas", {})
    for name in ("HTTPValidationError", "ValidationError"):
        parts.pop(name, None)
    parts["Error"] = {
        "type": "object",
        "properties": {
            "error": {"type": "string", "description": "What is wrong, and what to do instead"},
            "error_type": {"type": "string", "enum": sorted(set(KINDS.values()))},
        },
        "required": ["error", "error_type"],
    }
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    for methods in schema["paths"].values():
        for operation in methods.values():
            operation["responses"].pop("422", None)
            operation["responses"]["default"] = {"description": "No answer", "content": content}
    if key:
        schema["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        schema["security"] = [{"key": []}]
    return schema


def _add_handlers(app: FastAPI) -> None:
    """Have every error end in the same form."""

    async def ours(_: Request, error: Exception) -> Response:
        assert isinstance(error, TrifoldError)
        found = refusal_of(error)
        return refused(found.status_code, str(found.detail), found.headers)

    async def invalid(_: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        return refused(422, sentence_of(error))

    async def of_http(_: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return refused(error.status_code, _in_words(error), error.headers)

    app.add_exception_handler(TrifoldError, ours)
    app.add_exception_handler(RequestValidationError, invalid)
    app.add_exception_handler(HTTPException, of_http)


def _in_words(error: HTTPException) -> str:
    if error.status_code == 404 and error.detail == "Not Found":
        return "there is no such endpoint: /docs lists them"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("allow") or (error.headers or {}).get("Allow")
        return f"this endpoint takes {allowed} alone" if allowed else "this endpoint does not take this method"
    return error.detail if isinstance(error.detail, str) else json.dumps(error.detail)
