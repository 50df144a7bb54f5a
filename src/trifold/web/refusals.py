"""Requests that are not answered: each gets a status, and `{"error", "error_type"}` with a sentence."""

from collections.abc import Mapping
from typing import Any

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse

from trifold.formatting import shortened

# Status to the kind of error, in the words of text-embeddings-inference where it has one.
KINDS = {
    400: "validation",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "timeout",
    413: "too_large",
    415: "unsupported_media_type",
    421: "wrong_host",
    422: "validation",
    429: "overloaded",
    431: "too_large",
    500: "backend",
    503: "unhealthy",
    504: "timeout",
    507: "backend",
}
_SHOWN_CHARACTERS = 300
# Of a sentence, which may quote what was sent.
_MOST_CHARACTERS = 2_000
_MORE = 3


class Refusal(HTTPException):
    """A request that is not answered.

    Args:
        status: HTTP status.
        sentence: What is wrong, and what to do instead.
        headers: Of the answer.
    """

    def __init__(self, status: int, sentence: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, sentence, dict(headers or {}))


def refused(status: int, sentence: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """The answer to a request that is refused."""
    body = {
        "error": shortened(sentence, _MOST_CHARACTERS),
        "error_type": KINDS.get(status, "validation" if status < 500 else "backend"),
    }
    return JSONResponse(body, status, dict(headers or {}))


def sentence_of(error: RequestValidationError) -> str:
    """What is wrong with a request, in words; of many faults the first few."""
    faults = list(dict.fromkeys(_fault(one) for one in error.errors()))
    more = len(faults) - _MORE
    return "; ".join(faults[:_MORE]) + (f"; and {more} more" if more > 0 else "")


def _fault(found: Mapping[str, Any]) -> str:
    place = [str(part) for part in found["loc"] if part != "body"]
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "json_invalid":
        return f"the body is no JSON: {found['ctx']['error']} at character {found['loc'][-1]}"
    if found["type"] == "missing" and place:
        return f"{'.'.join(place)} is missing"
    if not place and found["type"] in ("missing", "model_attributes_type", "model_type", "dict_type"):
        return "the body must be a JSON object"
    where = f"{'.'.join(place)[:_SHOWN_CHARACTERS]}: " if place else ""
    return f"{where}{message[:1].lower()}{message[1:_SHOWN_CHARACTERS]}"
