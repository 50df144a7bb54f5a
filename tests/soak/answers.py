"""What a server answers that is broken, hostile or slow: its status, headers, framing, body and pace."""

import gzip
import json
import random
import zlib
from collections.abc import Iterator
from typing import Any

from soak.listener import Reply
from soak.mutations import TEXTS, damage_bytes, damage_json

_STATUSES = (200, 201, 204, 206, 304, 400, 401, 403, 404, 408, 409, 413, 418, 425, 429, 451, 500, 502, 503, 504, 599)
_NUMBERS = (
    "0",
    "-1",
    "1.5",
    "1e999",
    "1" + "0" * 30,
    "9223372036854775808",
    '"12"',
    "true",
    "null",
    "[]",
    "NaN",
    "1" * 5_000,
)
_RETRY_AFTER = ("0", "-1", "nan", "inf", "1e308", "86400", "Fri, 31 Dec 2199 23:59:59 GMT", "soon", "")
_ENDLESS = 100_000


def write_reply(rng: random.Random, key: str, other_port: int, words: tuple[str, ...]) -> tuple[Reply, str]:
    """What is answered, the same to every request, and what is wrong with it.

    Args:
        rng: Draws it.
        key: What the server knows of its guest, and may repeat.
        other_port: Where it may send its guest on to.
        words: What a good answer could be.
    """
    make = rng.choices(
        (_whole, _status, _redirect, _header, _framing, _slow, _endless, _echo, _packed, _cut, _bytes),
        (8, 3, 2, 3, 3, 3, 2, 5, 1, 2, 3),
    )[0]
    seed = rng.random()

    def fresh() -> random.Random:
        # Requests may come in any order: each is answered from the same draws.
        return random.Random(seed)

    what = make(fresh(), _Guest(b"", key, other_port, words))[1]

    def reply(_number: int, request: bytes) -> Iterator[bytes | float]:
        return make(fresh(), _Guest(request, key, other_port, words))[0]

    return reply, f"{make.__name__.strip('_')}: {what}"


def good_reply(text: str) -> Reply:
    """What a server answers that is in order."""

    def reply(_number: int, request: bytes) -> Iterator[bytes | float]:
        yield _response(_Guest(request, "", 0, (text,)), _completion(text))

    return reply


class _Guest:
    """Who asks."""

    def __init__(self, request: bytes, key: str, other_port: int, words: tuple[str, ...]) -> None:
        self.streaming = b'"stream":true' in request.replace(b" ", b"")
        self.key, self.other_port, self.words = key, other_port, words


_Made = tuple[Iterator[bytes | float], str]


def _whole(rng: random.Random, guest: _Guest) -> _Made:
    """A document that is JSON, most often, and not what was agreed on."""
    text = rng.choice((*guest.words, *TEXTS, "x" * 200_000, "\ud800", "\x1b]52;c;b3duZWQ=\x07"))
    what = rng.choice(("damage", "usage", "content", "content"))
    if what == "content":
        return iter([_response(guest, _completion(text))]), f"says {text[:20]!r}"
    if what == "usage":
        number = rng.choice(_NUMBERS)
        body = json.dumps(_completion(rng.choice(guest.words))).replace("20", number).replace('s": 2', f's": {number}')
        return iter([_head(guest) + _framed(guest, body)]), f"counts {number[:30]}"
    body, what = damage_json(rng, _completion(rng.choice(guest.words)), TEXTS)
    return iter([_head(guest) + _framed(guest, body)]), what


def _status(rng: random.Random, guest: _Guest) -> _Made:
    status = rng.choice((*_STATUSES, *_STATUSES, 0, 99, 999, 1_000, -1, "abc", ""))
    message = rng.choice((*TEXTS, "max_completion_tokens", "no such model " * 100))
    body = rng.choice(
        (json.dumps({"error": {"message": message}}), json.dumps({"detail": message}), json.dumps([message]), message,
         "<html>" + message, "[" * 100_000, json.dumps({"error": message}), '{"error": {"message": {"a": 1}}}')
    )  # fmt: skip
    wait = f"Retry-After: {rng.choice(_RETRY_AFTER)}\r\n" if rng.random() < 0.5 else ""
    content = body.encode("utf-8", "replace")
    head = f"HTTP/1.1 {status} \x1b[31mNo\r\n{wait}Content-Type: application/json\r\nContent-Length: {len(content)}\r\n\r\n"
    return iter([head.encode() + content]), f"status {status}, {wait.strip()}, {body[:40]!r}"


def _redirect(rng: random.Random, guest: _Guest) -> _Made:
    status = rng.choice((300, 301, 302, 303, 307, 308))
    target = rng.choice(
        (f"http://127.0.0.1:{guest.other_port}/v1/chat/completions", f"//127.0.0.1:{guest.other_port}/", "/v1/again",
         f"http://localhost:{guest.other_port}/x", "http://example.com/", "file:///etc/passwd", "http://[", "")
    )  # fmt: skip
    return iter(
        [f"HTTP/1.1 {status} Go\r\nLocation: {target}\r\nContent-Length: 0\r\n\r\n".encode()]
    ), f"{status} to {target}"


def _header(rng: random.Random, guest: _Guest) -> _Made:
    header = rng.choice(
        ("Content-Length: -1", "Content-Length: 1e3", "Content-Length: 99999999999999999999", "Content-Length: 0",
         "Content-Length: 3\r\nContent-Length: 5", "Transfer-Encoding: gzip", "Content-Type: text/html; charset=nothing",
         "Content-Type: application/json; charset=utf-16", "Content-Type: text/event-stream", "Content-Encoding: gzip",
         "Content-Encoding: br", "Content-Encoding: zstd", "Content-Encoding: deflate, gzip, gzip", "Connection: upgrade",
         "X: \x1b]0;owned\x07", "X: \x00", "X: " + "x" * 100_000, ": empty", "no colon", " folded", "Set-Cookie: \xff=\xff",
         *("X: y\r\n" * count + "X: z" for count in (90, 5_000)))
    )  # fmt: skip
    body = json.dumps(_completion(rng.choice(guest.words))).encode()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n" + header.encode("latin-1") + b"\r\n\r\n"
    return iter([head + body]), header[:40]


def _framing(rng: random.Random, guest: _Guest) -> _Made:
    body = json.dumps(_completion(rng.choice(guest.words))).encode()
    size = rng.choice(
        (
            "",
            "-1",
            "zz",
            "0",
            f"{len(body):x}",
            f"{len(body) + 5:x}",
            "f" * 20,
            f"{len(body):x};a=b",
            "0x10",
            "1" * 5_000,
        )
    )
    end = rng.choice((b"\r\n0\r\n\r\n", b"\r\n0\r\nX: y\r\n\r\n", b"", b"0\r\n\r\n", b"\r\n-1\r\n\r\n"))
    head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    return iter([head + size.encode() + b"\r\n" + body + end]), f"a chunk of {size[:10]!r}, then {end!r}"


def _slow(rng: random.Random, guest: _Guest) -> _Made:
    answer = _response(guest, _completion(rng.choice(guest.words)))
    where = rng.choice(("nothing", "head", "body", "comments", "between"))
    start = answer.index(b"\r\n\r\n") + 4

    def pieces() -> Iterator[bytes | float]:
        if where == "comments":
            yield b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
            for _ in range(_ENDLESS):
                yield b": still here\n\n"
                yield 0.2
        if where == "nothing":
            yield 60.0
        if where in ("body", "between"):
            yield answer[:start]
            yield 60.0 if where == "between" else 0.0
        for place in range(start if where == "body" else 0, len(answer)):
            yield answer[place : place + 1]
            yield 0.3

    return pieces(), f"slow at {where}"


def _endless(rng: random.Random, guest: _Guest) -> _Made:
    what = rng.choice(("line", "header", "headers", "informational", "chunks", "events", "body", "zip"))
    starts = {
        "header": b"HTTP/1.1 200 OK\r\nX: ", "headers": b"HTTP/1.1 200 OK\r\n", "informational": b"",
        "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "body": b"HTTP/1.1 200 OK\r\n\r\n",
        "zip": b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\r\n" + _zip_start(),
    }  # fmt: skip
    event = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    block = b"x" * 65_536
    again = {
        "line": block, "header": block, "headers": b"X: y\r\n" * 1_000, "chunks": b"10000\r\n" + block + b"\r\n",
        "informational": b"HTTP/1.1 100 Continue\r\n\r\n", "body": b'"' + block, "zip": _zipped_zeros(),
        "events": b"data: " + json.dumps(_chunk("good ")).encode() + b"\n\n",
    }  # fmt: skip

    def pieces() -> Iterator[bytes | float]:
        yield starts.get(what, event)
        for _ in range(_ENDLESS):
            yield again[what]

    return pieces(), f"endless {what}"


def _echo(rng: random.Random, guest: _Guest) -> _Made:
    """The key comes back: in the answer, an error, a header, whole, late in a long message, or in pieces."""
    key = guest.key.strip()
    what = rng.choice(("content", "pieces", "error", "late", "reason", "escaped", "plain", "field"))
    if what == "pieces":
        places = sorted(rng.sample(range(1, len(key)), min(len(key) - 1, rng.choice((1, 2, 30)))))
        cuts = [key[a:b] for a, b in zip((0, *places), (*places, None), strict=True)]
        return iter([_response(guest, _completion("the key is " + key), ["the key is ", *cuts])]), "the key, in pieces"
    if what == "content":
        return iter([_response(guest, _completion(f"Bearer {key}"))]), "the key, as an answer"
    message = "x" * rng.randrange(270, 300) + " " + key if what == "late" else f"wrong key: {key}"
    body = json.dumps({"error": {"message": message, "code": key}})
    if what == "escaped":
        body = body.replace(key, "".join(f"\\u{ord(one):04x}" for one in key))
    if what == "plain":
        body = message
    if what == "field":
        body = json.dumps({**_completion("good"), "usage": {"prompt_tokens": key}, "choices": key})
    status = (
        f"200 {key}"
        if what in ("field", "reason")
        else rng.choice(("400 No", "401 No", "404 No", "429 No", f"500 {key}"))
    )
    head = f"HTTP/1.1 {status}\r\nX-Key: {key}\r\nContent-Length: {len(body)}\r\nContent-Type: application/json\r\n\r\n"
    return iter([(head + body).encode()]), f"the key, {what}, {status[:3]}"


def _packed(rng: random.Random, guest: _Guest) -> _Made:
    body = gzip.compress(json.dumps(_completion(rng.choice(guest.words))).encode())
    body, what = damage_bytes(rng, body)
    head = f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\nContent-Length: {len(body)}\r\n\r\n"
    return iter([head.encode() + body]), f"gzip, {what}"


def _cut(rng: random.Random, guest: _Guest) -> _Made:
    answer = _response(guest, _completion(rng.choice(guest.words)))
    place = rng.randrange(len(answer))
    return iter([answer[:place]]), f"cut at {place}"


def _bytes(rng: random.Random, guest: _Guest) -> _Made:
    answer, what = damage_bytes(rng, _response(guest, _completion(rng.choice(guest.words))))
    return iter([answer]), what


def _completion(text: str) -> dict[str, Any]:
    return {
        "id": "1", "object": "chat.completion", "created": 0, "model": "soak",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 20, "completion_tokens": 2, "total_tokens": 22},
    }  # fmt: skip


def _chunk(text: str, finish: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "soak", "choices": [choice]}


def _response(guest: _Guest, completion: dict[str, Any], pieces: list[str] | None = None) -> bytes:
    """As a server sends it to who wants it whole, or piece by piece."""
    text = completion["choices"][0]["message"]["content"]
    if not guest.streaming:
        return _head(guest) + _framed(guest, json.dumps(completion))
    events = [*map(_chunk, pieces or [text[: len(text) // 2], text[len(text) // 2 :]]), _chunk("", "stop")]
    return (
        _head(guest)
        + b"".join(b"data: " + json.dumps(event).encode() + b"\n\n" for event in events)
        + b"data: [DONE]\n\n"
    )


def _head(guest: _Guest) -> bytes:
    kind = b"text/event-stream" if guest.streaming else b"application/json"
    return b"HTTP/1.1 200 OK\r\nContent-Type: " + kind + b"\r\nConnection: close\r\n\r\n"


def _framed(guest: _Guest, body: str) -> bytes:
    content = body.encode("utf-8", "surrogatepass")
    return b"data: " + content + b"\n\ndata: [DONE]\n\n" if guest.streaming else content


def _zip_start() -> bytes:
    return gzip.compress(b"")[:10]


def _zipped_zeros() -> bytes:
    """A million zeros as a part of a deflated stream that can stand in it any number of times."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(b"0" * 1_000_000) + packer.flush(zlib.Z_FULL_FLUSH)
