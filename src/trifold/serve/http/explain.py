"""Which words of a text decided."""

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter, Request
from pydantic import Field
from starlette.responses import JSONResponse

from trifold.explanations.explanation import Explanation
from trifold.explanations.settings import ExplanationSettings
from trifold.serve.http.inputs import single_text
from trifold.serve.http.json_bodies import JsonBody, JsonRoute
from trifold.serve.http.service import Service, until_gone
from trifold.web.request_log import tell

# Of one request; the command line has no limit.
_MOST_EVALUATIONS, _MOST_WORDS = 1_000, 50


class ExplainRequest(JsonBody):
    """A text whose label is to be explained."""

    text: str
    model: str | None = Field(default=None, description="Name of the run; the first where none is given")
    label: str | None = Field(default=None, description="The label to explain; the one that is given by default")
    words: int = Field(default=5, ge=1, le=_MOST_WORDS, description="Name so many deciding words")
    evaluations: int | None = Field(
        default=None, ge=20, le=_MOST_EVALUATIONS, description="Ask the run at most so often"
    )


def explain_routes(service: Service) -> APIRouter:
    """`POST /explain`."""
    router = APIRouter(route_class=JsonRoute, tags=["labels"])

    @router.post("/explain", response_model=None, summary="Which words of a text decided")
    async def explain(request: Request, body: ExplainRequest) -> JSONResponse:
        run, text = service.run(body.model), single_text(body.text, "text")
        settings = ExplanationSettings(label=body.label, words=body.words, evaluations=body.evaluations)
        reply = await until_gone(request, service.server.explain(run.name, text, settings))
        tell(request.scope, run=run.name, version=reply.version, texts=1)
        headers = {"X-Run-Version": reply.version, "X-Compute-Time": f"{1_000 * reply.seconds:.0f}"}
        return JSONResponse(explained(reply.explanation), headers=headers)

    return router


def explained(found: Explanation) -> dict[str, Any]:
    """An explanation as `trifold explain --json` tells it, without the text."""
    told = asdict(found)
    del told["text"]
    predicted = found.predicted if isinstance(found.predicted, tuple) else (found.predicted,)
    return {**told, "label": str(found.label), "predicted": [str(label) for label in predicted]}
