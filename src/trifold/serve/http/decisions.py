"""Typed questions in the two forms in which decision servers are asked, answered by a trained run.

`POST /v1/systemone` is TypeSafe's form, `POST /v1/decisions` OpenAI's; `llm/decision_forms.py` is the other side.

Source: docs.litellm.ai/docs/decisions; docs.fireworks.ai/api-reference/post-systemone and post-decisions.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import JSONResponse

from trifold.serve.http.inputs import Inputs, texts_of
from trifold.serve.http.json_bodies import JsonList, JsonRoute
from trifold.serve.http.predict import reply_headers
from trifold.serve.http.service import Service
from trifold.serve.http.typed_questions import (
    Choice,
    Predicate,
    choice_of,
    confidence,
    predicate_of,
    require_short,
    unknown_kind,
)
from trifold.serve.replies import TextAnswer
from trifold.serve.served_run import ServedRun
from trifold.web.refusals import Refusal

_MOST_QUESTIONS = 2_000
# Of all questions together: each gets its probability in the answer.
_MOST_OPTIONS = 100_000


def _require_few(value: Any) -> Any:
    """Refuse very many questions, before something is told of each."""
    if isinstance(value, dict) and len(value) > _MOST_QUESTIONS:
        raise ValueError(f"there are {len(value):,} questions, and one request may have {_MOST_QUESTIONS:,}")
    return value


class SystemOneQuestion(BaseModel):
    """A question: `choice` between labels, or `noul`, the probability that a label applies."""

    # Other servers take more, such as an id for caching; it changes no answer here.
    model_config = ConfigDict(extra="ignore", strict=True)

    type: str
    instructions: Any = Field(default="", description="A noul names its label here, or is called by it")
    criteria: dict[str, Any] | JsonList[str] | None = Field(
        default=None, description="A choice's options, each a label of the run"
    )


class SystemOneRequest(BaseModel):
    """A text, and questions about it by their ids."""

    model_config = ConfigDict(extra="ignore", strict=True)

    model: str | None = Field(default=None, description="Name of the run; the first where none is given")
    state: Inputs
    questions: Annotated[dict[str, SystemOneQuestion], BeforeValidator(_require_few)] = Field(
        min_length=1, max_length=_MOST_QUESTIONS
    )


class DecisionOption(BaseModel):
    """One possible answer."""

    model_config = ConfigDict(extra="ignore", strict=True)

    value: str | bool | int
    description: Any = None


class DecisionQuestion(BaseModel):
    """A question: `choice` between labels, or `predicate`, the probability that a label applies."""

    model_config = ConfigDict(extra="ignore", strict=True)

    type: str
    name: str | None = None
    instructions: Any = Field(default="", description="A predicate names its label here, or is called by it")
    choices: JsonList[DecisionOption] | None = None


class DecisionRequest(BaseModel):
    """A text, or messages of a user, and a list of questions."""

    model_config = ConfigDict(extra="ignore", strict=True)

    model: str | None = Field(default=None, description="Name of the run; the first where none is given")
    input: Inputs
    questions: JsonList[DecisionQuestion] = Field(min_length=1, max_length=_MOST_QUESTIONS)


class DecisionUsage(BaseModel):
    """Tokens that were read; none is written."""

    input_tokens: int
    output_tokens: int
    total_tokens: int


class SystemOneAnswer(BaseModel):
    """Answers by the ids of their questions."""

    model: str
    answers: dict[str, dict[str, Any]]
    usage: DecisionUsage


class DecisionAnswer(BaseModel):
    """Answers in the order of their questions."""

    model: str
    answers: list[dict[str, Any]]
    usage: DecisionUsage


def decision_routes(service: Service) -> APIRouter:
    """`POST /v1/systemone` and `POST /v1/decisions`."""
    router = APIRouter(route_class=JsonRoute, tags=["decisions"])

    by_id: dict[int | str, dict[str, Any]] = {200: {"model": SystemOneAnswer}}
    in_order: dict[int | str, dict[str, Any]] = {200: {"model": DecisionAnswer}}

    @router.post("/v1/systemone", response_model=None, responses=by_id, summary="Typed questions, in TypeSafe's form")
    async def systemone(request: Request, body: SystemOneRequest) -> JSONResponse:
        run = service.run(body.model)
        require_short(one.instructions for one in body.questions.values())
        asked = {name: _system_one_question(run, name, one) for name, one in body.questions.items()}
        _require_few_options(asked.values())

        def answers(found: TextAnswer) -> dict[str, Any]:
            return {name: _system_one_answer(question, found) for name, question in asked.items()}

        return await _decide(service, request, run, body.state, "state", answers)

    @router.post("/v1/decisions", response_model=None, responses=in_order, summary="Typed questions, in OpenAI's form")
    async def decisions(request: Request, body: DecisionRequest) -> JSONResponse:
        run = service.run(body.model)
        require_short(one.instructions for one in body.questions)
        asked = [(one, _decision_question(run, one.name or str(n), one)) for n, one in enumerate(body.questions, 1)]
        _require_few_options([question for _, question in asked])

        def answers(found: TextAnswer) -> list[dict[str, Any]]:
            return [_decision_answer(one, question, found) for one, question in asked]

        return await _decide(service, request, run, _last_texts(body.input), "input", answers)

    return router


async def _decide(
    service: Service, request: Request, run: ServedRun, state: object, field: str, answers: Any
) -> JSONResponse:
    texts = texts_of([state], pairs=run.reads_pairs, name=field)
    reply = await service.predict(request, run, texts)
    (found,) = reply.answers
    usage = {"input_tokens": found.tokens, "output_tokens": 0, "total_tokens": found.tokens}
    body = {"model": run.name, "answers": answers(found), "usage": usage}
    return JSONResponse(body, headers=reply_headers(reply, texts))


def _system_one_question(run: ServedRun, name: str, asked: SystemOneQuestion) -> Choice | Predicate:
    if asked.type == "choice":
        return choice_of(run, name, list(asked.criteria or ()))
    if asked.type == "noul":
        return predicate_of(run, name, str(asked.instructions))
    raise unknown_kind(run, name, asked.type, ("choice", "noul"))


def _decision_question(run: ServedRun, name: str, asked: DecisionQuestion) -> Choice | Predicate:
    if asked.type == "choice":
        return choice_of(run, name, [_as_label(one.value) for one in asked.choices or ()])
    if asked.type == "predicate":
        return predicate_of(run, name, str(asked.instructions))
    raise unknown_kind(run, name, asked.type, ("choice", "predicate"))


def _require_few_options(questions: Iterable[Choice | Predicate]) -> None:
    if sum(len(one.options) for one in questions if isinstance(one, Choice)) > _MOST_OPTIONS:
        raise Refusal(413, f"the questions have more than {_MOST_OPTIONS:,} options: send fewer questions")


def _as_label(value: str | bool | int) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _system_one_answer(question: Choice | Predicate, found: TextAnswer) -> dict[str, Any]:
    if isinstance(question, Predicate):
        return {"type": "noul", "noul": question.probability(found)}
    shares = question.probabilities(found)
    best = max(shares, key=shares.__getitem__)
    return {"type": "choice", "choice": best, "confidence": confidence(shares), "probabilities": shares}


def _decision_answer(asked: DecisionQuestion, question: Choice | Predicate, found: TextAnswer) -> dict[str, Any]:
    if isinstance(question, Predicate):
        return {"type": "predicate", "name": asked.name, "probability": question.probability(found)}
    shares = question.probabilities(found)
    given = {_as_label(one.value): one.value for one in asked.choices or ()}
    listed = [{"value": given.get(option, option), "probability": share} for option, share in shares.items()]
    best = max(shares, key=shares.__getitem__)
    return {
        "type": "choice",
        "name": asked.name,
        "choice": given.get(best, best),
        "confidence": confidence(shares),
        "probabilities": listed,
    }


def _last_texts(given: object) -> object:
    """What messages of a user say, one below the other; anything else as it is."""
    if not isinstance(given, list) or not all(isinstance(one, Mapping) for one in given):
        return given
    said: list[str] = []
    for message in given:
        if "content" not in message:
            # A pair as an object, or nothing that is known: told by whoever reads the texts.
            return given[0] if len(given) == 1 else given
        if message.get("role", "user") != "user":
            raise Refusal(422, f"input has a message of {message.get('role')!r}: a run reads what the user says alone")
        said += _parts(message["content"])
    return "\n".join(said)


def _parts(content: object) -> Sequence[str]:
    if isinstance(content, str):
        return [content]
    parts = content if isinstance(content, list) else [content]
    texts = [part.get("text") if isinstance(part, Mapping) else None for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise Refusal(422, "input has a part that is no text: a run reads texts alone")
    return [str(text) for text in texts]
