"""Clients that ask a server over HTTP, each the next question when it has the answer to the last.

HTTP/1.1 over a socket kept open, by hand: a library's client costs as much of a core as a small model, and the two
share one machine here.
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answered:
    """One answer.

    Attributes:
        number: Of the question, from 0.
        status: Of HTTP.
        seconds: From the first byte sent to the last received.
        ended: When, on the clock of `time.perf_counter`.
        headers: Names in small letters.
        body: As it came.
    """

    number: int
    status: int
    seconds: float
    ended: float
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def content(self) -> Any:
        """The body's JSON."""
        return json.loads(self.body)


class Connection:
    """One client's socket.

    Args:
        port: On this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body of an answer; opens the socket where it is not open."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{self._port}\r\ncontent-type: application/json\r\n"
        writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
        await writer.drain()
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)
        }
        answer = await reader.readexactly(int(headers["content-length"]))
        if headers.get("connection", "").lower() == "close":
            await self.close()
        return int(lines[0].split()[1]), headers, answer

    async def close(self) -> None:
        """Close the socket."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    """A connection that is closed behind."""
    connection = Connection(port)
    try:
        yield connection
    finally:
        await connection.close()


def bodies(texts: Sequence[str], at_a_time: int = 1, **more: object) -> list[tuple[str, bytes]]:
    """Questions of so many texts each: where they go, and the body, which has `more` in it."""
    parts = [list(texts[start : start + at_a_time]) for start in range(0, len(texts), at_a_time)]
    return [
        ("/predict", json.dumps({"inputs": part[0] if at_a_time == 1 else part, **more}).encode()) for part in parts
    ]


async def ask_all(
    port: int, questions: Sequence[tuple[str, bytes]], clients: int, rest_seconds: float = 0.0
) -> list[Answered]:
    """All questions, shared among clients that each wait for an answer before they ask on; in the order of ending.

    Args:
        port: On this machine.
        questions: Path and body of each.
        clients: How many.
        rest_seconds: What a client waits that got no answer, before it asks something else.
    """
    left = enumerate(questions)
    found: list[Answered] = []

    async def client() -> None:
        async with connected(port) as connection:
            for number, (path, body) in left:
                begun = time.perf_counter()
                status, headers, answer = await connection.post(path, body)
                ended = time.perf_counter()
                found.append(Answered(number, status, ended - begun, ended, headers, answer))
                if status != 200:
                    await asyncio.sleep(rest_seconds)

    await asyncio.gather(*(client() for _ in range(clients)))
    return found
