"""Documents of an index that answer a query."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse

from trifold.documents.search.fitting import nothing_fits
from trifold.documents.search.query import SearchIndex
from trifold.pipeline.search import as_json
from trifold.serve.errors import QueueFullError
from trifold.serve.http.inputs import single_text
from trifold.serve.http.json_bodies import JsonBody, JsonRoute
from trifold.serve.http.service import Service, until_gone
from trifold.web.refusals import Refusal
from trifold.web.request_log import tell

_WAITING, _MOST_ANSWERS = 64, 1_000


class SearchRequest(JsonBody):
    """What is looked for."""

    query: str
    top_k: int = Field(default=10, ge=1, le=_MOST_ANSWERS)
    where: str | None = Field(default=None, description="Condition on the documents' columns, such as year >= 2020")


def search_routes(service: Service) -> APIRouter:
    """`POST /search`."""
    router = APIRouter(route_class=JsonRoute, tags=["documents"])
    # One thread: each search uses all cores by itself.
    thread = ThreadPoolExecutor(1, "search")
    waiting = 0

    @router.post("/search", response_model=None, summary="Documents that answer a query")
    async def search(request: Request, body: SearchRequest) -> JSONResponse:
        nonlocal waiting
        if service.index is None:
            raise Refusal(404, "this server has no index of documents: start it with --index FOLDER")
        query = single_text(body.query, "query")
        if waiting >= _WAITING:
            raise QueueFullError(f"{waiting} searches are waiting already: try again later", 1.0)
        waiting += 1
        try:
            running = asyncio.get_running_loop().run_in_executor(thread, _answers, service.index, query, body)
            found = await until_gone(request, running)
        finally:
            waiting -= 1
        tell(request.scope, texts=1)
        return JSONResponse(found)

    return router


def _answers(index: SearchIndex, query: str, body: SearchRequest) -> dict[str, Any]:
    answers = index.search(query, body.top_k, where=body.where)
    return {"nothing_fits": nothing_fits(index, query, answers), "answers": [as_json(answer) for answer in answers]}
