"""Requests that are as large as they may be: what takes long is refused first, and of a million faults few are told."""

from collections.abc import Iterator

import pytest

import served_runs
from asked_server import AskedServer, asked_server
from trifold.serve.explainer import MOST_CHARACTERS

JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedServer]:
    base = tmp_path_factory.getbasetemp()
    with asked_server({"films": served_runs.films(base), "moods": served_runs.moods(base)}) as running:
        yield running


def many(item: bytes, megabytes: float = 1.8) -> bytes:
    return b",".join([item] * int(megabytes * 1e6 / (len(item) + 1)))


def numbered(item: bytes, count: int) -> bytes:
    return b",".join(b'"a%d":%s' % (number, item) for number in range(count))


LARGE = {
    "inputs of numbers": ("/predict", lambda: b'{"inputs":[%s]}' % many(b"1"), 413),
    "inputs of texts": ("/predict", lambda: b'{"inputs":[%s]}' % many(b'"a"'), 413),
    "inputs of lists": ("/predict", lambda: b'{"inputs":[%s]}' % many(b'["a"]'), 413),
    "unknown fields": ("/predict", lambda: b'{"inputs":"a",%s}' % numbered(b"1", 150_000), 422),
    "unknown parameters": ("/predict", lambda: b'{"inputs":"a","parameters":{%s}}' % numbered(b"1", 150_000), 422),
    "sentences of numbers": ("/similarity", lambda: b'{"inputs":{"source_sentence":"a","sentences":[%s]}}' % many(b"1"), 422),
    "sentences": ("/similarity", lambda: b'{"inputs":{"source_sentence":"a","sentences":[%s]}}' % many(b'"a"'), 413),
    "questions of numbers": ("/v1/decisions", lambda: b'{"input":"a","questions":[%s]}' % many(b"1"), 422),
    "questions by id": ("/v1/systemone", lambda: b'{"state":"a","questions":{%s}}' % numbered(b"1", 150_000), 422),
    "options of nothing": ("/v1/decisions", lambda: b'{"input":"a","questions":[{"type":"choice","choices":[%s]}]}' % many(b'{"value":null}'), 422),
    "criteria of numbers": ("/v1/systemone", lambda: b'{"state":"a","questions":{"q":{"type":"choice","criteria":[%s]}}}' % many(b"1"), 422),
    "the same option": ("/v1/systemone", lambda: b'{"state":"a","questions":{"q":{"type":"choice","criteria":[%s]}}}' % many(b'" Good"'), 422),
    "a label again and again": ("/v1/systemone", lambda: b'{"state":"a","questions":{"q":{"type":"noul","instructions":"%s"}}}' % (b"good " * 39_000), 200),
    "long instructions": ("/v1/systemone", lambda: b'{"state":"a","questions":{"q":{"type":"noul","instructions":"%s"}}}' % (b"good " * 350_000), 413),
    "a text to explain": ("/explain", lambda: b'{"text":"%s"}' % (b"superb " * 250_000), 413),
}  # fmt: skip


@pytest.mark.parametrize("kind", LARGE)
def test_a_large_request_is_answered_briefly(kind: str, server: AskedServer) -> None:
    path, body, status = LARGE[kind]
    found = server.post(path, content=body(), headers=JSON)
    assert found.status_code == status, found.text
    assert len(found.content) < 400
    # Each fault that is found takes time and memory, told or not.
    assert "; and " not in found.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/predict", b'{"inputs":"a","model":"%s"}'),
        ("/predict", b'{"inputs":"a","%s":1}'),
        ("/explain", b'{"text":"superb","label":"%s"}'),
        ("/v1/systemone", b'{"state":"a","questions":{"%s":{"type":"x"}}}'),
        ("/v1/systemone", b'{"state":"a","questions":{"q":{"type":"%s"}}}'),
        ("/v1/systemone", b'{"state":"a","questions":{"q":{"type":"choice","criteria":["%s","good"]}}}'),
        ("/v1/decisions", b'{"input":[{"role":"%s","content":"a"}],"questions":[{"type":"predicate"}]}'),
    ],
)
def test_what_is_quoted_is_cut(path: str, body: bytes, server: AskedServer) -> None:
    found = server.post(path, content=body % (b"a" * 100_000), headers=JSON)
    assert found.status_code in (404, 422)
    assert len(found.content) < 2_200


def test_the_page_shows_a_text_that_is_too_long_to_be_explained_with_its_label_alone(server: AskedServer) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded", "X-Part": "words"}
    found = server.post("/try", content=b"text=" + b"superb+" * MOST_CHARACTERS, headers=form)
    assert found.status_code == 200
    assert "texts of up to 50,000 characters" in found.text


def test_where_a_server_keeps_its_runs_is_told_nobody(server: AskedServer) -> None:
    found = server.post("/v1/embeddings", {"input": "a"})
    assert found.status_code == 422
    assert found.json()["error"].startswith("films holds no encoder of its own")
