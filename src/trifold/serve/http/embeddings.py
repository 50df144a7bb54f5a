"""Vectors for texts in OpenAI's form, and how alike texts are."""

import base64
import json
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from trifold.serve.answers import require_few
from trifold.serve.http.inputs import Inputs, single_text, texts_of
from trifold.serve.http.json_bodies import JsonBody, JsonList, JsonRoute
from trifold.serve.http.long_answers import json_list
from trifold.serve.http.service import Service, answer_headers, until_gone
from trifold.serve.replies import EmbedReply
from trifold.types import single_texts
from trifold.web.request_log import tell


class EmbeddingsRequest(JsonBody):
    """Texts to embed."""

    input: Inputs
    model: str | None = Field(default=None, description="Name of the run; the first where none is given")
    encoding_format: Literal["float", "base64"] = Field(
        default="float", description="base64: little-endian 32-bit floats"
    )
    dimensions: int | None = Field(default=None, ge=1, description="Numbers of a vector that are kept, the first ones")
    prompt_name: str | None = Field(default=None, description="A prompt that the model knows, such as query")
    user: str | None = Field(default=None, description="Taken for OpenAI's clients; has no effect")


class Embedding(BaseModel):
    """The vector of a text."""

    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class Usage(BaseModel):
    """Tokens that were read."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """The vectors of some texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class Comparison(JsonBody):
    """A text, and those that it is compared with."""

    source_sentence: str
    sentences: JsonList[str] = Field(min_length=1)


class SimilarityRequest(JsonBody):
    """Texts to compare, as text-embeddings-inference has it."""

    inputs: Comparison
    model: str | None = Field(default=None, description="Name of the run; the first where none is given")
    parameters: dict[str, Any] | None = Field(
        default=None, description="Taken for other clients; must be empty", max_length=0
    )


def embedding_routes(service: Service) -> APIRouter:
    """`POST /v1/embeddings` and `POST /similarity`."""
    router = APIRouter(route_class=JsonRoute, tags=["vectors"])

    told: dict[int | str, dict[str, Any]] = {200: {"model": EmbeddingsAnswer}}

    @router.post("/v1/embeddings", response_model=None, responses=told, summary="Vectors of texts, in OpenAI's form")
    async def embeddings(request: Request, body: EmbeddingsRequest) -> Response:
        run = service.run(body.model)
        texts = single_texts(texts_of(body.input, pairs=False, name="input", most=service.server.texts_per_request))
        work = service.server.embed(run.name, texts, dimensions=body.dimensions, prompt_name=body.prompt_name)
        reply = await until_gone(request, work)
        tokens = _tell(request, run.name, reply)
        vectors = (_encoded(vector, body.encoding_format) for vector in reply.vectors)
        data = await json_list(
            {"object": "embedding", "index": n, "embedding": vector} for n, vector in enumerate(vectors)
        )
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        told = json.dumps({"object": "list", "model": run.name, "usage": usage}).encode()
        answer = told[:-1] + b', "data": ' + data + b"}"
        return Response(answer, headers=_headers(reply, texts, tokens), media_type="application/json")

    cosines: dict[int | str, dict[str, Any]] = {200: {"model": list[float]}}

    @router.post(
        "/similarity", response_model=None, responses=cosines, summary="How alike a text is to others: cosines"
    )
    async def similarity(request: Request, body: SimilarityRequest) -> JSONResponse:
        run, compared = service.run(body.model), body.inputs
        require_few(compared.sentences, service.server.texts_per_request)
        texts = [single_text(compared.source_sentence, "inputs.source_sentence")]
        texts += [single_text(one, f"inputs.sentences[{n}]") for n, one in enumerate(compared.sentences)]
        reply = await until_gone(request, service.server.embed(run.name, texts))
        tokens = _tell(request, run.name, reply)
        lengths = np.linalg.norm(reply.vectors, axis=1, keepdims=True)
        units = reply.vectors / np.maximum(lengths, np.finfo(np.float32).tiny)
        found = (units[1:] @ units[0]).clip(-1, 1).tolist()
        return JSONResponse(found, headers=_headers(reply, texts, tokens))

    return router


def _encoded(vector: np.ndarray, form: str) -> str | list[float]:
    if form == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode("ascii")
    found: list[float] = vector.tolist()
    return found


def _tell(request: Request, run: str, reply: EmbedReply) -> int:
    tokens = sum(reply.tokens)
    facts = {"run": run, "version": reply.version, "texts": len(reply.tokens), "tokens": tokens}
    tell(request.scope, **facts, truncated=sum(reply.truncated))
    return tokens


def _headers(reply: EmbedReply, texts: list[str], tokens: int) -> dict[str, str]:
    told = answer_headers(reply.timing, reply.version, sum(map(len, texts)), tokens)
    return {**told, "X-Truncated": str(sum(reply.truncated))}
