"""What calls of any language-model server share: the address, the key, the limits, and errors in words.

Only the HTTP client knows the key. It is removed from everything that a server sends, answers and errors alike, before
that is shown or logged: some servers repeat the request's headers. A server that is slow, sends without end or sends
nonsense makes the call fail, and nothing else.
"""

import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from trifold.errors import LlmError
from trifold.events import say
from trifold.formatting import server_address
from trifold.json_reading import parse_json
from trifold.llm.api_key import Secret
from trifold.llm.contract import FatalLlmError, TransientError
from trifold.llm.openai_client import open_client
from trifold.llm.openai_responses import failure_reason, refusal_reason
from trifold.llm.response_limits import ResponseLimits
from trifold.llm.retry import is_retried, retry_after_seconds
from trifold.llm.server_address import parse_address, proxy_in_words
from trifold.llm.settings import LlmSettings
from trifold.terminal import printable

_ERROR_CHARACTERS = 300
_MODELS_SHOWN = 5
# The openai package then leaves it to us to read the answer.
_UNREAD = {"headers": {"X-Stainless-Raw-Response": "true"}}

Result = TypeVar("Result")


class RefusedError(LlmError):
    """A server does not accept this request, and would not if it were sent again.

    Args:
        message: What to tell the user.
        status: The HTTP status.
        reason: The server's reason, in lower case.
    """

    def __init__(self, message: str, status: int, reason: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class ServerConnection:
    """The way to one model of one server.

    Args:
        prefix: How `--llm` names servers of this kind, such as `openai:`.
        address: `BASE_URL#MODEL`.
        settings: Time limit of a call, and the environment variable that holds the key.

    Attributes:
        name: What `--llm` was given.
        model: The model's name.
        secret: The key.
        limits: What the current call may still take; `begin` is called before each.
        client: The openai package's client.

    Raises:
        LlmError: If the address or the key cannot be one, or the openai package is missing.
    """

    def __init__(self, prefix: str, address: str, settings: LlmSettings) -> None:
        self._prefix = prefix
        self._url, self.model = parse_address(prefix, address)
        self.name = f"{prefix}{self._url}#{self.model}"
        self.secret = Secret(settings.api_key_env)
        self._key_name = settings.api_key_env
        self._timeout = settings.timeout_seconds
        self.limits = ResponseLimits()
        self.client = open_client(self._url, self.secret, self.limits, prefix)
        weakref.finalize(self, self.client.close)
        self._announced = False
        self._announcing = threading.Lock()

    def begin(self, max_tokens: int) -> None:
        """Before each call: its limits start to count. Before the first, the user is told which server gets the texts.

        Args:
            max_tokens: The most tokens that its answer may have.
        """
        with self._announcing:
            if not self._announced:
                self._announced = True
                key = f"with the key in {self._key_name}" if self.secret.value else "without a key"
                place = f"{server_address(self._url)}{proxy_in_words(self._url)}"
                say(printable(f"asking {self.model} at {place}, {key}"))
        self.limits.begin(self._timeout, max_tokens)

    def post(self, path: str, body: Mapping[str, Any], read: Callable[[Any], Result]) -> Result:
        """Send JSON to a path below the base URL, and read the JSON that comes back.

        Args:
            path: Such as `/decisions`.
            body: What is sent.
            read: From the JSON to the result; whatever it raises means that the answer makes no sense.

        Raises:
            TransientError: If the call may be made again.
            LlmError: If the server refuses this request.
            FatalLlmError: If the server would refuse every request.
        """

        def send() -> Result:
            response = self.client.post(path, cast_to=object, body=dict(body), options=_UNREAD)
            return read(parse_json(response.http_response.content))

        return self.guarded(send)

    def guarded(self, act: Callable[[], Result]) -> Result:
        """The result of `act`; whatever goes wrong becomes an error of ours without a reference to the client's error.

        Raises:
            TransientError: If the call may be made again.
            LlmError: If the server refuses this request.
            FatalLlmError: If the server would refuse every request.
        """
        try:
            return act()
        except LlmError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client raises means that the call failed
            our_error = self._our_error(error)
        # Raised outside the except block, or our error would refer to the client's error, which holds the key.
        raise our_error

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
        if status == 403 and "logprobs" in reason:
            # OpenAI's models that reason forbid them in this way; the key is right.
            return RefusedError(said, status, reason.lower())
        if status in (401, 403):
            return FatalLlmError(f"{said}; is the environment variable {self._key_name} set to a key for this server?")
        if status == 404:
            check = f"check BASE_URL (most end in /v1) and MODEL of --llm {self._prefix}BASE_URL#MODEL"
            return FatalLlmError(f"{said}; {check}{self._models()}")
        if status == 501:
            # llama.cpp says so of a model that is not of the kind that was asked for.
            return FatalLlmError(f"{said}; name a model that does what --llm {self._prefix} asks for")
        if 300 <= status < 400:
            target = self._clean(headers.get("location", "nowhere"))
            return FatalLlmError(
                f"{self._url} answered {status} and refers to {target}, which is not followed: if you trust that "
                f"address, give it with --llm {self._prefix}BASE_URL#MODEL"
            )
        if is_retried(status):
            return TransientError(said, retry_after_seconds(headers), throttled=status in (429, 503))
        return RefusedError(said, status, reason.lower())

    def _models(self) -> str:
        """The models that the server says it has, for a message; nothing if it does not say."""
        try:
            found = parse_json(self.client.get("/models", cast_to=object, options=_UNREAD).http_response.content)
            names = [self._clean(str(one["id"])) for one in found["data"]][:_MODELS_SHOWN]
        except Exception:  # noqa: BLE001 - a help that may fail
            return ""
        return f"; the server has {', '.join(names)}" if names else ""

    def _clean(self, text: str) -> str:
        """A server's text as one line for a message: without the key, then cut, so that no part of the key is left."""
        return self.secret.removed(" ".join(printable(text).split()))[:_ERROR_CHARACTERS]
