"""A server that speaks OpenAI's protocol and fails as it is told to: for the faults that no real server has on demand."""

import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Reply:
    """What comes back: an answer, unless something goes wrong."""

    text: str = "good"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_seconds: float = 0.0
    cut: bool = False
    raw: bytes | None = None
    # A token of each place with its alternatives and their probabilities.
    places: tuple[dict[str, float], ...] = ()
    fields: dict[str, Any] = field(default_factory=dict)


# From the number of the request (from 1) and its body to what comes back.
Script = Callable[[int, dict[str, Any]], Reply]


@dataclass
class Scripted:
    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    models: list[str] = field(default_factory=list)

    @property
    def llm(self) -> str:
        return f"openai:{self.url}#scripted"

    def decides(self, kind: str) -> str:
        """The name of a decision server."""
        return f"{kind}:{self.url}#scripted"

    def asked(self) -> list[str]:
        """The last message of each request."""
        return [request["messages"][-1]["content"] for request in self.requests]


@contextmanager
def scripted(script: Script) -> Iterator[Scripted]:
    lock = threading.Lock()
    seen = Scripted("")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            content = json.dumps({"data": [{"id": name} for name in seen.models]}).encode()
            self.send_response(200 if seen.models else 404)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with lock:
                seen.requests.append(body)
                seen.paths.append(self.path)
                seen.headers.append({name.lower(): value for name, value in self.headers.items()})
                number = len(seen.requests)
            reply = script(number, body)
            time.sleep(reply.wait_seconds)
            with suppress(BrokenPipeError, ConnectionResetError):
                self._send(reply, streaming=bool(body.get("stream")))

        def _send(self, reply: Reply, *, streaming: bool) -> None:
            if reply.raw is not None:
                content = reply.raw
            elif reply.status != 200:
                content = json.dumps({"error": {"message": reply.text}}).encode()
            elif streaming:
                content = b"".join(
                    b"data: " + json.dumps(chunk).encode() + b"\n\n"
                    for chunk in _chunks(reply.text, done=not reply.cut)
                )
            else:
                content = json.dumps(_completion(reply)).encode()
            self.send_response(reply.status)
            self.send_header(
                "Content-Type", "text/event-stream" if streaming and reply.status == 200 else "application/json"
            )
            for name, value in reply.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content) + 100 * reply.cut))
            self.end_headers()
            self.wfile.write(content)
            if reply.cut:
                self.close_connection = True

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    seen.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield seen
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _completion(reply: Reply) -> dict[str, Any]:
    message = {"role": "assistant", "content": reply.text, **reply.fields}
    usage = {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22}
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
    if reply.places:
        choice["logprobs"] = {"content": [_place(tokens) for tokens in reply.places]}
    return {
        "id": "1",
        "object": "chat.completion",
        "created": 0,
        "model": "scripted",
        "choices": [choice],
        "usage": usage,
    }


def _place(tokens: dict[str, float]) -> dict[str, Any]:
    """The first token is the written one."""
    listed = [
        {"token": token, "logprob": math.log(share), "bytes": list(token.encode())} for token, share in tokens.items()
    ]
    return {**listed[0], "top_logprobs": listed}


def _chunks(text: str, *, done: bool) -> Iterator[dict[str, Any]]:
    head = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "scripted"}
    for piece in (text[: len(text) // 2], text[len(text) // 2 :]):
        yield {**head, "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    if done:
        yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}
