"""Requests that are malformed, hostile, or from where they should not be: each gets a sentence, and nothing is a 500."""

import asyncio
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import served_runs
from asked_server import AskedServer, asked_server
from trifold.errors import SettingsError
from trifold.serve.http.settings import KEY_VARIABLE, HttpSettings

JSON = {"Content-Type": "application/json"}
KEY = "a-key-of-one's-own"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return served_runs.films(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def server(run: Path) -> Iterator[AskedServer]:
    with asked_server({"films": run}, http=HttpSettings(max_body_megabytes=0.1, body_seconds=0.3)) as running:
        yield running


@pytest.fixture(scope="module")
def guarded(run: Path) -> Iterator[AskedServer]:
    settings = HttpSettings(api_key=KEY, cors_origin=("https://friend.example",))
    with asked_server({"films": run}, http=settings) as running:
        yield running


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "the body must be a JSON object"),
        (b"{", "the body is no JSON"),
        (b'{"inputs": "a"', "the body is no JSON"),
        (b"inputs=a", "the body is no JSON"),
        (b'{"inputs": "\xff"}', "the body is no UTF-8 text: byte 12 cannot be read"),
        ('{"inputs": "a"}'.encode("utf-16"), "the body is no UTF-8 text"),
        (b'{"inputs": "a", "top_k": NaN}', "NaN is no JSON"),
        (b'{"inputs": "a", "parameters": {"reject_below": -Infinity}}', "-Infinity is no JSON"),
        (b'{"inputs": "a", "parameters": {"reject_below": 1e999}}', "reject_below"),
        (b'{"inputs": "a", "top_k": ' + b"9" * 5_000 + b"}", "a number has more than 100 digits"),
        (b'{"inputs": "a", "top_k": 1.0}', "top_k"),
        (b"[" * 90_000, "nested too deeply"),
        (b'{"inputs": ' + b"[" * 90 + b"]" * 90 + b"}", "inputs[0]"),
        (b'{"inputs": ' + b"[" * 400 + b"]" * 400 + b"}", "nested too deeply"),
        (b'{"inputs": "a", "options": ' + b'{"a":' * 200 + b"1" + b"}" * 201, "nested too deeply"),
        (b"{" + b",".join(b'"%d": 1' % n for n in range(5_000)) + b"}", "it has 5,000 fields"),
        (b'{"inputs": "a \\ud800"}', "half of a pair of surrogates"),
        (b'{"inputs": {"text": ["\\uDFFF"]}}', "half of a pair of surrogates"),
        (b'{"inputs": "\\u0000\\u200b"}', "the text is empty"),
        (b'{"\\ud83d": 1, "inputs": "a"}', "half of a pair of surrogates"),
    ],
)
def test_a_body_that_cannot_be_read_is_told_why(body: bytes, said: str, server: AskedServer) -> None:
    found = server.post("/predict", content=body, headers=JSON)
    assert (found.status_code, said in found.json()["error"]) == (422, True), found.text


def test_odd_bodies_that_can_be_read_are_answered(server: AskedServer) -> None:
    for body in (
        b'\xef\xbb\xbf{"inputs": "superb"}',
        b'{"inputs": "dull", "inputs": "superb"}',
        b'{"inputs": "superb \\ud83d\\ude42 <script>alert(1)</script> =cmd() $1 \\u0007"}',
        '{"inputs": "superb \u202e e\u0301 \U0001f642"}'.encode(),
    ):
        assert server.post("/predict", content=body, headers=JSON).status_code == 200, body


def test_bodies_mutated_at_random_are_never_a_fault_of_the_server(server: AskedServer) -> None:
    rng = random.Random(0)
    whole = b'{"inputs": ["superb", ["a", "b"]], "parameters": {"top_k": 1, "verbose": true}, "model": "films"}'
    signs = b'{}[]",:0123456789truefalsn\\u\xff\x00 -.eE'
    for _ in range(300):
        body = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            place = rng.randrange(len(body))
            body[place : place + rng.randint(0, 3)] = rng.choices(signs, k=rng.randint(0, 3))
        found = server.post("/predict", content=bytes(body), headers=JSON)
        assert found.status_code in (200, 404, 413, 422), (body, found.text)


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "", "multipart/form-data"])
def test_a_body_must_say_that_it_is_json(kind: str, server: AskedServer) -> None:
    found = server.post("/predict", content=b'{"inputs": "a"}', headers={"Content-Type": kind})
    assert found.status_code == 415
    assert "Content-Type: application/json" in found.json()["error"]


def test_a_body_that_is_too_large_is_refused_by_what_it_says_or_by_what_comes(server: AskedServer) -> None:
    large = b'{"inputs": "' + b"a" * 200_000 + b'"}'

    async def pieces() -> Any:
        for start in range(0, len(large), 10_000):
            yield large[start : start + 10_000]

    for content in (large, pieces()):
        found = server.post("/predict", content=content, headers=JSON)
        assert found.status_code == 413
        assert found.json() == {
            "error": "the body is larger than 100,000 bytes: send less at a time",
            "error_type": "too_large",
        }


def test_a_body_that_does_not_come_is_not_waited_for(server: AskedServer) -> None:
    async def slowly() -> Any:
        yield b'{"inputs": '
        await asyncio.sleep(1)
        yield b'"a"}'

    found = server.post("/predict", content=slowly(), headers=JSON)
    assert found.status_code == 408
    assert "did not arrive within 0.3 seconds" in found.json()["error"]


def test_what_is_not_there_is_told(server: AskedServer) -> None:
    found = server.get("/nothing")
    assert (found.status_code, found.json()["error_type"]) == (404, "not_found")
    found = server.ask("PUT", "/predict", content=b"{}", headers=JSON)
    assert (found.status_code, found.json()["error_type"]) == (405, "method_not_allowed")
    assert server.ask("DELETE", "/health").status_code == 405


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "[::2]:80", "localhost.evil:8000"])
def test_a_name_that_is_made_to_lead_here_is_refused(host: str, server: AskedServer) -> None:
    found = server.post("/predict", {"inputs": "a"}, headers={"Host": host})
    assert found.status_code == 421
    assert "--allowed-host" in found.json()["error"]


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8000", "127.0.0.1:1", "[::1]:8000"])
def test_a_servers_own_names_are_answered(host: str, server: AskedServer) -> None:
    assert server.get("/health", headers={"Host": host}).status_code == 200


def test_pages_of_other_sites_may_neither_send_nor_read(server: AskedServer, guarded: AskedServer) -> None:
    from_elsewhere = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
    found = server.post("/predict", {"inputs": "a"}, headers=from_elsewhere)
    assert (found.status_code, found.json()["error_type"]) == (403, "forbidden")
    assert "access-control-allow-origin" not in server.get("/health", headers=from_elsewhere).headers
    friend = {"Origin": "https://friend.example", "Sec-Fetch-Site": "cross-site", "Authorization": f"Bearer {KEY}"}
    found = guarded.post("/predict", {"inputs": "a"}, headers=friend)
    assert (found.status_code, found.headers["access-control-allow-origin"]) == (200, "https://friend.example")
    before = {"Origin": "https://friend.example", "Access-Control-Request-Method": "POST"}
    asked = guarded.ask("OPTIONS", "/predict", headers={**before, "Access-Control-Request-Headers": "authorization"})
    assert asked.status_code == 200


@pytest.mark.parametrize("path", ["/", "/predict", "/try", "/reload", "/files?name=a.csv"])
def test_browsers_that_tell_nothing_of_sites_are_known_by_the_origin(path: str, server: AskedServer) -> None:
    for origin in ("https://evil.example", "http://127.0.0.1:8001", "http://127.0.0.1", "http://[", "null", ""):
        found = server.post(path, {"inputs": "a"}, headers={"Origin": origin})
        assert (found.status_code, found.json()["error_type"]) == (403, "forbidden"), origin
    assert server.post("/predict", {"inputs": "a"}, headers={"Origin": "http://127.0.0.1:8000"}).status_code == 200


PATHS = ["/predict", "/info", "/metrics", "/docs", "/openapi.json", "/explain", "/reload", "/files/x", "/nothing"]


@pytest.mark.parametrize("path", PATHS)
def test_without_the_key_nothing_is_told(path: str, guarded: AskedServer) -> None:
    for header in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": KEY}, {"Authorization": "Bearer é"}):
        found = guarded.get(path, headers={name: value.encode() for name, value in header.items()})
        assert (found.status_code, found.headers["www-authenticate"]) == (401, "Bearer")
        assert found.json()["error_type"] == "unauthorized"


@pytest.mark.parametrize("path", ["/", "/predict", "/films/predict", "/invocations", "/try", "/health", "/reload"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_what_can_be_read_without_the_key_answers_nobody_without_it(
    method: str, path: str, guarded: AskedServer
) -> None:
    found = guarded.ask(method, path, content=b'{"inputs": "superb"}', headers=JSON)
    assert (found.status_code, found.json()["error_type"]) == (401, "unauthorized")


def test_with_the_key_all_is_answered_and_health_needs_none(guarded: AskedServer) -> None:
    for scheme in ("Bearer", "bearer"):
        key = {"Authorization": f"{scheme} {KEY}"}
        assert guarded.post("/predict", {"inputs": "superb"}, headers=key).status_code == 200
    for path in ("/health", "/health/ready", "/ping", "/"):
        found = guarded.get(path)
        assert found.status_code == 200
        assert "good" not in found.text


def test_the_key_may_stand_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    assert HttpSettings().key is None
    monkeypatch.setenv(KEY_VARIABLE, " of-the-environment ")
    assert HttpSettings().key == "of-the-environment"
    assert HttpSettings(api_key="of-the-flag").key == "of-the-flag"
    monkeypatch.setenv(KEY_VARIABLE, "two words")
    with pytest.raises(SettingsError, match=f"{KEY_VARIABLE} holds a character that no key has"):
        _ = HttpSettings().key
    for empty in ("", " \n"):
        monkeypatch.setenv(KEY_VARIABLE, empty)
        with pytest.raises(SettingsError, match=f"{KEY_VARIABLE} is empty: set it to a key, or unset it"):
            _ = HttpSettings().key
        assert HttpSettings(api_key="of-the-flag").key == "of-the-flag"


@pytest.mark.parametrize(
    "given",
    [
        {"port": -1}, {"port": 70_000}, {"host": " "}, {"api_key": ""}, {"api_key": "a b"}, {"reject_below": 1.0},
        {"cors_origin": ("example.com",)}, {"cors_origin": ("https://a.example/path",)}, {"body_seconds": 0.0},
        {"allowed_host": ("https://a.example",)}, {"max_body_megabytes": 0.0}, {"drain_seconds": -1.0},
    ],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="is not allowed"):
        HttpSettings(**given)


def test_answers_say_how_browsers_are_to_treat_them(server: AskedServer) -> None:
    headers = server.get("/").headers
    assert headers["content-security-policy"].startswith("default-src 'self'")
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cache-control"] == "no-store"
    assert "server" not in headers
