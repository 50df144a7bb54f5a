"""The most seconds and bytes that one call of a server may take.

An HTTP client's own timeouts are for single reads: a server that sends one byte a second never exceeds them, in headers
or body, and nothing limits the length of a line or an answer. So time and bytes are counted at each read from the
network, below the client.
"""

import threading
import time
from typing import Any

from trifold.llm.contract import TransientError

# Room for headers, the JSON around an answer, or the error page of a gateway.
_FRAME_BYTES = 1 << 20
# A streamed token comes in an event of its own, which takes a few hundred bytes.
_TOKEN_BYTES = 1 << 11
_MAX_BYTES = 1 << 28


class ResponseLimits(threading.local):
    """What the current call of this thread may still take."""

    def __init__(self) -> None:
        self._seconds = self._deadline = 0.0
        self._bytes = self._bytes_left = 0

    def begin(self, seconds: float, max_tokens: int) -> None:
        """Start counting for a new call.

        Args:
            seconds: The most time that it may take.
            max_tokens: The most tokens that its answer may have.
        """
        self._seconds, self._deadline = seconds, time.monotonic() + seconds
        self._bytes = self._bytes_left = min(_FRAME_BYTES + _TOKEN_BYTES * max_tokens, _MAX_BYTES)

    def seconds_left(self) -> float:
        """Seconds until the call's deadline.

        Raises:
            TransientError: If the deadline has passed.
        """
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TransientError(f"no answer within {self._seconds:g} s")
        return left

    def received(self, count: int) -> None:
        """Count received bytes.

        Raises:
            TransientError: If the call has received more than an answer can have.
        """
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise TransientError(f"the server sent more than {self._bytes:,} bytes for one answer")


class LimitedBackend:
    """Opens the connections of an HTTP client, each limited by the call that uses it.

    Args:
        inner: The client's own backend (httpcore's `NetworkBackend`).
        limits: What a call may take.
    """

    def __init__(self, inner: Any, limits: ResponseLimits) -> None:
        self._inner = inner
        self._limits = limits

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: Any) -> "_LimitedStream":
        """Open a connection.

        Raises:
            TransientError: If the server cannot be reached.
        """
        del timeout
        left = self._limits.seconds_left()
        try:
            return _LimitedStream(self._inner.connect_tcp(host, port, timeout=left, **more), self._limits)
        except Exception as error:  # noqa: BLE001 - refused, a name that does not exist, too slow
            reason = str(error) or type(error).__name__
        raise TransientError(f"{host} port {port} cannot be reached ({reason})", unreachable=True)

    def sleep(self, seconds: float) -> None:
        """See `NetworkBackend.sleep`."""
        self._inner.sleep(seconds)


class _LimitedStream:
    """A connection with limits (httpcore's `NetworkStream`)."""

    def __init__(self, inner: Any, limits: ResponseLimits) -> None:
        self._inner = inner
        self._limits = limits

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        del timeout
        data: bytes = self._in_time(lambda left: self._inner.read(max_bytes, left))
        self._limits.received(len(data))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        del timeout
        self._in_time(lambda left: self._inner.write(buffer, left))

    def start_tls(self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None) -> Any:
        del timeout
        secure = self._in_time(lambda left: self._inner.start_tls(ssl_context, server_hostname, left))
        return _LimitedStream(secure, self._limits)

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)

    def _in_time(self, act: Any) -> Any:
        left = self._limits.seconds_left()
        try:
            return act(left)
        except Exception:
            # If it failed because the time is over, the error says so.
            self._limits.seconds_left()
            raise
