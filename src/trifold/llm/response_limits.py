"""What a server may take: seconds and bytes of a whole call, however slowly or endlessly it answers.

An HTTP client's own timeouts are for one read. A server that sends a byte a second keeps within them for ever, in its
headers as in its body, and nothing limits how long a line or an answer is. So each read from the network is counted,
below whatever the client makes of it.
"""

import threading
import time
from typing import Any

from trifold.llm.contract import TransientError

# Headers, the JSON around an answer, or the page that a gateway answers with.
_FRAME_BYTES = 1 << 20
# A streamed token comes in an event of its own, of a few hundred bytes.
_TOKEN_BYTES = 1 << 11
_MOST_BYTES = 1 << 28


class ResponseLimits(threading.local):
    """What the call that this thread makes may still take."""

    def __init__(self) -> None:
        self._seconds = self._deadline = 0.0
        self._bytes = self._bytes_left = 0

    def begin(self, seconds: float, max_tokens: int) -> None:
        """A call begins.

        Args:
            seconds: It may take.
            max_tokens: Its answer may have.
        """
        self._seconds, self._deadline = seconds, time.monotonic() + seconds
        self._bytes = self._bytes_left = min(_FRAME_BYTES + _TOKEN_BYTES * max_tokens, _MOST_BYTES)

    def seconds_left(self) -> float:
        """Until the call's deadline.

        Raises:
            TransientError: If it is over.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TransientError(f"no answer within {self._seconds:g} s")
        return left

    def received(self, count: int) -> None:
        """Account for bytes.

        Raises:
            TransientError: If they are more than an answer can have.
        """
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise TransientError(f"the server sent more than {self._bytes:,} bytes for one answer")


class LimitedBackend:
    """Opens the connections of an HTTP client, each within the bounds of the call that uses it.

    Args:
        inner: The client's own (httpcore's `NetworkBackend`).
        bounds: Of the calls.
    """

    def __init__(self, inner: Any, bounds: ResponseLimits) -> None:
        self._inner = inner
        self._bounds = bounds

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> "_BoundedStream":
        """A connection.

        Raises:
            TransientError: If there is none to be had.
        """
        del timeout
        left = self._bounds.seconds_left()
        try:
            return _BoundedStream(self._inner.connect_tcp(host, port, timeout=left, **more), self._bounds)
        except Exception as error:  # noqa: BLE001 - refused, a name that does not exist, too slow
            reason = str(error) or type(error).__name__
        raise TransientError(f"{host} port {port} cannot be reached ({reason})", unreachable=True)

    def sleep(self, seconds: float) -> None:
        """See `NetworkBackend.sleep`."""
        self._inner.sleep(seconds)


class _BoundedStream:
    """A connection (httpcore's `NetworkStream`)."""

    def __init__(self, inner: Any, bounds: ResponseLimits) -> None:
        self._inner = inner
        self._bounds = bounds

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        data: bytes = self._in_time(lambda left: self._inner.read(max_bytes, left))
        self._bounds.received(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._in_time(lambda left: self._inner.write(buffer, left))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        del timeout
        secure = self._in_time(lambda left: self._inner.start_tls(ssl_context, server_hostname, left))
        return _BoundedStream(secure, self._bounds)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _in_time(self, act: Any) -> Any:
        left = self._bounds.seconds_left()
        try:
            return act(left)
        except Exception:
            # Where it failed because the time is over, that is what is said.
            self._bounds.seconds_left()
            raise
