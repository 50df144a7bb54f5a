"""Requests to a server of runs that are broken in one way or several: bodies, headers, and what they say of each other."""

import gzip
import json
import random
from collections.abc import Callable

_JSON = b"application/json"
# Path to bodies that are answered.
_BODIES: dict[str, tuple[bytes, ...]] = {
    "/predict": (
        b'{"inputs":["superb",["dull"]],"parameters":{"top_k":1,"verbose":true,"reject_below":0.5},"model":"films"}',
        b'{"inputs":"superb","truncate":false,"top_k":2,"options":{"wait_for_model":true}}',
        b'{"inputs":"superb","model":["films","moods"]}',
    ),
    "/": (b'{"inputs":"superb"}',),
    "/moods/predict": (b'{"inputs":["superb cast","dull"],"verbose":true}',),
    "/pairs/predict": (b'{"inputs":[["a plot","a plot"],{"text":"a","text_pair":"b"}]}',),
    "/v1/systemone": (
        b'{"state":"superb","questions":{"q":{"type":"choice","criteria":["good","bad"]},"good":{"type":"noul"}}}',
    ),
    "/v1/decisions": (
        b'{"model":"moods","input":[{"role":"user","content":[{"text":"superb"}]}],"questions":[{"type":"predicate","name":"praise"}]}',
        b'{"input":"superb","questions":[{"type":"choice","choices":[{"value":"good"},{"value":"bad","description":"x"}]}]}',
    ),
    "/v1/embeddings": (b'{"input":["superb"],"encoding_format":"base64","dimensions":3,"user":"u"}',),
    "/similarity": (b'{"inputs":{"source_sentence":"superb","sentences":["dull","good"]}}',),
    "/explain": (b'{"text":"a superb film","words":2,"evaluations":20,"label":"good"}',),
    "/search": (b'{"query":"superb","top_k":3,"where":"year >= 2020"}',),
    "/reload": (b'{"model":"films"}',),
    "/try": (b"run=films&text=a+superb+film",),
    "/files?name=a.csv&run=films": (b"id,text\n1,superb\n2,=cmd()\n",),
}
_SIGNS = (
    b'{}[]",:0123456789truefalsn\\u\xff\x00 -.eE', b'{"a":1}', b"NaN", b"-Infinity", b"1e999", b"\\ud800", b"\\u0000",
    b"\xed\xa0\x80", b"\xef\xbb\xbf", b"null", b"[]", b"{}", b"9" * 400, b"-0", b"1.5", b'"\xe2\x80\xae"', b"<script>",
)  # fmt: skip
_KINDS = (
    b"text/plain", b"", b"application/json; charset=utf-16", b"multipart/form-data; boundary=x", b"application/xml",
    b"application/x-www-form-urlencoded", b"application/vnd.x+json", b"application/json\x00", b"application/octet-stream",
)  # fmt: skip
_ENCODINGS = ("utf-16", "utf-32", "utf-16-be", "latin-1", "utf-7")


def _mutated(rng: random.Random, body: bytes) -> bytes:
    found = bytearray(body)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(found) + 1)
        new = rng.choice(_SIGNS)
        piece = bytes(rng.choices(new, k=rng.randint(0, 3))) if rng.random() < 0.5 else new
        found[place : place + rng.randint(0, 4)] = piece
    return bytes(found)


def _retyped(rng: random.Random, body: bytes) -> bytes:
    """With another value in one place, of another type mostly."""
    try:
        whole = json.loads(body)
    except ValueError:
        return _mutated(rng, body)
    values = [None, True, -1, 0, 1.5, 10**30, "", "\x00", "a" * 5_000, [], {}, [[]], [None], {"": ""}, [1] * 50]
    places = list(_places(whole))
    if not places:
        return body
    holder, key = rng.choice(places)
    holder[key] = rng.choice(values)  # type: ignore[index]
    return json.dumps(whole).encode()


def _places(value: object) -> list[tuple[object, object]]:
    found: list[tuple[object, object]] = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inside in items:
        found += [(value, key), *_places(inside)]
    return found


def _cut(rng: random.Random, body: bytes) -> bytes:
    return body[: rng.randrange(len(body))]


def _nested(rng: random.Random, body: bytes) -> bytes:
    depth = rng.choice((50, 101, 900, 1_000, 5_000, 100_000))
    opened, closed = rng.choice(((b"[", b"]"), (b'{"a":', b"}")))
    inside = opened * depth + b"1" + closed * rng.choice((depth, depth - 1, 0))
    return body.replace(b'"superb"', inside, 1) if b'"superb"' in body else inside


def _long_list(rng: random.Random, body: bytes) -> bytes:
    items = rng.choice((b"1,", b'"a",', b"null,", b"[],", b'{"a":1},'))
    inside = b"[" + items * (rng.choice((2_000, 100_000, 1_000_000)) // len(items)) + b"1]"
    return body.replace(b'"superb"', inside, 1) if b'"superb"' in body else b'{"inputs":%s}' % inside


def _doubled(rng: random.Random, body: bytes) -> bytes:
    keys = [b'"inputs":1', b'"model":"films"', b'"inputs":[]', b'"questions":{}', b'"text":null']
    return body[:-1] + b"," + b",".join(rng.choices(keys, k=rng.randint(1, 5))) + b"}"


def _many_fields(rng: random.Random, body: bytes) -> bytes:
    count = rng.choice((50, 1_000, 50_000))
    return body[:-1] + b"".join(b',"f%d":%d' % (number, number) for number in range(count)) + b"}"


def _encoded(rng: random.Random, body: bytes) -> bytes:
    return body.decode().replace("superb", "süperb").encode(rng.choice(_ENCODINGS))


def _packed(rng: random.Random, body: bytes) -> bytes:
    return gzip.compress(body * rng.choice((1, 1_000)))


def _parts(rng: random.Random, body: bytes) -> bytes:
    del rng
    return b'--x\r\nContent-Disposition: form-data; name="inputs"\r\n\r\n' + body + b"\r\n--x--\r\n"


_BROKEN: dict[str, Callable[[random.Random, bytes], bytes]] = {
    "mutated": _mutated, "retyped": _retyped, "cut": _cut, "nested": _nested, "a long list": _long_list,
    "keys twice": _doubled, "many fields": _many_fields, "another encoding": _encoded, "packed": _packed,
    "in parts": _parts,
}  # fmt: skip
# Those that take a while, since they are large, come less often.
_WEIGHTS = {"mutated": 30, "retyped": 30, "cut": 10, "nested": 6, "a long list": 2, "many fields": 2}


def _request(path: bytes, headers: list[bytes], body: bytes, method: bytes = b"POST") -> bytes:
    lines = [method + b" " + path + b" HTTP/1.1", b"Host: localhost", b"Connection: close", *headers, b"", b""]
    return b"\r\n".join(lines) + body


def _chunks(rng: random.Random, body: bytes) -> bytes:
    size = rng.randint(1, max(1, len(body)))
    pieces = [body[start : start + size] for start in range(0, len(body), size)]
    found = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    ending = rng.choice((b"0\r\n\r\n", b"", b"0\r\n", b"0\r\nX: y\r\n\r\n", b"-1\r\n", b"zz\r\n", b"f" * 20 + b"\r\n"))
    return found + ending


def _framed(rng: random.Random, path: bytes, kind: bytes, body: bytes) -> tuple[str, bytes]:
    """A request whose headers and body do not always agree."""
    headers = [b"Content-Type: " + kind]
    length = b"Content-Length: %d" % len(body)
    way = rng.choice(
        ("chunked", "too short", "too long", "no length", "both", "odd length", "odd header", "odd method")
    )
    if way == "chunked":
        return way, _request(path, [*headers, b"Transfer-Encoding: chunked"], _chunks(rng, body))
    if way == "too short":
        return way, _request(path, [*headers, b"Content-Length: %d" % max(0, len(body) - rng.randint(1, 9))], body)
    if way == "too long":
        return way, _request(path, [*headers, b"Content-Length: %d" % (len(body) + rng.choice((1, 10**9)))], body)
    if way == "both":
        return way, _request(path, [*headers, length, b"Transfer-Encoding: chunked"], _chunks(rng, body))
    if way == "odd length":
        odd = rng.choice((b"-1", b"+5", b"0x5", b"", b"5, 5", b"9" * 30, b"1e3", b"\xb2"))
        return way, _request(path, [*headers, b"Content-Length: " + odd], body)
    if way == "odd header":
        odd = rng.choice(
            (b"X" * 40_000 + b": a", b"X: \x00", b"No-Colon", b": a", b"X Y: a", b"Expect: 100-continue", b"Host: evil",
             b"Content-Encoding: gzip", b"Upgrade: h2c\r\nConnection: Upgrade", b"Authorization: Bearer \xff",
             b"Origin: null", b"Sec-Fetch-Site: cross-site", b"Accept: " + b"a/b," * 5_000)
        )  # fmt: skip
        return way, _request(path, [*headers, length, odd], body)
    if way == "odd method":
        method = rng.choice(
            (b"GET", b"PUT", b"DELETE", b"HEAD", b"OPTIONS", b"TRACE", b"CONNECT", b"PATCH", b"get", b"\x00")
        )
        return way, _request(path, [*headers, length], body, method)
    return way, _request(path, headers, body)


def _odd_path(rng: random.Random, path: bytes) -> bytes:
    return rng.choice(
        (path + b"/", b"/" + path, path.replace(b"/", b"/%2e%2e/"), path + b"%00", b"/%ff" + path, path + b"?a=%ff&a=%00",
         b"/../.." + path, b"http://evil.example" + path, b"*", path + b"#x", b"/%ed%a0%80/predict", b"/" + b"a" * 30_000)
    )  # fmt: skip


def broken_request(rng: random.Random) -> tuple[str, bytes]:
    """A request, and in which way it is broken."""
    path = rng.choice(list(_BODIES))
    body, usual = rng.choice(_BODIES[path]), _JSON
    if path == "/try":
        usual = b"application/x-www-form-urlencoded"
    way = rng.choices(list(_BROKEN), [_WEIGHTS.get(one, 4) for one in _BROKEN])[0]
    body = _BROKEN[way](rng, body)
    kind = rng.choice(_KINDS) if rng.random() < 0.1 else usual
    target = _odd_path(rng, path.encode()) if rng.random() < 0.05 else path.encode()
    if rng.random() < 0.25:
        framed, sent = _framed(rng, target, kind, body)
        return framed, sent
    return way, _request(target, [b"Content-Type: " + kind, b"Content-Length: %d" % len(body)], body)


GOOD_REQUEST = _request(
    b"/predict",
    [b"Content-Type: application/json", b"Content-Length: 19"],
    b'{"inputs":"superb"}',
)
