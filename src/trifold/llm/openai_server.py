"""A language model behind any server that speaks OpenAI's protocol: vLLM, Ollama, llama.cpp, `transformers serve`.

Only the HTTP client knows the key. It is removed from everything that a server sends, answers and errors alike, before
that is shown or logged: some servers repeat the request's headers. A server that is slow, sends without end or sends
nonsense makes the call fail, and nothing else.
"""

import math
import threading
import time
import weakref
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from trifold.errors import LlmError
from trifold.events import say
from trifold.formatting import server_address
from trifold.json_reading import parse_json
from trifold.llm.api_key import Secret
from trifold.llm.contract import Answer, FatalLlmError, OnText, Sampling, TextGenerator, TransientError
from trifold.llm.openai_client import open_client
from trifold.llm.openai_responses import failure_reason, read_answer, read_events, read_usage, refusal_reason
from trifold.llm.prompt_template import Conversation
from trifold.llm.response_limits import ResponseLimits
from trifold.llm.retry import is_retried, retry_after_seconds
from trifold.llm.settings import SERVER_PREFIX, LlmSettings
from trifold.terminal import PrintablePieces, printable

# English text has about this many characters per token; used until a server has counted.
_CHARACTERS_PER_TOKEN = 4.0
_ERROR_CHARACTERS = 300


class OpenAIServer(TextGenerator):
    """A server and the name of one of its models.

    Args:
        address: `BASE_URL#MODEL`.
        settings: Time limit of a call, and the environment variable that holds the key.

    Raises:
        LlmError: If the address or the key cannot be one, or the openai package is missing.
    """

    parallel: ClassVar[bool] = True

    def __init__(self, address: str, settings: LlmSettings) -> None:
        self._url, self._model = _parse_address(address)
        self.name = self.identity = f"{SERVER_PREFIX}{self._url}#{self._model}"
        self._secret = Secret(settings.api_key_env)
        self._key_name = settings.api_key_env
        self._timeout = settings.timeout_seconds
        self._limit_name = "max_tokens"
        self._limits = ResponseLimits()
        self._client = open_client(self._url, self._secret, self._limits)
        weakref.finalize(self, self._client.close)
        self._announced = False
        self._announcing = threading.Lock()

    def shown(self, conversation: Conversation) -> str:
        """See `TextGenerator.shown`."""
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in conversation)

    def count_tokens(self, conversation: Conversation) -> int:
        """See `TextGenerator.count_tokens`. A guess from the characters, plus a few tokens for each message's role."""
        characters = sum(len(message.content) for message in conversation)
        return math.ceil(characters / _CHARACTERS_PER_TOKEN) + 4 * len(conversation)

    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """See `TextGenerator.complete`. Before the first call, the user is told which server gets the texts."""
        self._announce()
        begun, limit = time.perf_counter(), self.room(conversation, sampling.max_tokens)
        asked: dict[str, Any] = {
            "model": self._model,
            "messages": [vars(message) for message in conversation],
            "temperature": sampling.temperature,
            self._limit_name: limit,
        }
        self._limits.begin(self._timeout, limit)
        text, usage = self._call(asked, on_text)
        return Answer(
            self._secret.removed(text),
            usage.get("prompt_tokens") or self.count_tokens(conversation),
            usage.get("completion_tokens") or math.ceil(len(text) / _CHARACTERS_PER_TOKEN),
            time.perf_counter() - begun,
        )

    def _announce(self) -> None:
        with self._announcing:
            if self._announced:
                return
            self._announced = True
            key = f"with the key in {self._key_name}" if self._secret.value else "without a key"
            say(printable(f"asking {self._model} at {server_address(self._url)}{_proxy_in_words(self._url)}, {key}"))

    def _call(self, asked: Mapping[str, Any], on_text: OnText | None) -> tuple[str, Mapping[str, int]]:
        """Make a call. Whatever goes wrong becomes an error of ours without a reference to the client's error.

        Raises:
            TransientError: If the call may be made again.
            LlmError: If the server refuses this prompt.
            FatalLlmError: If the server would refuse every prompt.
        """
        create = self._client.chat.completions.with_streaming_response.create
        try:
            if on_text:
                with create(**asked, stream=True) as response:
                    return self._streamed(response.iter_bytes(), on_text)
            with create(**asked) as response:
                return read_answer(parse_json(response.read()))
        except Exception as error:  # noqa: BLE001 - whatever the client raises means that the call failed
            our_error = self._our_error(error)
        # Raised outside the except block, or our error would refer to the client's error, which holds the key.
        raise our_error

    def _streamed(self, pieces: Iterable[bytes], on_text: OnText) -> tuple[str, Mapping[str, int]]:
        text: list[str] = []
        usage: Mapping[str, int] = {}
        finished = False
        removing = self._secret.removing(on_text)
        show = PrintablePieces(removing)
        try:
            for chunk in map(parse_json, read_events(pieces)):
                usage = read_usage(chunk) or usage
                for choice in chunk.get("choices") or ():
                    piece = (choice.get("delta") or {}).get("content")
                    if piece:
                        text.append(piece)
                        show(piece)
                    finished = finished or bool(choice.get("finish_reason"))
        except TransientError:
            # After a complete answer only the token counts are missing.
            if not finished:
                raise
        if not finished:
            raise TransientError("the connection was cut in the middle of the answer")
        show.end()
        removing.end()
        return "".join(text), usage

    def _our_error(self, error: Exception) -> Exception:
        """The error of ours that says what an error of the client means for further calls."""
        import openai

        if isinstance(error, TransientError):
            return TransientError(self._clean(error.reason), error.wait_seconds, unreachable=error.unreachable)
        if isinstance(error, openai.APIStatusError):
            return self._refused(error.status_code, self._clean(refusal_reason(error)), error.response.headers)
        if isinstance(error, openai.APIConnectionError):
            return TransientError(f"the connection to {self._url} broke off ({self._clean(failure_reason(error))})")
        return TransientError(f"the server's answer makes no sense ({self._clean(failure_reason(error))})")

    def _refused(self, status: int, reason: str, headers: Mapping[str, str]) -> Exception:
        """The error that says what an HTTP status means for further calls."""
        said = f"{self._url} answered {status}: {reason}"
        if status in (401, 403):
            return FatalLlmError(f"{said}; is the environment variable {self._key_name} set to a key for this server?")
        if status == 404:
            return FatalLlmError(
                f"{said}; check BASE_URL (most end in /v1) and MODEL of --llm {SERVER_PREFIX}BASE_URL#MODEL"
            )
        if 300 <= status < 400:
            target = self._clean(headers.get("location", "nowhere"))
            return FatalLlmError(
                f"{self._url} answered {status} and refers to {target}, which is not followed: if you trust that "
                f"address, give it with --llm {SERVER_PREFIX}BASE_URL#MODEL"
            )
        if status == 400 and "max_completion_tokens" in reason and self._limit_name == "max_tokens":
            # OpenAI's newer models accept only the new name of the limit, most other servers only the old one.
            self._limit_name = "max_completion_tokens"
            return TransientError(said, 0.0)
        if is_retried(status):
            return TransientError(said, retry_after_seconds(headers))
        return LlmError(said)

    def _clean(self, text: str) -> str:
        """A server's text as one line for a message: without the key, then cut, so that no part of the key is left."""
        return self._secret.removed(" ".join(printable(text).split()))[:_ERROR_CHARACTERS]


def _parse_address(address: str) -> tuple[str, str]:
    """Base URL and model of `BASE_URL#MODEL`.

    Raises:
        LlmError: If one is missing, or the URL holds a password or a query.
    """
    url, hash_, model = address.partition("#")
    way_out = f"write {SERVER_PREFIX}BASE_URL#MODEL, such as {SERVER_PREFIX}http://localhost:8000/v1#my-model"
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        raise LlmError(f"--llm {SERVER_PREFIX} is given no address of a server: {way_out}")
    if not hash_ or not model:
        raise LlmError(f"--llm names no model of {parts.hostname}: {way_out}")
    if parts.username or parts.password or parts.query:
        # The message does not show it, since it may be a secret.
        raise LlmError(
            f"--llm has a password or a query in its address, which would be stored: put the key into an environment "
            f"variable and {way_out}"
        )
    return url.rstrip("/"), model


def _proxy_in_words(url: str) -> str:
    """The proxy that the environment names for this address, for a message; its password is left out."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return ""
    return f" through the proxy {proxy.rpartition('@')[2].rpartition('//')[2].rstrip('/')}"
