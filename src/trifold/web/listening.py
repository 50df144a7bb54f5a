"""A server on a socket: it listens, and lets no slow or oversized request hold it up."""

import asyncio
import json
import logging
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httptools
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from trifold.errors import SettingsError
from trifold.events import say_detail
from trifold.stop_signals import handled
from trifold.system_errors import fault_of
from trifold.web.open_connections import LoopFaults, allow_connections

# Headers and first line of a request together, in bytes.
MAX_HEADER_BYTES = 32_768
# Until the headers of a request must be there; of the next one on the same connection as well.
_HEADER_SECONDS = 15
# A client that reads its answer no faster is gone.
_READING_SECONDS = 60
_REFUSED_SECONDS = 2
# About a century.
_LONGEST_SECONDS = 3e9
_SIZES = (b"content-length", b"transfer-encoding")
_LOGGER = "uvicorn.error"
_BACKLOG = 2_048


def bound_socket(host: str, port: int) -> socket.socket:
    """A socket that holds the address and does not listen yet, so that clients do not wait while models are opened.

    Raises:
        SettingsError: If the address cannot be had.
    """
    host = host.strip("[]")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        found = socket.socket(family, kind, protocol)
    except OSError as error:
        raise SettingsError(f"--host {host} is no address of this machine: {fault_of(error) or error}") from None
    try:
        if sys.platform != "win32":
            found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        reason = error.strerror or str(error)
        raise SettingsError(
            f"cannot listen at {host}, port {port} ({reason}): name another with --port, or 0 for a free one"
        ) from None
    return found


def address_of(bound: socket.socket) -> str:
    """The URL of a socket."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


class Server(uvicorn.Server):
    """uvicorn's server, whose process ends with 0 where it was asked to end.

    Args:
        app: The application.
        drain_seconds: That requests get to end once it is asked to end.
        listening: Called once clients can connect.
    """

    def __init__(self, app: ASGIApp, drain_seconds: float, listening: Callable[[], None]) -> None:
        config = uvicorn.Config(
            app,
            http=_Protocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=_BACKLOG,
            timeout_keep_alive=_HEADER_SECONDS,
            timeout_graceful_shutdown=round(min(drain_seconds, _LONGEST_SECONDS)) + 2,
        )
        super().__init__(config)
        self._listening = listening
        logger = logging.getLogger(_LOGGER)
        logger.handlers, logger.propagate = [_Said()], False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """See uvicorn."""
        allow_connections()
        asyncio.get_running_loop().set_exception_handler(LoopFaults())
        await super().startup(sockets)
        self._listening()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Have signals end the server; none is raised again afterwards, unlike in uvicorn."""
        with handled((signal.SIGINT, signal.SIGTERM), self.handle_exit):
            yield


class _HeadersTooLargeError(Exception):
    """A request's first line and headers are larger than they may be."""


class _Protocol(HttpToolsProtocol):
    """uvicorn's protocol, which also ends connections whose headers are too large or do not come.

    That of httptools takes a quarter less time for a request than that of h11, which is written in Python.
    """

    _waiting: asyncio.TimerHandle
    _refused = False
    # Of the headers that are being read, as they came; and of those that are whole.
    _came, _read, _in_headers = 0, 0, False
    # Whether what is parsed is no request but the head of one that goes on.
    _going_on = False
    # Until a client must have read more of its answer.
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._await_headers()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._waiting.cancel()
        self._end_of_reading()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._refused:
            return
        self._feed(data)
        self._came = self._came + len(data) if self._in_headers else 0
        if self._came > MAX_HEADER_BYTES and not self._refused:
            self.send_400_response("")
        elif self.cycle is not None and not self.cycle.response_complete:
            self._waiting.cancel()

    def _feed(self, data: bytes) -> None:
        """Parse what came; that a client would rather go on in another protocol is ignored, as HTTP allows.

        The parser takes nothing of such a request's body, which Java's client, which asks for HTTP/2 so, does send.
        """
        self._unset_keepalive_if_required()
        while True:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_of_body() + data[upgrade.args[0] :]
            except httptools.HttpParserError:
                self.send_400_response("")
                return
            else:
                return

    def _head_of_body(self) -> bytes:
        """What makes a new parser read the body of the request whose headers were read."""
        sizes = [name + b": " + value for name, value in self.headers if name in _SIZES]
        self.parser = httptools.HttpRequestParser(self)
        self.cycle.more_body, self._going_on = True, True
        return b"\r\n".join([b"POST / HTTP/1.1", *sizes, b"", b""])

    def pause_writing(self) -> None:
        """See `asyncio.Protocol`; a client that takes nothing for long holds an answer and a connection for nothing."""
        super().pause_writing()
        self._reading = self.loop.call_later(_READING_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """See `asyncio.Protocol`."""
        self._end_of_reading()
        super().resume_writing()

    def _end_of_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def on_message_begin(self) -> None:
        """See httptools."""
        if self._going_on:
            return
        self._read, self._in_headers = 0, True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """See httptools."""
        if self._going_on:
            return
        self._count(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """See httptools."""
        if self._going_on:
            return
        self._count(name + value)
        # What stands behind a body is no header: nothing that was looked at before is to be another one then.
        if self._in_headers:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """See httptools."""
        if self._going_on:
            self._going_on = False
            return
        self._in_headers = False
        super().on_headers_complete()

    def _count(self, part: bytes) -> None:
        self._read += len(part)
        if self._read > MAX_HEADER_BYTES:
            raise _HeadersTooLargeError

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self._waiting.cancel()
        self._await_headers()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, or has headers that are too large."""
        del msg
        sentence = "the request is no HTTP/1.1, or its headers are too large"
        body = json.dumps({"error": sentence, "error_type": "validation"}).encode()
        head = (
            b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
            b"content-length: %d\r\n\r\n" % len(body)
        )
        self._refused = True
        self._waiting.cancel()
        if self.cycle is not None and not self.cycle.response_complete:
            # Of the request before, whose answer would come behind this one, when nothing more can be sent.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(head + body)
        # What the client still sends is taken for a while: where it is not, the answer may not reach it.
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._waiting = self.loop.call_later(_REFUSED_SECONDS, self.transport.abort)

    def _await_headers(self) -> None:
        self._waiting = self.loop.call_later(_HEADER_SECONDS, self._end)

    def _end(self) -> None:
        """Close a connection on which no request is under way; one whose client reads nothing is cut."""
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
            self._waiting = self.loop.call_later(_READING_SECONDS, self.transport.abort)


class _Said(logging.Handler):
    """Has what uvicorn logs go where our own messages go."""

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        say_detail(f"uvicorn: {record.getMessage()}")
