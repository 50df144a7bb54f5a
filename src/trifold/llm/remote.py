"""A language model behind any server that speaks OpenAI's protocol: vLLM, Ollama, llama.cpp, `transformers serve`.

The key lives in the client alone. Whatever a server says, in an answer or in an error, is searched for it and cleaned
before it goes anywhere: some servers repeat the request's headers.
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit

from trifold.errors import LlmError
from trifold.llm.contract import Answer, FatalLlmError, OnText, Sampling, Speaker, TransientError
from trifold.llm.prompt import Conversation
from trifold.llm.settings import LlmSettings

PREFIX = "openai:"
_REMOVED = "[key removed]"
# English text has about so many characters to a token: the guess before a server has counted.
_CHARACTERS_PER_TOKEN = 4.0
_ERROR_CHARACTERS = 300
# What stands in for a key where none is needed ("EMPTY", "none") is no secret, and may be a word of an answer.
_SHORTEST_KEY = 8


class RemoteModel(Speaker):
    """A server and the name of one of its models.

    Args:
        address: `BASE_URL#MODEL`.
        settings: Time limits, and which environment variable holds the key.

    Raises:
        LlmError: If the address is none, or the openai package is missing.
    """

    parallel: ClassVar[bool] = True

    def __init__(self, address: str, settings: LlmSettings) -> None:
        self._url, self._model = _parse(address)
        self.name = self.identity = f"{PREFIX}{self._url}#{self._model}"
        self._key = os.environ.get(settings.api_key_env, "")
        self._key_name = settings.api_key_env
        self._timeout = settings.timeout_seconds
        self._limit_name = "max_tokens"
        self._client = _client(self._url, self._key, self._timeout)

    def shown(self, conversation: Conversation) -> str:
        """See `Speaker.shown`."""
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in conversation)

    def count_tokens(self, conversation: Conversation) -> int:
        """See `Speaker.count_tokens`. A few more for each message's role."""
        characters = sum(len(message.content) for message in conversation)
        return math.ceil(characters / _CHARACTERS_PER_TOKEN) + 4 * len(conversation)

    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """See `Speaker.complete`."""
        begun = time.perf_counter()
        asked: dict[str, Any] = {
            "model": self._model,
            "messages": [vars(message) for message in conversation],
            "temperature": sampling.temperature,
            self._limit_name: sampling.max_tokens,
        }
        if on_text:
            text, usage = self._guarded(lambda: self._stream(asked, on_text))
        else:
            text, usage = self._guarded(lambda: _whole(self._client.chat.completions.create(**asked)))
        return Answer(
            self._clean(text),
            usage.get("prompt_tokens") or self.count_tokens(conversation),
            usage.get("completion_tokens") or math.ceil(len(text) / _CHARACTERS_PER_TOKEN),
            time.perf_counter() - begun,
        )

    def _stream(self, asked: Mapping[str, Any], on_text: OnText) -> tuple[str, Mapping[str, int]]:
        pieces: list[str] = []
        usage: Mapping[str, int] = {}
        finished, deadline = False, time.monotonic() + self._timeout
        with self._client.chat.completions.create(**asked, stream=True) as stream:
            for chunk in stream:
                usage = _usage(chunk) or usage
                for choice in getattr(chunk, "choices", None) or ():
                    piece = getattr(choice.delta, "content", None)
                    if piece:
                        pieces.append(piece)
                        on_text(self._clean(piece))
                    finished = finished or bool(choice.finish_reason)
                if time.monotonic() > deadline and not finished:
                    raise TransientError(f"the answer took longer than {self._timeout:g} s")
        if not finished:
            raise TransientError("the connection was cut in the middle of the answer")
        return "".join(pieces), usage

    def _guarded(self, call: Callable[[], tuple[str, Mapping[str, int]]]) -> tuple[str, Mapping[str, int]]:
        """Make a call; what the client raises becomes an error of ours, with the key cleaned away.

        Raises:
            TransientError: If the call may be made again.
            LlmError: If this prompt is refused.
            FatalLlmError: If any prompt would be.
        """
        import openai

        try:
            return call()
        except openai.APITimeoutError:
            raise TransientError(f"no answer within {self._timeout:g} s") from None
        except openai.APIConnectionError as error:
            # What is known of the reason stands behind it: refused, reset, a name that does not exist.
            reason = f"{self._url} cannot be reached ({self._clean(_reason(error))})"
            raise TransientError(reason, unreachable=True) from None
        except openai.APIStatusError as error:
            raise self._refused(error.status_code, _reason(error), error.response.headers) from None
        except (openai.OpenAIError, ValueError, AttributeError, TypeError, KeyError, IndexError) as error:
            raise TransientError(f"the server's answer makes no sense ({self._clean(_reason(error))})") from None

    def _refused(self, status: int, reason: str, headers: Mapping[str, str]) -> Exception:
        """What an HTTP status means for the calls to come."""
        said = f"{self._url} answered {status}: {self._clean(reason)}"
        if status in (401, 403):
            return FatalLlmError(f"{said}; is the environment variable {self._key_name} set to a key for this server?")
        if status == 404:
            return FatalLlmError(f"{said}; check BASE_URL (most end in /v1) and MODEL of --llm {PREFIX}BASE_URL#MODEL")
        if status == 400 and "max_completion_tokens" in reason and self._limit_name == "max_tokens":
            # OpenAI's newer models take the limit under its new name alone, most other servers only under the old.
            self._limit_name = "max_completion_tokens"
            return TransientError(said, 0.0)
        if status in (408, 409, 425, 429) or status >= 500:
            return TransientError(said, _retry_after(headers))
        return LlmError(said)

    def _clean(self, text: str) -> str:
        return text.replace(self._key, _REMOVED) if len(self._key) >= _SHORTEST_KEY else text


def _parse(address: str) -> tuple[str, str]:
    url, hash_, model = address.partition("#")
    way_out = f"write {PREFIX}BASE_URL#MODEL, such as {PREFIX}http://localhost:8000/v1#my-model"
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        raise LlmError(f"--llm {PREFIX} is given no address of a server: {way_out}")
    if not hash_ or not model:
        raise LlmError(f"--llm names no model of {parts.hostname}: {way_out}")
    if parts.username or parts.password or parts.query:
        # It is not shown: it may well be a secret.
        raise LlmError(
            f"--llm has a password or a query in its address, which would be stored: put the key into an environment "
            f"variable and {way_out}"
        )
    return url.rstrip("/"), model


def _client(url: str, key: str, timeout: float) -> Any:
    try:
        import openai
    except ImportError:
        raise LlmError("--llm openai: needs the openai client: run pip install 'trifold[llm]'") from None
    # Retries are counted and logged, so they are ours. Servers of one's own mostly want no key, the client wants one.
    return openai.OpenAI(base_url=url, api_key=key or "none", timeout=timeout, max_retries=0)


def _whole(response: Any) -> tuple[str, Mapping[str, int]]:
    text = response.choices[0].message.content
    if not isinstance(text, str):
        raise TypeError("there is no text in it")
    return text, _usage(response)


def _usage(response: Any) -> Mapping[str, int]:
    usage = getattr(response, "usage", None)
    return {
        name: count
        for name in ("prompt_tokens", "completion_tokens")
        if isinstance(count := getattr(usage, name, None), int)
    }


def _reason(error: Exception) -> str:
    body = getattr(error, "body", None)
    said = body.get("message") or body.get("detail") if isinstance(body, dict) else None
    text = str(said or error.__cause__ or error)
    return (" ".join(text.split()) or type(error).__name__)[:_ERROR_CHARACTERS]


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        return float(headers.get("retry-after", ""))
    except ValueError:
        return None
