"""Labels for texts: `/predict` as text-embeddings-inference has it, and the forms of Hugging Face and SageMaker."""

import json
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from trifold.serve.http.inputs import Inputs, texts_of
from trifold.serve.http.json_bodies import JsonBody, JsonList, JsonRoute
from trifold.serve.http.long_answers import json_list
from trifold.serve.http.service import Service, answer_headers
from trifold.serve.replies import Reply, TextAnswer
from trifold.serve.served_run import ServedRun
from trifold.types import Text
from trifold.web.refusals import Refusal

_EXAMPLES = [{"inputs": "A quiet, wonderful film."}, {"inputs": ["Dull.", "Superb."], "parameters": {"top_k": 1}}]


class Parameters(JsonBody):
    """What is told of each text."""

    top_k: int | None = Field(default=None, ge=1, description="Only so many of the likeliest labels")
    truncate: bool | None = Field(default=None, description="Cut texts that are too long (the default), or refuse them")
    truncation: bool | None = Field(default=None, description="As truncate")
    reject_below: float | None = Field(default=None, ge=0, lt=1, description="Give no label where the run is less sure")
    verbose: bool = Field(default=False, description="An object for each text, instead of a list of labels")


class PredictRequest(JsonBody):
    """Texts to label."""

    inputs: Inputs
    model: str | JsonList[str] | None = Field(
        default=None,
        description="Name of the run; the first where none is given. Of several: an object of answers by name",
    )
    parameters: Parameters | None = None
    options: dict[str, Any] | None = Field(default=None, description="Taken for Hugging Face's clients; has no effect")
    truncate: bool | None = Field(default=None, description="As in parameters")
    top_k: int | None = Field(default=None, ge=1, description="As in parameters")
    reject_below: float | None = Field(default=None, ge=0, lt=1, description="As in parameters")
    verbose: bool = Field(default=False, description="As in parameters")
    raw_scores: bool = Field(default=False, description="Must be false: scores are calibrated probabilities")
    truncation_direction: str = Field(
        default="right", description="Must be right: what is cut is the run's own setting"
    )

    @property
    def cuts(self) -> bool:
        """Whether texts that are too long are cut."""
        parameters = self.parameters or Parameters()
        given = (self.truncate, parameters.truncate, parameters.truncation)
        return next((one for one in given if one is not None), True)


class LabelScore(BaseModel):
    """A label and its probability."""

    label: str
    score: float


class TextLabels(BaseModel):
    """What is told of a text where `verbose` asks for it."""

    labels: list[str] = Field(description="What is given; of a run with several labels those above their thresholds")
    confidence: float = Field(description="The probability that what is given is right as a whole")
    declined: bool = Field(description="Whether the run is less sure than reject_below")
    truncated: bool
    tokens: int
    scores: list[LabelScore]


_Texts = list[list[LabelScore]] | list[TextLabels]


def predict_routes(service: Service) -> APIRouter:
    """`POST /predict`, `/{run}/predict`, `/` and `/invocations`."""
    router = APIRouter(route_class=JsonRoute, tags=["labels"])
    told: dict[int | str, dict[str, Any]] = {
        200: {
            "model": _Texts | dict[str, _Texts],
            "description": "For each text its labels, the likeliest first; by the name of the run where several are "
            "asked",
        }
    }

    async def predict(request: Request, body: Annotated[PredictRequest, Body(examples=_EXAMPLES)]) -> Response:
        return await _answer(service, request, body, None)

    async def predict_by(
        request: Request, run: str, body: Annotated[PredictRequest, Body(examples=_EXAMPLES)]
    ) -> Response:
        return await _answer(service, request, body, run)

    for path, summary in (
        ("/predict", "Labels for texts"),
        ("/", "The same, where Hugging Face's clients ask"),
        ("/invocations", "The same, where SageMaker asks"),
    ):
        router.add_api_route(
            path, predict, methods=["POST"], response_model=None, responses=told, summary=summary,
            name=f"predict{path.replace('/', '_')}",
        )  # fmt: skip
    router.add_api_route(
        "/{run}/predict", predict_by, methods=["POST"], response_model=None, responses=told,
        summary="Labels by one of several runs", name="predict_by",
    )  # fmt: skip
    return router


async def _answer(service: Service, request: Request, body: PredictRequest, name: str | None) -> Response:
    runs = _runs(service, body.model, name)
    if body.raw_scores:
        raise Refusal(422, "raw_scores is not answered: scores are calibrated probabilities, leave it out")
    if body.truncation_direction.lower() != "right":
        raise Refusal(422, "truncation_direction is the run's own setting: leave it out")
    parameters = body.parameters or Parameters()
    top_k = body.top_k or parameters.top_k
    fewest = min(len(run.labels) for run in runs)
    if top_k is not None and top_k > fewest:
        raise Refusal(422, f"top_k {top_k}: the run has {fewest} labels, send 1 to {fewest}")
    least = parameters.reject_below if body.reject_below is None else body.reject_below
    texts = texts_of(body.inputs, pairs=runs[0].reads_pairs, most=service.server.texts_per_request)
    replies = await service.predict_each(request, runs, texts, truncate=body.cuts, reject_below=least)
    shape = _told_at_length if body.verbose or parameters.verbose else label_scores
    lists = [await json_list(shape(answer, run, top_k) for answer in replies[run.name].answers) for run in runs]
    # Runs that were asked together were computed together: the first one's times are those of all.
    headers = reply_headers(replies[runs[0].name], texts)
    headers["X-Run-Version"] = ", ".join(replies[run.name].version for run in runs)
    if not isinstance(body.model, list):
        return Response(lists[0], headers=headers, media_type="application/json")
    named = zip(runs, lists, strict=True)
    found = b",".join(json.dumps(run.name).encode() + b":" + answers for run, answers in named)
    return Response(b"{" + found + b"}", headers=headers, media_type="application/json")


def _runs(service: Service, model: str | list[str] | None, name: str | None) -> list[ServedRun]:
    """The runs that a request names."""
    if not isinstance(model, list):
        return [service.run(_one_name(name, model))]
    if name is not None:
        raise Refusal(422, f"the path names the run {name!r} and the body several: ask for those at /predict")
    if not model or len(set(model)) != len(model):
        raise Refusal(422, "model names no run, or one twice: send each name once")
    runs = [service.run(one) for one in model]
    if len({run.reads_pairs for run in runs}) > 1:
        raise Refusal(
            422, "model names runs that read pairs of texts and runs that read single ones: ask for them apart"
        )
    return runs


def label_scores(answer: TextAnswer, run: ServedRun, top_k: int | None = None) -> list[dict[str, Any]]:
    """The labels of a text with their probabilities, the likeliest first; none where the run declines."""
    if answer.declined:
        return []
    return [{"label": label, "score": score} for label, score in ranked(answer, run)[:top_k]]


def ranked(answer: TextAnswer, run: ServedRun) -> list[tuple[str, float]]:
    """The labels of a text with their probabilities, the likeliest first."""
    return sorted(zip(run.labels, answer.probabilities, strict=True), key=lambda pair: -pair[1])


def _told_at_length(answer: TextAnswer, run: ServedRun, top_k: int | None) -> dict[str, Any]:
    return {
        "labels": list(answer.labels),
        "confidence": answer.confidence,
        "declined": answer.declined,
        "truncated": answer.truncated,
        "tokens": answer.tokens,
        "scores": [{"label": label, "score": score} for label, score in ranked(answer, run)[:top_k]],
    }


def reply_headers(reply: Reply, texts: Sequence[Text]) -> dict[str, str]:
    """Where the time went, and of how many texts something is to be known."""
    answers = reply.answers
    tokens = sum(answer.tokens for answer in answers)
    return {
        **answer_headers(reply.timing, reply.version, sum(map(len, texts)), tokens),
        "X-Truncated": str(sum(answer.truncated for answer in answers)),
        "X-Declined": str(sum(answer.declined for answer in answers)),
    }


def _one_name(in_path: str | None, in_body: str | None) -> str | None:
    if in_path is not None and in_body is not None and in_path != in_body:
        raise Refusal(422, f"the path names the run {in_path!r} and the body {in_body!r}: name one")
    return in_path or in_body
