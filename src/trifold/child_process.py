"""Child processes that end with their parent, however that ends."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

_VARIABLE = "TRIFOLD_PARENT"
_TERMINATED = 143
# To save the state of a training; a command that takes over waits longer.
_GRACE_SECONDS = 3.0


@contextlib.contextmanager
def tied() -> Iterator[dict[str, Any]]:
    """Arguments for `subprocess` by which a child that calls `end_with_parent` ends with this process.

    The child is given one end of a pipe. Nothing is written to it, and the system closes the other end when this
    process dies, of SIGKILL too.
    """
    reading, writing = os.pipe()
    try:
        yield {"pass_fds": (reading,), "env": {**os.environ, _VARIABLE: str(reading)}}
    finally:
        os.close(reading)
        os.close(writing)


def end_with_parent() -> bool:
    """In a child that was started with `tied`: once the parent is dead, SIGTERM, and the end if that takes too long.

    Returns:
        Whether this process is such a child.
    """
    handle = os.environ.pop(_VARIABLE, "")
    if handle.isdigit():
        threading.Thread(target=_watch, args=(int(handle),), daemon=True).start()
    return handle.isdigit()


def _watch(handle: int) -> None:
    try:
        os.read(handle, 1)
    except OSError:
        # A variable that somebody else has set.
        return
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(_GRACE_SECONDS)
    os._exit(_TERMINATED)
