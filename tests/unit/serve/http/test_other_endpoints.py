"""Vectors, similarity, explanations, search, and how a server is watched over."""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from prometheus_client.parser import text_string_to_metric_families

import served_runs
from asked_server import AskedServer, asked_server
from trifold import TextEmbedder
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings
from trifold.explanations.explain import explain_texts
from trifold.inference.run import load_run
from trifold.models.settings import ComputeSettings, EncodingSettings

TEXTS = ["The film is superb", "a dull script"]
COMPUTE = ComputeSettings(device="cpu", precision="float32")


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Path]:
    base = tmp_path_factory.getbasetemp()
    names = {"encoded": served_runs.encoded(base, tiny_model), "films": served_runs.films(base)}
    return {**names, "pairs": served_runs.pairs(base)}


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Path:
    folder = tmp_path_factory.mktemp("index") / "films"
    documents = [{"id": str(n), "text": text, "year": 1990 + n} for n, text in enumerate([*TEXTS, "a moving story"])]
    SearchIndex.build(documents, folder, IndexSettings(model=str(tiny_model)), COMPUTE)
    return folder


@pytest.fixture(scope="module")
def server(folders: dict[str, Path], index: Path) -> Iterator[AskedServer]:
    with asked_server(folders, index=index) as running:
        yield running


@pytest.fixture(scope="module")
def vectors(folders: dict[str, Path]) -> np.ndarray:
    settings = EncodingSettings(device="cpu", precision="float32")
    return TextEmbedder(str(folders["encoded"]), settings=settings).encode(TEXTS)


def test_vectors_are_those_of_embed_in_openais_form(server: AskedServer, vectors: np.ndarray) -> None:
    found = server.post("/v1/embeddings", {"input": TEXTS, "model": "encoded"}).json()
    assert (found["object"], found["model"]) == ("list", "encoded")
    assert [one["index"] for one in found["data"]] == [0, 1]
    np.testing.assert_allclose([one["embedding"] for one in found["data"]], vectors, atol=1e-5)
    assert found["usage"]["prompt_tokens"] == found["usage"]["total_tokens"] > 4
    [one] = server.post("/v1/embeddings", {"input": TEXTS[0], "encoding_format": "base64"}).json()["data"]
    np.testing.assert_allclose(np.frombuffer(base64.b64decode(one["embedding"]), "<f4"), vectors[0], atol=1e-5)


def test_fewer_dimensions_are_the_first_ones_made_length_1(server: AskedServer, vectors: np.ndarray) -> None:
    found = server.post("/v1/embeddings", {"input": TEXTS, "dimensions": 8}).json()
    short = vectors[:, :8] / np.linalg.norm(vectors[:, :8], axis=1, keepdims=True)
    np.testing.assert_allclose([one["embedding"] for one in found["data"]], short, atol=1e-5)


def test_similarity_is_the_cosine(server: AskedServer, vectors: np.ndarray) -> None:
    asked = {"inputs": {"source_sentence": TEXTS[0], "sentences": [TEXTS[1], TEXTS[0]]}}
    assert server.post("/similarity", asked).json() == pytest.approx([vectors[0] @ vectors[1], 1.0], abs=1e-5)


def test_an_explanation_is_that_of_explain(server: AskedServer, folders: dict[str, Path]) -> None:
    found = server.post("/explain", {"text": TEXTS[0], "model": "films", "words": 2})
    [expected] = explain_texts(load_run(folders["films"]).predictor, [TEXTS[0]])
    told = found.json()
    assert (told["label"], told["predicted"], told["method"]) == ("good", ["good"], "weights")
    assert told["probability"] == pytest.approx(expected.probability)
    assert told["deciding"][0]["text"] == expected.deciding[0].text == "superb"
    assert "x-compute-time" in found.headers


def test_documents_that_answer_a_query(server: AskedServer) -> None:
    found = server.post("/search", {"query": TEXTS[0], "top_k": 2}).json()
    assert found["answers"][0]["id"] == "0"
    assert len(found["answers"]) == 2
    [only] = server.post("/search", {"query": TEXTS[0], "where": "year = 1992"}).json()["answers"]
    assert only["metadata"]["year"] == 1992


@pytest.mark.parametrize(
    ("path", "asked", "status", "said"),
    [
        ("/v1/embeddings", {"input": []}, 422, "input is empty"),
        ("/v1/embeddings", {"input": [1, 2]}, 422, "input[0]: the text is no text but int"),
        ("/v1/embeddings", {"input": "a", "encoding_format": "int8"}, 422, "encoding_format"),
        ("/v1/embeddings", {"input": "a", "dimensions": 0}, 422, "dimensions"),
        ("/v1/embeddings", {"input": "a", "dimensions": 100_000}, 422, "dimensions"),
        ("/v1/embeddings", {"input": "a", "prompt_name": "none"}, 422, "none"),
        ("/v1/embeddings", {"input": "a", "model": "films"}, 422, "films"),
        ("/v1/embeddings", {"input": "a", "model": "text-embedding-3-small"}, 404, "there is no run"),
        ("/similarity", {"inputs": {"source_sentence": "a", "sentences": []}}, 422, "inputs.sentences"),
        ("/similarity", {"inputs": {"source_sentence": " ", "sentences": ["a"]}}, 422, "the text is empty"),
        ("/explain", {"text": "a", "label": "fine"}, 422, "there is no label 'fine'"),
        ("/explain", {"text": ["a"]}, 422, "text"),
        ("/explain", {"text": "a", "words": 0}, 422, "words"),
        ("/explain", {"text": "a", "evaluations": 10**9}, 422, "evaluations"),
        ("/explain", {"text": "a", "model": "pairs"}, 422, "pairs"),
        ("/search", {"query": " "}, 422, "the text is empty"),
        ("/search", {"query": "a", "where": "year >"}, 422, "where"),
        ("/search", {"query": "a", "where": "colour = 'red'"}, 422, "colour"),
        ("/search", {"query": "a", "top_k": 0}, 422, "top_k"),
        ("/reload", {"model": "none"}, 404, "there is no run"),
    ],
)
def test_what_cannot_be_done_is_told(path: str, asked: Any, status: int, said: str, server: AskedServer) -> None:
    found = server.post(path, asked)
    assert (found.status_code, said in found.json()["error"]) == (status, True), found.text


def test_health_asks_the_runs_where_that_is_wanted(server: AskedServer) -> None:
    for path in ("/health", "/ping"):
        assert server.get(path).json() == {"status": "ok"}

    def counted() -> list[str]:
        kinds = (
            "trifold_answers_total",
            "trifold_texts_total",
            "trifold_confidence_count",
            "trifold_run_requests_total",
        )
        return [line for line in server.get("/metrics").text.splitlines() if line.startswith(kinds)]

    before = counted()
    for path in ("/health?ready", "/health/ready"):
        assert server.get(path).json() == {"status": "ready", "runs": ["encoded", "films", "pairs"]}
    assert counted() == before, "labels of texts that nobody sent would look like a change in the texts"
    server.service.stopping = True
    try:
        assert server.get("/health/ready").status_code == 503
    finally:
        server.service.stopping = False


def test_info_tells_what_the_server_holds(server: AskedServer) -> None:
    found = server.get("/info").json()
    assert found["model_id"] == "encoded"
    assert found["model_type"]["classifier"]["id2label"] == {"0": "bad", "1": "good"}
    encoded, films, pairs = found["runs"]
    assert (encoded["method"], films["method"], pairs["reads_pairs"]) == ("features", "tfidf", True)
    assert films["metrics"]["accuracy"]["value"] > 0.5
    assert found["index"] == "films"
    # Paths of this machine are nobody's business.
    assert str(server.server.runs["films"].folder) not in json.dumps(found)


def samples(server: AskedServer) -> dict[str, float]:
    text = server.get("/metrics").text
    return {
        f"{sample.name}{json.dumps(sample.labels, sort_keys=True)}": sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_metrics_count_what_is_answered(server: AskedServer) -> None:
    before = samples(server)
    server.post("/films/predict", {"inputs": ["superb", "dull", "dull"]})
    server.post("/films/predict", {"inputs": []})
    server.post("/v1/embeddings", {"input": "superb"})

    def risen(name: str, **labels: str) -> float:
        key = f"{name}{json.dumps(labels, sort_keys=True)}"
        return samples(server)[key] - before.get(key, 0.0)

    assert risen("trifold_texts_total", run="films", kind="predict") == 3
    assert risen("trifold_answers_total", run="films", label="bad") == 2
    assert risen("trifold_confidence_count", run="films") == 3
    assert risen("trifold_http_requests_total", endpoint="/{run}/predict", status="422") == 1
    assert risen("trifold_run_requests_total", run="films", kind="predict", outcome="answered") == 1
    # The names of text-embeddings-inference.
    assert risen("te_predict_count") == 1
    assert risen("te_embed_success") == 1
    assert risen("te_request_count") == 2
    assert risen("te_request_duration_count") == 2
    assert samples(server)["te_queue_size{}"] == 0
    assert any(name.startswith("te_batch_next_size_bucket") for name in before)


def test_a_folder_is_opened_again(server: AskedServer) -> None:
    before = {name: run.version for name, run in server.server.runs.items()}
    assert server.post("/reload", {"model": "films"}).json() == {"versions": before}
    assert server.post("/reload").json() == {"versions": before}


def test_the_document_tells_of_errors_as_they_are(server: AskedServer) -> None:
    schema = server.get("/openapi.json").json()
    assert "HTTPValidationError" not in str(schema)
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            assert "422" not in operation["responses"], path
            [content] = operation["responses"]["default"]["content"].values()
            assert content["schema"] == {"$ref": "#/components/schemas/Error"}
    told = server.post("/predict", {}).json()
    error = schema["components"]["schemas"]["Error"]
    assert told.keys() == error["properties"].keys()
    assert told["error_type"] in error["properties"]["error_type"]["enum"]


def test_openais_clients_are_told_the_runs(server: AskedServer) -> None:
    found = server.get("/v1/models").json()
    assert [one["id"] for one in found["data"]] == ["encoded", "films", "pairs"]


def test_the_documentation_is_a_page_of_its_own(server: AskedServer) -> None:
    schema = server.get("/openapi.json").json()
    page = server.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    for path in schema["paths"]:
        assert path in page.text
    assert {"/predict", "/v1/systemone", "/v1/decisions", "/v1/embeddings", "/search"} <= schema["paths"].keys()
    assert "http://" not in page.text
    assert "https://" not in page.text
