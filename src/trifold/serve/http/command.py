"""What the command `serve` does: it opens the runs, and answers until it is told to end."""

import asyncio
import gc
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.documents.search.query import SearchIndex
from trifold.events import Message, current_sink, say
from trifold.formatting import counted
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings
from trifold.runtime import prepare_own
from trifold.serve.http.app import make_app
from trifold.serve.http.files import Files
from trifold.serve.http.listening import listen
from trifold.serve.http.metrics import Metrics
from trifold.serve.http.service import Service
from trifold.serve.http.settings import HttpSettings, is_loopback
from trifold.serve.model_server import ModelServer
from trifold.serve.settings import QueueSettings
from trifold.web.listening import address_of, bound_socket


@dataclass(frozen=True, kw_only=True)
class Served:
    """What is served, and how.

    Attributes:
        folders: Name of each run to its folder.
        http: Where, and for whom.
        queue: How requests are gathered.
        compute: How models run.
        llm: The server and its key, for runs that ask a language model.
        index: Folder of an index of documents.
        shadow: Folder of a run that answers beside the first.
    """

    folders: dict[str, Path]
    http: HttpSettings
    queue: QueueSettings
    compute: ComputeSettings
    llm: LlmSettings | None = None
    index: Path | None = None
    shadow: Path | None = None


def serve_until_stopped(served: Served, ready: Callable[[str, Sequence[str]], None]) -> None:
    """Answer until SIGTERM or Ctrl-C.

    Args:
        served: What is served.
        ready: Told the address and the runs' names once the server answers.

    Raises:
        TrifoldError: If a run cannot be opened, or the address cannot be had.
    """
    asyncio.run(_serve(served, ready))


async def _serve(served: Served, ready: Callable[[str, Sequence[str]], None]) -> None:
    settings, metrics = served.http, Metrics()
    with bound_socket(settings.host, settings.port) as bound:
        if hasattr(signal, "SIGHUP"):
            # There is nothing yet to open again, and the signal alone would end the process.
            asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, lambda: None)
        prepare_own()
        key = settings.key
        index = SearchIndex(served.index, served.compute) if served.index else None
        server = ModelServer(
            served.folders, served.compute, served.queue, served.llm, shadow=served.shadow, observer=metrics
        )
        await server.start()
        metrics.watch(server)
        service = Service(server, settings, metrics, index)
        files = Files(service)
        # What is there by now lives as long as the process: looking through it for garbage takes longer than a request.
        gc.collect()
        gc.freeze()
        app = make_app(service, files, _line_writer() if settings.access_log else None)
        if key is None and not is_loopback(settings.host):
            say("note: whoever reaches this machine may ask: set a key as the environment variable TRIFOLD_API_KEY")
        address = address_of(bound)

        def listening() -> None:
            say(f"{counted(len(server.runs), 'run')} answering at {address}; /docs lists the endpoints")
            ready(address, tuple(server.runs))

        try:
            await listen(app, service, bound, listening)
        finally:
            files.close()


def _line_writer() -> Callable[[str], None]:
    """Sends the lines of requests where messages go, whatever the task is that has one."""
    sink = current_sink()
    return lambda line: sink.send(Message(line))
