"""Whether a server is ready may be asked by anyone, and so often that it must cost next to nothing."""

import asyncio
from pathlib import Path

from serving import gated, served, small_run, until
from trifold.serve.http.metrics import Metrics
from trifold.serve.http.operations import Canaries
from trifold.serve.http.service import Service
from trifold.serve.http.settings import HttpSettings
from trifold.serve.model_server import ModelServer


def test_those_who_ask_at_the_same_time_share_one_canary(tmp_path: Path) -> None:
    async def ask(server: ModelServer) -> None:
        gate, canaries = gated(server, "run"), Canaries(Service(server, HttpSettings(), Metrics()))
        asked = [asyncio.create_task(canaries.faults()) for _ in range(20)]
        await until(gate.reached)
        assert server.load.requests == 1
        # Whoever goes away takes it from nobody else.
        asked[0].cancel()
        gate.open.set()
        assert await asyncio.gather(*asked[1:]) == [{"run": None}] * 19
        assert await canaries.faults() == {"run": None}
        assert len(gate.seen) == 2

    served({"run": small_run(tmp_path / "run")}, ask)
