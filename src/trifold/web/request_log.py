"""The outermost part: every request gets its time, its line in the log and in the metrics, and an answer."""

import json
import time
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trifold.web.refusals import refused

# As nginx has it: the client was gone before the answer was there.
CLIENT_GONE = 499
_CONTENT_POLICY = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'"
# What the endpoints tell of a request, for its line.
_TOLD = "trifold.told"

# Endpoint, status, seconds.
OnRequest = Callable[[str, int, float], None]


def tell(scope: Scope, **facts: object) -> None:
    """Have the line of a request tell more, such as the number of its texts; never the texts."""
    scope.setdefault(_TOLD, {}).update(facts)


class RequestLog:
    """Answers also where something fails that should not, and tells of each request.

    Args:
        app: Everything else.
        on_request: For metrics.
        write: Takes the line of a request; `None` for no lines.
        report: Takes what is known of a fault of the server.
    """

    def __init__(
        self, app: ASGIApp, on_request: OnRequest, write: Callable[[str], None] | None, report: Callable[[str], None]
    ) -> None:
        self._app, self._on_request, self._write, self._report = app, on_request, write, report

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun, status = time.perf_counter(), 0

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                _add_headers(message, begun)
            await send(message)

        scope[_TOLD] = {}
        try:
            await self._app(scope, receive, sending)
        except ClientDisconnect:
            # In the middle of its body: nobody reads an answer.
            tell(scope, status=CLIENT_GONE)
        except Exception:  # noqa: BLE001 - the edge of the server: whatever happens, there is an answer and a report
            self._report(traceback.format_exc())
            if not status:
                await refused(500, "the server failed on this request; its log says why")(scope, receive, sending)
        seconds = time.perf_counter() - begun
        told = scope.pop(_TOLD)
        status = told.pop("status", status or CLIENT_GONE)
        endpoint = endpoint_of(scope)
        self._on_request(endpoint, status, seconds)
        if self._write is not None:
            self._write(_line(scope, endpoint, status, seconds, told))


def endpoint_of(scope: Scope) -> str:
    """The path of the route that answered, without the names that stand in it; `other` where none did."""
    return str(getattr(scope.get("route"), "path", None) or "other")


def _add_headers(message: Message, begun: float) -> None:
    headers = MutableHeaders(scope=message)
    total = 1_000 * (time.perf_counter() - begun)
    headers.setdefault("X-Content-Type-Options", "nosniff")
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Referrer-Policy", "no-referrer")
    headers.setdefault("Content-Security-Policy", _CONTENT_POLICY)
    headers.setdefault("X-Total-Time", f"{total:.0f}")


def _line(scope: Scope, endpoint: str, status: int, seconds: float, told: dict[str, Any]) -> str:
    client = scope.get("client")
    facts = {
        "event": "request",
        "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "method": scope["method"],
        "endpoint": endpoint,
        "status": status,
        "milliseconds": round(1_000 * seconds, 1),
        "client": client[0] if client else None,
        **told,
    }
    return json.dumps(facts)
