"""What the command `app` does: it opens the folder, and answers until it is told to end."""

import asyncio
import socket
import threading
import webbrowser
from collections.abc import Callable
from types import FrameType

from starlette.types import ASGIApp

from trifold.app.application import make_app
from trifold.app.settings import AppSettings
from trifold.app.workspace import Workspace, open_workspace
from trifold.events import Message, current_sink, say
from trifold.formatting import counted
from trifold.runtime import prepare_own
from trifold.web.listening import Server, address_of, bound_socket

_HOST = "127.0.0.1"
_DRAIN_SECONDS = 5.0


def run_app(settings: AppSettings, ready: Callable[[str], None]) -> None:
    """Answer until SIGTERM or Ctrl-C; jobs that run go on.

    Args:
        settings: Where.
        ready: Told the address once the app answers.

    Raises:
        SettingsError: If the folder or the address cannot be had.
    """
    with bound_socket(_HOST, settings.port) as bound, open_workspace(settings) as workspace:
        prepare_own()
        address, sink = address_of(bound), current_sink()

        def listening() -> None:
            say(f"the app answers at {address}, for this machine alone; Ctrl-C ends it")
            ready(address)
            if settings.open:
                # A browser may take its time to start.
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        app = make_app(workspace, lambda fault: sink.send(Message(fault, "warning")))
        asyncio.run(_serve(app, workspace, listening, bound))
        left = sum(not record.is_over for _, record in workspace.jobs.all())
        if left:
            say(f"{counted(left, 'job')} not done: what runs goes on, what waits begins with the next trifold app")


async def _serve(app: ASGIApp, workspace: Workspace, listening: Callable[[], None], bound: socket.socket) -> None:
    await _Server(app, workspace, listening).serve([bound])


class _Server(Server):
    """A server whose pages stop listening for news once it is told to end."""

    def __init__(self, app: ASGIApp, workspace: Workspace, listening: Callable[[], None]) -> None:
        super().__init__(app, _DRAIN_SECONDS, listening)
        self._workspace = workspace

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """See uvicorn."""
        self._workspace.stopping = True
        super().handle_exit(sig, frame)
