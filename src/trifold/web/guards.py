"""What stands before every endpoint: who asks, by which name, how much, and for how long."""

import asyncio
import hmac
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from trifold.web.refusals import Refusal, refused

# Asked by those who watch over servers, and by browsers before they have a key to send.
OPEN_PATHS = frozenset({"/health", "/health/ready", "/ping"})
# A page of another site can send these without asking first.
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# Of a request that is refused.
_DISCARDED_BYTES, _DISCARDING_SECONDS = 64_000_000, 10.0


class HostGuard:
    """Lets requests through that name the server as it may be named.

    Args:
        app: Behind it.
        hosts: The names, in lower case; `None` for any.
        way_out: What those may do who know it by another name.
    """

    def __init__(self, app: ASGIApp, hosts: frozenset[str] | None, way_out: str) -> None:
        self._app, self._hosts, self._way_out = app, hosts, way_out

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and self._hosts is not None:
            given = [_host_of(one) for one in Headers(scope=scope).getlist("host")]
            # A proxy in front may have looked at another one than we would.
            if len(given) != 1 or given[0] not in self._hosts:
                answer = refused(421, f"the server is not known by this Host: {self._way_out}")
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)


class KeyGuard:
    """Lets requests through that bear the key, and no posts of other sites' pages.

    Args:
        app: Behind it.
        key: The key; `None` where everyone may ask.
        origins: Other sites whose pages may ask.
        open_paths: Paths that can be read without a key.
    """

    def __init__(
        self, app: ASGIApp, key: str | None, origins: tuple[str, ...] = (), open_paths: frozenset[str] = OPEN_PATHS
    ) -> None:
        self._app, self._origins, self._open = app, origins, open_paths
        self._expected = None if key is None else f"Bearer {key}".encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if is_cross_site(scope["method"], headers, self._origins):
                answer = refused(403, "a page of another site may not send this: allow it with --cors-origin")
                await answer(scope, receive, send)
                return
            given = headers.get("authorization", "").encode("utf-8", "replace")
            # At the page's own path labels are asked for as well, by POST.
            is_open = scope["method"] in ("GET", "HEAD") and scope["path"] in self._open
            if self._expected is not None and not is_open and not _same(given, self._expected):
                sentence = "the key is missing or wrong: send the header Authorization: Bearer KEY"
                await refused(401, sentence, {"WWW-Authenticate": "Bearer"})(scope, receive, send)
                return
        await self._app(scope, receive, send)


def is_cross_site(method: str, headers: Mapping[str, str], origins: tuple[str, ...] = ()) -> bool:
    """Whether a page of another site sends what may change something.

    Args:
        method: Of HTTP.
        headers: As browsers send them.
        origins: Sites whose pages may.
    """
    if method in _SAFE_METHODS or "*" in origins or headers.get("origin") in origins:
        return False
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("none", "same-origin")
    # Browsers tell nothing of sites to a server in the local network that is asked without encryption.
    origin = headers.get("origin")
    return origin is not None and origin.lower().rpartition("://")[2] != headers.get("host", "").lower()


class BodyGuard:
    """Ends requests that are too large or too slow while they are read.

    It stands before everything that refuses requests: a client that still sends while it is refused is read for a
    while, since most clients read an answer only once they have sent all.

    Args:
        app: Behind it.
        max_bytes: Of a body.
        larger: Path to what its bodies may have instead.
        seconds: Until a body of `max_bytes` must be there; a larger one must come as fast, so that a client that sends
            next to nothing does not keep the place of another one.
    """

    def __init__(self, app: ASGIApp, max_bytes: int, seconds: float, larger: Mapping[str, int] | None = None) -> None:
        self._app, self._most, self._seconds, self._larger = app, max_bytes, seconds, dict(larger or {})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers, most = Headers(scope=scope), self._larger.get(scope["path"], self._most)
        body = _LimitedBody(receive, most, self._seconds, self._most)
        if not _has_body(headers) or "100-continue" in headers.get("expect", "").lower():
            # There is nothing that would be sent before the answer is read.
            body.ended = not _has_body(headers)
            sending = send
        else:

            async def sending(message: Message) -> None:
                if message["type"] == "http.response.start":
                    await body.discard()
                await send(message)

        declared = headers.get("content-length", "")
        if declared.isascii() and declared.isdigit() and len(declared) < 20 and int(declared) > most:
            await refused(413, _too_large(most))(scope, body, sending)
            return
        await self._app(scope, body, sending)


class _LimitedBody:
    """What a request sends, as far as it may.

    Attributes:
        ended: Whether all of it is there.
    """

    def __init__(self, receive: Receive, most: int, seconds: float, usual: int) -> None:
        self._receive, self._most, self._seconds, self._usual = receive, most, seconds, usual
        self._read, self.ended = 0, False
        self._begun: float | None = None

    async def __call__(self) -> Message:
        if self.ended:
            # From now on it is awaited that the client goes away, which takes as long as the answer does.
            return await self._receive()
        if self._begun is None:
            self._begun = asyncio.get_running_loop().time()
        seconds = self._seconds * max(1.0, self._read / self._usual)
        try:
            async with asyncio.timeout_at(self._begun + seconds):
                message = await self._receive()
        except TimeoutError:
            self.ended = True
            sentence = f"the body did not arrive within {seconds:g} seconds: send it at once"
            raise Refusal(408, sentence, {"Connection": "close"}) from None
        self._read += len(message.get("body", b""))
        self.ended = not message.get("more_body", False)
        if self._read > self._most:
            raise Refusal(413, _too_large(self._most))
        return message

    async def discard(self) -> None:
        """Read the rest of it, as far as that is not much, and forget it."""
        left = _DISCARDED_BYTES
        with suppress(TimeoutError):
            async with asyncio.timeout(min(_DISCARDING_SECONDS, self._seconds)):
                while not self.ended and left > 0:
                    message = await self._receive()
                    left -= len(message.get("body", b""))
                    self.ended = not message.get("more_body", False)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _too_large(most: int) -> str:
    return f"the body is larger than {most:,} bytes: send less at a time"


def _same(given: bytes, expected: bytes) -> bool:
    """Whether a key is the right one, in a time that does not tell how much of it is."""
    scheme, _, key = given.partition(b" ")
    usual = b"Bearer " + key if scheme.lower() == b"bearer" else given
    return hmac.compare_digest(usual, expected)


def _host_of(header: Any) -> str:
    """The name in a Host header, without its port."""
    text = str(header).strip().lower()
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0]
