"""The texts of a request, in the forms in which clients of several servers send them."""

from typing import Annotated, Any

from pydantic import WithJsonSchema

from trifold.data.columns import unusable_text
from trifold.serve.answers import require_few
from trifold.types import Text, TextPair
from trifold.web.refusals import Refusal

_PAIR = {
    "type": "object",
    "properties": {"text": {"type": "string"}, "text_pair": {"type": "string"}},
    "required": ["text", "text_pair"],
}
_TWO = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 2}
# One text or many; for a run that reads pairs, ["first", "second"], or {"text": …, "text_pair": …}, or many of these.
Inputs = Annotated[
    Any,
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "string"},
                _PAIR,
                {"type": "array", "items": {"anyOf": [{"type": "string"}, _TWO, _PAIR]}, "minItems": 1},
            ],
            "description": "A text or a list of texts. For a run that reads pairs of texts: a pair, as a list of two "
            "texts or as an object, or a list of pairs.",
        }
    ),
]


def texts_of(inputs: object, *, pairs: bool, name: str = "inputs", most: int | None = None) -> list[Text]:
    """The texts of a request.

    Args:
        inputs: As `Inputs` has it.
        pairs: Whether the run reads pairs.
        name: Of the field, for messages.
        most: Texts that there may be, which is looked at before each of a million is.

    Raises:
        Refusal: If they are none.
        TooManyTextsError: If they are more.
    """
    one = isinstance(inputs, str | dict) or (pairs and _is_two(inputs))
    found = [inputs] if one else inputs
    if not isinstance(found, list):
        raise Refusal(422, f"{name} must be a text or a list of texts")
    if not found:
        raise Refusal(422, f"{name} is empty: send at least one text")
    if most is not None:
        require_few(found, most)
    return [_text(item, f"{name}[{number}]" if not one else name, pairs=pairs) for number, item in enumerate(found)]


def single_text(value: object, name: str) -> str:
    """A text of a request.

    Raises:
        Refusal: If it is none, or empty.
    """
    reason = unusable_text(value)
    if reason is not None:
        raise Refusal(422, f"{name}: {reason}")
    return str(value)


def _text(item: object, name: str, *, pairs: bool) -> Text:
    if isinstance(item, dict):
        unknown = item.keys() - {"text", "text_pair"}
        if unknown or "text" not in item:
            raise Refusal(422, f'{name} must be {{"text": "…", "text_pair": "…"}}')
        item = [item["text"], item["text_pair"]] if item.get("text_pair") is not None else item["text"]
    if isinstance(item, list):
        if len(item) not in (1, 2):
            raise Refusal(422, f"{name} has {len(item)} texts: send one, or two for a pair")
        item = item[0] if len(item) == 1 else TextPair(single_text(item[0], name), single_text(item[1], name))
    if isinstance(item, TextPair):
        if not pairs:
            raise Refusal(422, f"{name} is a pair of texts, and this run reads single texts")
        return item
    text = single_text(item, name)
    if pairs:
        raise Refusal(422, f"{name} is a single text, and this run reads pairs: send two texts, as a list of two")
    return text


def _is_two(inputs: object) -> bool:
    return isinstance(inputs, list) and len(inputs) == 2 and all(isinstance(one, str) for one in inputs)
