"""How many connections there may be, and what is told where there are more."""

import asyncio
import errno
from contextlib import suppress
from typing import Any

from trifold.events import say

_TELLING_SECONDS, _MOST_CONNECTIONS = 60, 65_536


class LoopFaults:
    """Tells of connections that cannot be taken once a minute, which asyncio does thousands of times a second."""

    _told_at: float | None = None

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """See `asyncio.loop.set_exception_handler`."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in (errno.EMFILE, errno.ENFILE):
            loop.default_exception_handler(context)
        elif self._told_at is None or loop.time() - self._told_at > _TELLING_SECONDS:
            self._told_at = loop.time()
            say("note: too many connections are open, more are taken once some end: raise the limit, see ulimit -n")


def allow_connections() -> None:
    """Let this process have as many connections as the system lets it ask for; the usual limit is 1,024."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MOST_CONNECTIONS if hard == resource.RLIM_INFINITY else min(hard, _MOST_CONNECTIONS)
    if soft != resource.RLIM_INFINITY and soft < most:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
