"""What an OpenAI-compatible server sends, read strictly: whole answers, streamed pieces, token counts, refusals.

Servers differ: some leave out the token counts, some send what the model thought before it answered, in a field of its
own or between `<think>` and `</think>`, some send the text in parts.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trifold.errors import LlmError
from trifold.json_reading import parse_json
from trifold.llm.thoughts import without_thoughts
from trifold.llm.token_probabilities import TokenPlace

# More tokens than any prompt or answer has; the log stores counts in 64 bits.
_MAX_TOKENS = 1 << 40


def read_answer(response: Any) -> tuple[str, Mapping[str, int]]:
    """Text and token counts of an answer that was not streamed.

    Raises:
        KeyError, IndexError, TypeError: If the JSON has another form.
        LlmError: If all tokens of the answer went into thoughts.
    """
    choice = response["choices"][0]
    message = choice["message"]
    text = _whole_text(message.get("content"))
    if not text and _thought_apart(message):
        if choice.get("finish_reason") == "length":
            raise all_thought()
        text = ""
    if text is None:
        raise TypeError("there is no text in it")
    answer = without_thoughts(text)
    if answer is None:
        raise all_thought()
    return answer, read_usage(response)


def all_thought() -> LlmError:
    """The error for an answer that never got beyond the model's thoughts."""
    return LlmError("all tokens of the answer went into the model's thoughts: give more with --max-tokens")


def read_places(response: Any) -> list[TokenPlace]:
    """The log-probabilities of an answer's tokens, as far as the server sent them.

    Two forms are read: OpenAI's, which vLLM, llama.cpp and Ollama share, and the one of the older completions.

    Raises:
        KeyError, IndexError, TypeError, ValueError: If the JSON has neither form.
    """
    found = response["choices"][0].get("logprobs")
    if not isinstance(found, dict):
        return []
    if isinstance(found.get("tokens"), list):
        tops = found.get("top_logprobs") or [{}] * len(found["tokens"])
        rows = zip(found["tokens"], found["token_logprobs"], tops, strict=True)
        return [_place(token, score, list((top or {}).items())) for token, score, top in rows]
    return [
        _place(_token(one), one["logprob"], [(_token(top), top["logprob"]) for top in one.get("top_logprobs") or ()])
        for one in found.get("content") or ()
    ]


def _place(written: str, score: Any, others: list[tuple[str, Any]]) -> TokenPlace:
    tokens = others if any(token == written for token, _ in others) else [(written, score), *others]
    return TokenPlace(written, tuple((token, _probability(one)) for token, one in tokens))


def _token(found: Mapping[str, Any]) -> str:
    """A token's text. A token may end within a character, which only its bytes tell."""
    raw = found.get("bytes")
    if isinstance(raw, list) and raw and all(type(one) is int and 0 <= one < 256 for one in raw):
        return bytes(raw).decode("utf-8", "ignore")
    text = found["token"]
    if not isinstance(text, str):
        raise TypeError("a token is no text")
    return text


def _probability(score: Any) -> float:
    if isinstance(score, bool) or not isinstance(score, int | float):
        raise TypeError("a log-probability is no number")
    return math.exp(min(float(score), 0.0))


def _whole_text(content: Any) -> str | None:
    """The text of a message, which some servers send in parts; `None` if there is none."""
    if isinstance(content, list):
        parts = [one.get("text") for one in content if isinstance(one, dict) and one.get("type") == "text"]
        return "".join(part for part in parts if isinstance(part, str)) if parts else None
    return content if isinstance(content, str) else None


def _thought_apart(message: Mapping[str, Any]) -> bool:
    """Whether a message has thoughts in a field of their own."""
    return any(isinstance(message.get(name), str) and message[name] for name in ("reasoning_content", "reasoning"))


def read_usage(response: Mapping[str, Any]) -> Mapping[str, int]:
    """The token counts in an answer, as far as they are plausible numbers.

    Chat answers and answers of decision servers have different names for them.
    """
    usage = response.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    names = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}
    return {
        name: count
        for name, other in names.items()
        if type(count := counts.get(name, counts.get(other))) is int and 0 <= count < _MAX_TOKENS
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
