"""Who may change anything: pages of this app alone, which bear its token."""

import hmac
import os
import secrets
from pathlib import Path

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from trifold.web.guards import is_cross_site
from trifold.web.refusals import Refusal, refused

_FILE = "token.txt"


class SiteGuard:
    """Lets nothing through that a page of another site has sent.

    Args:
        app: Behind it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and is_cross_site(scope["method"], Headers(scope=scope)):
            answer = refused(403, "a page of another site may not send this: use the pages of this app")
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)


def read_token(folder: Path) -> str:
    """The token of an app, the same after a restart, so that pages that are open go on working.

    Raises:
        OSError: If it cannot be written.
    """
    path = folder / _FILE
    try:
        kept = path.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        kept = ""
    if len(kept) >= 32:
        return kept
    token = secrets.token_urlsafe(32)
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token)
    return token


def require_token(given: str, token: str) -> None:
    """Refuse what does not bear the token.

    Raises:
        Refusal: If it does not.
    """
    if not hmac.compare_digest(given.encode("utf-8", "replace"), token.encode()):
        raise Refusal(403, "this page is not of this app, or of an earlier one: open the first page, and try again")
