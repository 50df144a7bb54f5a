"""A language model behind any server that speaks OpenAI's protocol: vLLM, Ollama, llama.cpp, `transformers serve`.

The key lives in the client alone. Whatever a server says, in an answer or in an error, is searched for it and cleaned
before it goes anywhere: some servers repeat the request's headers. Whatever a server does, be it slow, endless or
senseless, is a call that failed.
"""

import math
import threading
import time
import weakref
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from trifold.errors import LlmError
from trifold.events import say
from trifold.json_reading import parse_json
from trifold.llm.api_key import Secret
from trifold.llm.contract import Answer, FatalLlmError, OnText, Sampling, TextGenerator, TransientError
from trifold.llm.prompt_template import Conversation
from trifold.llm.response_limits import LimitedBackend, ResponseLimits
from trifold.llm.settings import SERVER, LlmSettings
from trifold.terminal import PrintablePieces, printable

PREFIX = SERVER
# English text has about so many characters to a token: the guess before a server has counted.
_CHARACTERS_PER_TOKEN = 4.0
_ERROR_CHARACTERS = 300
# No prompt and no answer has as many; the log keeps 64 bits.
_MOST_TOKENS = 1 << 40
# The client adds what it knows of the machine and what OPENAI_ORG_ID, OPENAI_CUSTOM_HEADERS and others hold; of its
# own headers it needs the last.
_SENT_HEADERS = (
    *("accept", "accept-encoding", "connection", "content-length", "content-type", "host"),
    "x-stainless-raw-response",
)


class OpenAIServer(TextGenerator):
    """A server and the name of one of its models.

    Args:
        address: `BASE_URL#MODEL`.
        settings: Time limits, and which environment variable holds the key.

    Raises:
        LlmError: If the address is none, the key cannot be one, or the openai package is missing.
    """

    parallel: ClassVar[bool] = True

    def __init__(self, address: str, settings: LlmSettings) -> None:
        self._url, self._model = _parse(address)
        self.name = self.identity = f"{PREFIX}{self._url}#{self._model}"
        self._secret = Secret(settings.api_key_env)
        self._key_name = settings.api_key_env
        self._timeout = settings.timeout_seconds
        self._limit_name = "max_tokens"
        self._bounds = ResponseLimits()
        self._client = _client(self._url, self._secret, self._bounds)
        weakref.finalize(self, self._client.close)
        self._said = False
        self._saying = threading.Lock()

    def shown(self, conversation: Conversation) -> str:
        """See `TextGenerator.shown`."""
        return "\n\n".join(f"[{message.role}]\n{message.content}" for message in conversation)

    def count_tokens(self, conversation: Conversation) -> int:
        """See `TextGenerator.count_tokens`. A few more for each message's role."""
        characters = sum(len(message.content) for message in conversation)
        return math.ceil(characters / _CHARACTERS_PER_TOKEN) + 4 * len(conversation)

    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """See `TextGenerator.complete`. Before the first call it is said where it goes."""
        self._say_where()
        begun = time.perf_counter()
        asked: dict[str, Any] = {
            "model": self._model,
            "messages": [vars(message) for message in conversation],
            "temperature": sampling.temperature,
            self._limit_name: sampling.max_tokens,
        }
        self._bounds.begin(self._timeout, sampling.max_tokens)
        text, usage = self._call(asked, on_text)
        return Answer(
            self._secret.removed(text),
            usage.get("prompt_tokens") or self.count_tokens(conversation),
            usage.get("completion_tokens") or math.ceil(len(text) / _CHARACTERS_PER_TOKEN),
            time.perf_counter() - begun,
        )

    def _say_where(self) -> None:
        with self._saying:
            if self._said:
                return
            self._said = True
            parts = urlsplit(self._url)
            key = f"with the key in {self._key_name}" if self._secret.value else "without a key"
            say(printable(f"asking {self._model} at {parts.scheme}://{parts.netloc}{_through(self._url)}, {key}"))

    def _call(self, asked: Mapping[str, Any], on_text: OnText | None) -> tuple[str, Mapping[str, int]]:
        """Make a call; whatever goes wrong becomes an error of ours, and nothing of the client's hangs on it.

        Raises:
            TransientError: If the call may be made again.
            LlmError: If this prompt is refused.
            FatalLlmError: If any prompt would be.
        """
        create = self._client.chat.completions.with_streaming_response.create
        try:
            if on_text:
                with create(**asked, stream=True) as response:
                    return self._streamed(response.iter_bytes(), on_text)
            with create(**asked) as response:
                return _whole(parse_json(response.read()))
        except Exception as error:  # noqa: BLE001 - what a server does to its client is a call that failed, whatever it is
            fault = self._fault(error)
        # Here, and not where it was caught: the client's error, which an error of ours would refer to, has the key.
        raise fault

    def _streamed(self, pieces: Iterable[bytes], on_text: OnText) -> tuple[str, Mapping[str, int]]:
        text: list[str] = []
        usage: Mapping[str, int] = {}
        finished = False
        removing = self._secret.removing(on_text)
        show = PrintablePieces(removing)
        try:
            for chunk in map(parse_json, _events(pieces)):
                usage = _usage(chunk) or usage
                for choice in chunk.get("choices") or ():
                    piece = (choice.get("delta") or {}).get("content")
                    if piece:
                        text.append(piece)
                        show(piece)
                    finished = finished or bool(choice.get("finish_reason"))
        except TransientError:
            # What comes behind an answer that is whole is only its count of tokens.
            if not finished:
                raise
        if not finished:
            raise TransientError("the connection was cut in the middle of the answer")
        show.end()
        removing.end()
        return "".join(text), usage

    def _fault(self, error: Exception) -> Exception:
        """What an error of the client means for the calls to come."""
        import openai

        if isinstance(error, TransientError):
            return TransientError(self._clean(error.reason), error.wait_seconds, unreachable=error.unreachable)
        if isinstance(error, openai.APIStatusError):
            return self._refused(error.status_code, self._clean(_said(error)), error.response.headers)
        if isinstance(error, openai.APIConnectionError):
            return TransientError(f"the connection to {self._url} broke off ({self._clean(_reason(error))})")
        return TransientError(f"the server's answer makes no sense ({self._clean(_reason(error))})")

    def _refused(self, status: int, reason: str, headers: Mapping[str, str]) -> Exception:
        """What an HTTP status means for the calls to come."""
        said = f"{self._url} answered {status}: {reason}"
        if status in (401, 403):
            return FatalLlmError(f"{said}; is the environment variable {self._key_name} set to a key for this server?")
        if status == 404:
            return FatalLlmError(f"{said}; check BASE_URL (most end in /v1) and MODEL of --llm {PREFIX}BASE_URL#MODEL")
        if 300 <= status < 400:
            target = self._clean(headers.get("location", "nowhere"))
            return FatalLlmError(
                f"{self._url} answered {status} and refers to {target}, which is not followed: if you trust that "
                f"address, give it with --llm {PREFIX}BASE_URL#MODEL"
            )
        if status == 400 and "max_completion_tokens" in reason and self._limit_name == "max_tokens":
            # OpenAI's newer models take the limit under its new name alone, most other servers only under the old.
            self._limit_name = "max_completion_tokens"
            return TransientError(said, 0.0)
        if status in (408, 409, 425, 429) or status >= 500:
            return TransientError(said, _retry_after(headers))
        return LlmError(said)

    def _clean(self, text: str) -> str:
        """A server's words in one line of ours: without the key, and cut only then."""
        return self._secret.removed(" ".join(printable(text).split()))[:_ERROR_CHARACTERS]


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


def _through(url: str) -> str:
    """The proxy that the environment names for this address, in words; its password is not shown."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return ""
    return f" through the proxy {proxy.rpartition('@')[2].rpartition('//')[2].rstrip('/')}"


def _client(url: str, secret: Secret, bounds: ResponseLimits) -> Any:
    try:
        import openai
    except ImportError:
        raise LlmError("--llm openai: needs the openai client: run pip install 'trifold[llm]'") from None

    def sent(request: Any) -> None:
        for name in [name for name in request.headers if name not in _SENT_HEADERS]:
            del request.headers[name]
        if secret.value:
            request.headers["authorization"] = f"Bearer {secret.value}"

    def received(response: Any) -> None:
        # None was asked for, and a few bytes may unfold to gigabytes.
        if response.headers.get("content-encoding", "identity").lower() != "identity":
            raise TransientError("the server sent a compressed answer, which was not asked for")

    try:
        # A redirection would carry what is sent to a host that nobody named.
        http = openai.DefaultHttpxClient(
            follow_redirects=False,
            timeout=None,
            headers={"Accept-Encoding": "identity"},
            event_hooks={"request": [sent], "response": [received]},
        )
    except Exception:  # noqa: BLE001 - no address, an unknown kind, SOCKS without its package; it may hold a password
        raise LlmError(
            "no connection can be opened through the proxy that the environment names: give HTTPS_PROXY, HTTP_PROXY "
            "or ALL_PROXY as http://HOST:PORT, or unset it (socks5:// needs the package socksio)"
        ) from None
    for transport in [http._transport, *http._mounts.values()]:
        if transport is not None:
            # The pool takes a backend, but the client does not pass one on.
            transport._pool._network_backend = LimitedBackend(transport._pool._network_backend, bounds)
    # Retries are counted and logged, so they are ours.
    return openai.OpenAI(base_url=url, api_key=secret.value or "none", http_client=http, timeout=None, max_retries=0)


def _events(pieces: Iterable[bytes]) -> Iterator[str]:
    """The data of server-sent events, each a line of its own; comments and other fields are passed over."""
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


def _whole(response: Any) -> tuple[str, Mapping[str, int]]:
    text = response["choices"][0]["message"]["content"]
    if not isinstance(text, str):
        raise TypeError("there is no text in it")
    return text, _usage(response)


def _usage(response: Mapping[str, Any]) -> Mapping[str, int]:
    """The counts that can be ones."""
    usage = response.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return {
        name: count
        for name in ("prompt_tokens", "completion_tokens")
        if type(count := counts.get(name)) is int and 0 <= count < _MOST_TOKENS
    }


def _said(error: Any) -> str:
    """What a server says of a refusal: its message, or else all that it sent."""
    text = error.response.content.decode("utf-8", "replace").strip()
    try:
        body = parse_json(text)
    except ValueError:
        return text or _reason(error)
    found = body.get("error", body) if isinstance(body, dict) else None
    if isinstance(found, dict):
        found = found.get("message") or found.get("detail")
    return found if isinstance(found, str) and found else text


def _reason(error: Exception) -> str:
    return str(error.__cause__ or error) or type(error.__cause__ or error).__name__


def _retry_after(headers: Mapping[str, str]) -> float | None:
    try:
        seconds = float(headers.get("retry-after", ""))
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) else None
