"""A version is freed with its last request, and requests with their answers: nothing waits for the collector."""

import asyncio
import gc
import weakref
from pathlib import Path

from serving import served, small_run
from trifold.serve.model_server import ModelServer


def test_a_version_is_freed_once_another_answers(tmp_path: Path) -> None:
    async def swap(server: ModelServer) -> bool:
        await server.predict("run", ["a superb film"] * 3)
        predictor = weakref.ref(server.runs["run"].run.predictor)
        gc.collect()
        gc.disable()
        try:
            assert await server.reload() == {}
            await server.predict("run", ["a dull film"])
            # A thread may be about to leave its last batch.
            for _ in range(200):
                if predictor() is None:
                    return True
                await asyncio.sleep(0.01)
            return False
        finally:
            gc.enable()

    assert served({"run": small_run(tmp_path / "run")}, swap)
