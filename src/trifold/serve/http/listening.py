"""The server of trained runs on a socket: it ends gracefully, and opens its runs again."""

import asyncio
import signal
import socket
from collections.abc import Callable, Coroutine
from types import FrameType
from typing import Any, TypeVar

from starlette.types import ASGIApp

from trifold.events import say
from trifold.serve.http.service import Service
from trifold.web.listening import Server

_Result = TypeVar("_Result")


async def listen(app: ASGIApp, service: Service, bound: socket.socket, listening: Callable[[], None]) -> None:
    """Answer until SIGTERM or Ctrl-C, then end what is under way; runs are opened again on SIGHUP.

    Args:
        app: The application.
        service: What it asks.
        bound: Where to listen.
        listening: Called once clients can connect.
    """
    server = _Server(app, service, listening)
    if hasattr(signal, "SIGHUP"):
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, server.reload)
    await server.serve([bound])
    await server.drained()


class _Server(Server):
    """A server that answers everything that was taken before it ends."""

    def __init__(self, app: ASGIApp, service: Service, listening: Callable[[], None]) -> None:
        super().__init__(app, service.settings.drain_seconds, listening)
        self._service = service
        self._tasks: set[asyncio.Task[Any]] = set()
        self._draining: asyncio.Task[bool] | None = None
        self._loop = asyncio.get_running_loop()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn; from now on nothing new is taken."""
        super().handle_exit(sig, frame)
        self._service.stopping = True
        self._loop.call_soon_threadsafe(self._drain)

    def reload(self) -> None:
        """Open all runs again."""
        self._keep(self._reload())

    async def drained(self) -> None:
        """Wait until everything that was taken is answered, or its time is over."""
        self._drain()
        if self._draining is not None and not await self._draining:
            say("note: some requests were given up, since they took longer than --drain-seconds")

    def _drain(self) -> None:
        if self._draining is None or self.force_exit:
            # Who presses Ctrl-C again waits no longer.
            seconds = 0.0 if self.force_exit else self._service.settings.drain_seconds
            self._draining = self._keep(self._service.server.drain(seconds))

    def _keep(self, work: Coroutine[Any, Any, _Result]) -> "asyncio.Task[_Result]":
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _reload(self) -> None:
        failed = await self._service.server.reload()
        for run, error in failed.items():
            say(f"note: the former version of {run} goes on answering: {error}")
        if not failed:
            say("all runs were opened again")
