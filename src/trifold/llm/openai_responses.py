"""What an OpenAI-compatible server sends, read strictly: whole answers, streamed pieces, token counts, refusals."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trifold.json_reading import parse_json

# More tokens than any prompt or answer has; the log stores counts in 64 bits.
_MAX_TOKENS = 1 << 40


def read_answer(response: Any) -> tuple[str, Mapping[str, int]]:
    """Text and token counts of an answer that was not streamed.

    Raises:
        KeyError, IndexError, TypeError: If the JSON has another form.
    """
    text = response["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise TypeError("there is no text in it")
    return text, read_usage(response)


def read_usage(response: Mapping[str, Any]) -> Mapping[str, int]:
    """The token counts in an answer, as far as they are plausible numbers."""
    usage = response.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return {
        name: count
        for name in ("prompt_tokens", "completion_tokens")
        if type(count := counts.get(name)) is int and 0 <= count < _MAX_TOKENS
    }


def read_events(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of server-sent events, one line each; comments and other fields are left out.

    Args:
        pieces: The body, as the bytes arrive.
    """
    rest = bytearray()
    for piece in pieces:
        rest += piece
        if b"\n" not in piece:
            continue
        *lines, last = bytes(rest).split(b"\n")
        rest = bytearray(last)
        for line in lines:
            name, _, value = line.decode("utf-8").strip().partition(":")
            if name != "data":
                continue
            if value.strip() == "[DONE]":
                return
            yield value


def refusal_reason(error: Any) -> str:
    """Why a server refused a call: the message in its answer, or else the whole answer.

    Args:
        error: The openai package's `APIStatusError`.
    """
    text = error.response.content.decode("utf-8", "replace").strip()
    try:
        body = parse_json(text)
    except ValueError:
        return text or failure_reason(error)
    found = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(found, dict):
        found = found.get("message") or found.get("detail")
    return found if isinstance(found, str) and found else text


def failure_reason(error: Exception) -> str:
    """Why a call failed before there was an answer: the text of the error's cause, or else its type."""
    cause = error.__cause__ or error
    return str(cause) or type(cause).__name__
