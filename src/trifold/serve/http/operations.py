"""How a server is watched over: health, metrics, what it holds, and new versions of runs."""

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Body, Query
from prometheus_client import CONTENT_TYPE_LATEST
from pydantic import Field
from starlette.responses import JSONResponse, PlainTextResponse, Response

from trifold.serve.errors import QueueFullError, ServingError
from trifold.serve.http.json_bodies import JsonBody, JsonRoute
from trifold.serve.http.run_facts import run_info
from trifold.serve.http.service import Service
from trifold.serve.served_run import ServedRun
from trifold.version import VERSION
from trifold.web.refusals import Refusal

_CANARY_SECONDS = 5.0


class ReloadRequest(JsonBody):
    """Which run is opened again."""

    model: str | None = Field(default=None, description="Name of the run; all of them where none is given")


def operation_routes(service: Service) -> APIRouter:
    """`GET /health`, `/health/ready`, `/ping`, `/metrics`, `/v1/models`, `/info` and `POST /reload`."""
    router, canaries = APIRouter(route_class=JsonRoute, tags=["operation"]), Canaries(service)

    @router.get("/health", response_model=None, summary="Whether the server lives, or with ?ready, answers")
    async def health(ready: Annotated[str | None, Query(description="Ask the runs, too")] = None) -> JSONResponse:
        return await _readiness(service, canaries) if ready is not None else JSONResponse({"status": "ok"})

    @router.get("/health/ready", response_model=None, summary="Whether every run answers a text")
    async def health_ready() -> JSONResponse:
        return await _readiness(service, canaries)

    @router.get("/ping", response_model=None, summary="As /health, where SageMaker asks")
    async def ping() -> JSONResponse:
        return JSONResponse({"status": "ok"})

    # Some of those who watch over servers want no body.
    router.add_api_route("/health", health, methods=["HEAD"], response_model=None, include_in_schema=False)
    router.add_api_route("/ping", ping, methods=["HEAD"], response_model=None, include_in_schema=False)

    @router.get(
        "/metrics",
        response_model=None,
        response_class=PlainTextResponse,
        summary="Measurements, in Prometheus' text format",
    )
    async def metrics() -> Response:
        found = await asyncio.to_thread(service.metrics.exposition)
        return Response(found, media_type=CONTENT_TYPE_LATEST)

    @router.get("/v1/models", response_model=None, summary="The runs by name, in OpenAI's form")
    async def models() -> JSONResponse:
        data = [{"id": name, "object": "model", "owned_by": "trifold"} for name in service.server.runs]
        return JSONResponse({"object": "list", "data": data})

    @router.get("/info", response_model=None, summary="What the server holds")
    async def info() -> JSONResponse:
        return JSONResponse(await asyncio.to_thread(_info, service))

    @router.post("/reload", response_model=None, summary="Open folders again, and answer by what they hold now")
    async def reload(body: Annotated[ReloadRequest | None, Body()] = None) -> JSONResponse:
        return await _reload(service, body.model if body else None)

    return router


class Canaries:
    """A short text for each run, to see whether it answers.

    Those who ask at the same time share them: they need no key, and must not fill the queue.

    Args:
        service: The server.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._asking: asyncio.Task[dict[str, str | None]] | None = None

    async def faults(self) -> dict[str, str | None]:
        """Name of each run to why it does not answer; those that ask a language model, which takes money, left out."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask())
        return await asyncio.shield(self._asking)

    async def _ask(self) -> dict[str, str | None]:
        runs = [run for run in self._service.server.runs.values() if not run.asks_llm]
        found = await asyncio.gather(*(_canary(self._service, run) for run in runs))
        return {run.name: fault for run, fault in zip(runs, found, strict=True)}


async def _readiness(service: Service, canaries: Canaries) -> JSONResponse:
    """Whether every run answers.

    Raises:
        Refusal: If one does not.
    """
    if service.stopping:
        raise Refusal(503, "the server is about to stop")
    found = await canaries.faults()
    failed = [f"{run}: {fault}" for run, fault in found.items() if fault]
    if failed:
        raise Refusal(503, "; ".join(failed))
    return JSONResponse({"status": "ready", "runs": list(found)})


async def _canary(service: Service, run: ServedRun) -> str | None:
    """Why a run does not answer; `None` where it does, or is only busy."""
    try:
        await service.server.canary(run.name, _CANARY_SECONDS)
    except QueueFullError:
        return None
    except ServingError as error:
        return str(error)
    return None


def _info(service: Service) -> dict[str, Any]:
    """What text-embeddings-inference tells of its model, of the first run; and everything of each run."""
    runs = list(service.server.runs.values())
    first = runs[0]
    numbered = {str(number): label for number, label in enumerate(first.labels)}
    return {
        "model_id": first.name,
        "model_sha": first.version,
        "model_type": {
            "classifier": {"id2label": numbered, "label2id": {label: number for number, label in numbered.items()}}
        },
        "max_input_length": first.max_length,
        "auto_truncate": True,
        "version": VERSION,
        "runs": [run_info(run) for run in runs],
        "index": str(service.index.folder.name) if service.index else None,
    }


async def _reload(service: Service, name: str | None) -> JSONResponse:
    failed = await service.server.reload(name)
    versions = {run.name: run.version for run in service.server.runs.values()}
    if failed:
        told = "; ".join(f"{run}: {error}" for run, error in failed.items())
        raise Refusal(422, f"the former version goes on answering: {told}")
    return JSONResponse({"versions": versions})
