"""Addresses of language-model servers, as `--llm` names them: KIND:BASE_URL#MODEL."""

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from trifold.errors import LlmError


def parse_address(prefix: str, address: str) -> tuple[str, str]:
    """Base URL and model of `BASE_URL#MODEL`.

    Args:
        prefix: How the name begins, such as `openai:`.
        address: The rest of it.

    Raises:
        LlmError: If one is missing, or the URL holds a password or a query.
    """
    url, hash_, model = address.partition("#")
    way_out = f"write {prefix}BASE_URL#MODEL, such as {prefix}http://localhost:8000/v1#my-model"
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        known = False
    if not known:
        raise LlmError(f"--llm {prefix} is given no address of a server: {way_out}")
    if not hash_ or not model:
        raise LlmError(f"--llm names no model of {parts.hostname}: {way_out}")
    if parts.username or parts.password or parts.query:
        # The message does not show it, since it may be a secret.
        raise LlmError(
            f"--llm has a password or a query in its address, which would be stored: put the key into an environment "
            f"variable and {way_out}"
        )
    return url.rstrip("/"), model


def proxy_in_words(url: str) -> str:
    """The proxy that the environment names for this address, for a message; its password is left out."""
    parts = urlsplit(url)
    proxies = getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return ""
    return f" through the proxy {proxy.rpartition('@')[2].rpartition('//')[2].rstrip('/')}"
