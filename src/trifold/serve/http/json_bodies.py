"""Bodies of requests as JSON: what cannot be read is refused in a sentence, before anything looks at it."""

import json
from collections.abc import Callable, Coroutine
from typing import Annotated, Any, NoReturn, TypeVar

from fastapi import Request, Response
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, model_validator

from trifold.web.refusals import Refusal

_MOST_FIELDS, _MOST_LEVELS = 100, 100
_Item = TypeVar("_Item")
# A list whose first fault is told alone: a fault for each of a million items would take seconds and a gigabyte.
JsonList = Annotated[list[_Item], Field(fail_fast=True)]


class JsonBody(BaseModel):
    """A JSON object whose fields are known, each of the type that it must have."""

    model_config = ConfigDict(extra="forbid", strict=True)

    @model_validator(mode="before")
    @classmethod
    def _require_few(cls, value: Any) -> Any:
        """Refuse an object of very many fields, before each of them is told of as unknown."""
        if isinstance(value, dict) and len(value) > _MOST_FIELDS:
            raise ValueError(f"it has {len(value):,} fields: send those that /docs lists")
        return value


class JsonRequest(Request):
    """A request whose body is read more strictly than the standard library does."""

    async def json(self) -> Any:
        """The body.

        Raises:
            Refusal: If it is no JSON that can be used.
        """
        return read_json(await self.body())


class JsonRoute(APIRoute):
    """A route whose body, where it takes one, must be JSON and say so."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """See `APIRoute.get_route_handler`."""
        handle, takes_body = super().get_route_handler(), self.body_field is not None

        async def checked(request: Request) -> Response:
            if takes_body and _has_body(request):
                _require_json(request.headers.get("content-type", ""))
            return await handle(JsonRequest(request.scope, request.receive))

        return checked


def read_json(body: bytes) -> Any:
    """JSON as RFC 8259 has it: UTF-8, and no number that is infinite or none.

    Raises:
        Refusal: If it is none, or nested too deeply.
    """
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Refusal(422, f"the body is no UTF-8 text: byte {error.start} cannot be read") from None
    try:
        found = json.loads(text, parse_constant=_no_number, parse_int=_whole_number)
    except json.JSONDecodeError as error:
        raise Refusal(422, f"the body is no JSON: {error.msg} at character {error.pos}") from None
    except RecursionError:
        raise _too_deep() from None
    _require_shallow(found)
    if "\\u" in text and _has_half_a_pair(text):
        require_whole_characters(found)
    return found


def require_whole_characters(value: Any) -> None:
    """Refuse strings with half of a surrogate pair, which is no character: no model could read it.

    Raises:
        Refusal: If there is one.
    """
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            if any("\ud800" <= character <= "\udfff" for character in one):
                raise Refusal(
                    422, "a text holds half of a pair of surrogates (\\ud800 to \\udfff), which is no character"
                )
        elif isinstance(one, dict):
            waiting += [*one, *one.values()]
        elif isinstance(one, list):
            waiting += one


def _require_shallow(value: Any) -> None:
    """Refuse lists and objects in one another, of which even writing down what is wrong would fail."""
    level = [value]
    for _ in range(_MOST_LEVELS + 1):
        inside = (one.values() if isinstance(one, dict) else one for one in level if isinstance(one, dict | list))
        level = [one for ones in inside for one in ones if isinstance(one, dict | list)]
        if not level:
            return
    raise _too_deep()


def _too_deep() -> Refusal:
    return Refusal(422, "the body is nested too deeply: send an object as the documentation shows it")


def _has_half_a_pair(text: str) -> bool:
    lowered = text.lower()
    return any(f"\\ud{digit}" in lowered for digit in "89abcdef")


def _no_number(word: str) -> NoReturn:
    raise Refusal(422, f"{word} is no JSON: send numbers that are finite")


def _whole_number(digits: str) -> int:
    if len(digits) > 100:
        raise Refusal(422, "a number has more than 100 digits: send one that can be meant")
    return int(digits)


def _has_body(request: Request) -> bool:
    return "transfer-encoding" in request.headers or request.headers.get("content-length", "0") != "0"


def _require_json(content_type: str) -> None:
    """Refuse a body that does not say that it is JSON: a form of another site's page could be sent otherwise.

    Raises:
        Refusal: If it does not.
    """
    kind = content_type.partition(";")[0].strip().lower()
    if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
        raise Refusal(415, "send the body as JSON, with the header Content-Type: application/json")
