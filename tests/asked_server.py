"""A server of real runs that tests ask over HTTP: all of it but the socket, unless one is wanted."""

import asyncio
import json
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2

from trifold.documents.search.query import SearchIndex
from trifold.models.settings import ComputeSettings
from trifold.serve.http.app import make_app
from trifold.serve.http.files import Files
from trifold.serve.http.metrics import Metrics
from trifold.serve.http.service import Service
from trifold.serve.http.settings import HttpSettings
from trifold.serve.model_server import ModelServer
from trifold.serve.settings import QueueSettings

ADDRESS = "http://127.0.0.1:8000"


class AskedServer:
    """A server, asked by a client in the same process.

    Attributes:
        lines: Of the log of requests.
        reports: Of faults of the server.
    """

    def __init__(
        self,
        folders: dict[str, Path],
        http: HttpSettings | None = None,
        queue: QueueSettings | None = None,
        index: Path | None = None,
    ) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self.lines: list[dict[str, Any]] = []
        self.reports: list[str] = []
        self.settings, self.metrics = http or HttpSettings(), Metrics()
        self._folders, self._queue, self._index = folders, queue, index
        self.run(self._start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        """What a coroutine gives on the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=120)

    def get(self, path: str, **more: Any) -> httpx2.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, json: Any = None, **more: Any) -> httpx2.Response:
        return self.ask("POST", path, **({"json": json} if json is not None else {}), **more)

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:
        """A response; whatever is asked, the server has not failed."""
        found: httpx2.Response = self.run(self._client.request(method, path, **more))
        assert self.reports == []
        if found.status_code >= 400 and method != "HEAD":
            assert set(found.json()) == {"error", "error_type"}, found.text
        return found

    def close(self) -> None:
        self.run(self._client.aclose())
        self.files.close()
        self.run(self.server.drain(10))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _start(self) -> None:
        compute = ComputeSettings(device="cpu", precision="float32")
        self.server = ModelServer(self._folders, compute, self._queue, observer=self.metrics)
        await self.server.start()
        self.metrics.watch(self.server)
        index = SearchIndex(self._index, compute) if self._index else None
        self.service = Service(self.server, self.settings, self.metrics, index, self.reports.append)
        self.files = Files(self.service)
        app = make_app(self.service, self.files, lambda line: self.lines.append(json.loads(line)))
        self._client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url=ADDRESS, timeout=60)


@contextmanager
def asked_server(folders: dict[str, Path], **more: Any) -> Iterator[AskedServer]:
    server = AskedServer(folders, **more)
    try:
        yield server
    finally:
        server.close()
