"""The HTTP client for language-model servers: it sends no more than is needed, and every call is limited."""

from typing import Any

from trifold.errors import LlmError
from trifold.llm.api_key import Secret
from trifold.llm.contract import TransientError
from trifold.llm.response_limits import LimitedBackend, ResponseLimits

# The openai package adds headers about the machine, and what OPENAI_ORG_ID, OPENAI_CUSTOM_HEADERS and others hold; all
# but these are removed. The package itself needs the last one.
_SENT_HEADERS = (
    *("accept", "accept-encoding", "connection", "content-length", "content-type", "host"),
    "x-stainless-raw-response",
)


def open_client(url: str, secret: Secret, limits: ResponseLimits, prefix: str) -> Any:
    """The openai package's client for a server.

    Args:
        url: The server's base URL.
        secret: Its key.
        limits: Seconds and bytes that a call may take.
        prefix: How `--llm` names servers of this kind, for a message.

    Raises:
        LlmError: If the openai package is missing, or no connection can be made through the environment's proxy.
    """
    try:
        import openai
    except ImportError:
        raise LlmError(f"--llm {prefix} needs the openai client: run pip install 'trifold[llm]'") from None

    def before_request(request: Any) -> None:
        for name in [name for name in request.headers if name not in _SENT_HEADERS]:
            del request.headers[name]
        if secret.value:
            request.headers["authorization"] = f"Bearer {secret.value}"

    try:
        http = openai.DefaultHttpxClient(
            # A redirection would carry the request to a host that the user did not name.
            follow_redirects=False,
            timeout=None,
            headers={"Accept-Encoding": "identity"},
            event_hooks={"request": [before_request], "response": [_refuse_compression]},
        )
    except Exception:  # noqa: BLE001 - no URL, an unknown scheme, SOCKS without its package; the text may hold a password
        raise LlmError(
            "no connection can be opened through the proxy that the environment names: give HTTPS_PROXY, HTTP_PROXY "
            "or ALL_PROXY as http://HOST:PORT, or unset it (socks5:// needs the package socksio)"
        ) from None
    for transport in [http._transport, *http._mounts.values()]:
        if transport is not None:
            # The pool accepts a backend, but the client does not pass one on.
            transport._pool._network_backend = LimitedBackend(transport._pool._network_backend, limits)
    # No retries here: our own are counted and logged.
    return openai.OpenAI(base_url=url, api_key=secret.value or "none", http_client=http, timeout=None, max_retries=0)


def _refuse_compression(response: Any) -> None:
    """Refuse a compressed answer: none was asked for, and a few bytes may expand to gigabytes."""
    if response.headers.get("content-encoding", "identity").lower() != "identity":
        raise TransientError("the server sent a compressed answer, which was not asked for")
