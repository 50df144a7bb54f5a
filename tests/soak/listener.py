"""A port of this machine that writes down all it is sent and answers byte by byte as it is told, lawfully or not."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

# From the number of the request (from 0) and its bytes to what is sent: bytes, or seconds to wait.
Reply = Callable[[int, bytes], Iterator[bytes | float]]
_REQUEST_BYTES = 4 * 2**20
_READ_SECONDS = 5.0


class Listener:
    """One port, for one command after the other.

    `begin` sets what is answered, `end` hangs up on everyone and tells what was received in between.
    """

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._socket.getsockname()[1]
        self._lock = threading.Lock()
        self._requests: list[bytes] = []
        self._open: dict[threading.Thread, socket.socket] = {}
        self._over = threading.Event()
        self._reply: Reply = silence
        self._last: tuple[str, int] | None = None
        self._last_came = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """Base URL, as `--llm openai:` takes it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def begin(self, reply: Reply) -> None:
        """Answer so from now on."""
        with self._lock:
            self._requests, self._over, self._reply = [], threading.Event(), reply

    def end(self) -> tuple[bytes, ...]:
        """Hang up; what was received since `begin`, of everyone who had come until now."""
        # Who comes is let in one after the other: behind a guest of our own there is nobody left at the door.
        with socket.socket() as last:
            last.bind(("127.0.0.1", 0))
            self._last = last.getsockname()
            self._last_came.clear()
            last.connect(("127.0.0.1", self.port))
            self._last_came.wait()
        self._over.set()
        with self._lock:
            left = dict(self._open)
        for thread, connection in left.items():
            # What has been sent can still be read.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            thread.join()
        with self._lock:
            return tuple(self._requests)

    def close(self) -> None:
        """Give the port back."""
        self.end()
        self._socket.close()

    def _accept(self) -> None:
        # Closing the socket ends it.
        with suppress(OSError):
            while True:
                connection, address = self._socket.accept()
                if address == self._last:
                    connection.close()
                    self._last_came.set()
                    continue
                with self._lock:
                    thread = threading.Thread(
                        target=self._serve, args=(connection, self._reply, self._over), daemon=True
                    )
                    self._open[thread] = connection
                    thread.start()

    def _serve(self, connection: socket.socket, reply: Reply, over: threading.Event) -> None:
        with suppress(OSError), connection:
            request = _read_request(connection)
            with self._lock:
                number = len(self._requests)
                self._requests.append(request)
            # A command that does not read must not stop this thread for ever.
            connection.settimeout(_READ_SECONDS)
            for piece in reply(number, request):
                if isinstance(piece, bytes):
                    connection.sendall(piece)
                elif over.wait(piece):
                    break
                if over.is_set():
                    break
        with self._lock:
            del self._open[threading.current_thread()]


def silence(number: int, request: bytes) -> Iterator[bytes | float]:
    """Accept, and say nothing."""
    yield 60.0


def _read_request(connection: socket.socket) -> bytes:
    """Head and body, as far as they come."""
    connection.settimeout(_READ_SECONDS)
    request = b""
    with suppress(OSError):
        while not _is_whole(request) and len(request) < _REQUEST_BYTES:
            more = connection.recv(65_536)
            if not more:
                break
            request += more
    return request


def _is_whole(request: bytes) -> bool:
    head, blank, body = request.partition(b"\r\n\r\n")
    if not blank:
        return False
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return len(body) >= int(line.partition(b":")[2])
    return True
