"""`POST /predict` and its other names: what is asked in which form, and what comes back."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import served_runs
from asked_server import AskedServer, asked_server
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.types import TextPair

PRAISE, BLAME = "The film is superb, the cast moving", "The plot is dull, the script tedious"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return served_runs.of_each_kind(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="module")
def server(folders: dict[str, Path]) -> Iterator[AskedServer]:
    with asked_server(folders) as running:
        yield running


def as_predicted(folder: Path, text: Any) -> list[dict[str, Any]]:
    [found] = predict_texts(load_run(folder).predictor, [text])
    ranked = sorted(found.probabilities.items(), key=lambda pair: -pair[1])
    return [{"label": label, "score": pytest.approx(score, abs=1e-6)} for label, score in ranked]


@pytest.mark.parametrize("path", ["/predict", "/", "/invocations", "/films/predict"])
def test_texts_get_the_labels_that_predict_gives(path: str, server: AskedServer, folders: dict[str, Path]) -> None:
    found = server.post(path, {"inputs": [PRAISE, BLAME]})
    assert found.status_code == 200
    assert found.json() == [as_predicted(folders["films"], text) for text in (PRAISE, BLAME)]
    assert found.json()[0][0]["label"] == "good"
    assert found.headers["x-truncated"] == "0"
    assert int(found.headers["x-compute-characters"]) == len(PRAISE) + len(BLAME)
    assert "inference;dur=" in found.headers["server-timing"]


def test_one_text_gets_a_list_of_one(server: AskedServer) -> None:
    one = server.post("/predict", {"inputs": PRAISE}).json()
    assert one == server.post("/predict", {"inputs": [PRAISE]}).json()
    assert len(one) == 1


def test_several_runs_are_asked_by_name(server: AskedServer, folders: dict[str, Path]) -> None:
    expected = [as_predicted(folders["moods"], "superb cast")]
    assert server.post("/moods/predict", {"inputs": "superb cast"}).json() == expected
    assert server.post("/predict", {"inputs": "superb cast", "model": "moods"}).json() == expected
    # Each label has a probability of its own.
    assert sum(one["score"] for one in expected[0] if isinstance(one["score"], float)) != 1


def test_pairs_are_read_in_every_form(server: AskedServer, folders: dict[str, Path]) -> None:
    first, second = "The film is superb", "The film is dull"
    expected = [as_predicted(folders["pairs"], TextPair(first, second))]
    for inputs in ([first, second], [[first, second]], {"text": first, "text_pair": second}):
        assert server.post("/pairs/predict", {"inputs": inputs}).json() == expected
    two = server.post("/pairs/predict", {"inputs": [[first, second], {"text": second, "text_pair": first}]})
    assert len(two.json()) == 2


def test_the_likeliest_labels_alone(server: AskedServer) -> None:
    for more in ({"top_k": 1}, {"parameters": {"top_k": 1}}):
        assert [len(one) for one in server.post("/predict", {"inputs": [PRAISE, BLAME], **more}).json()] == [1, 1]


def test_at_length_it_tells_what_is_given(server: AskedServer) -> None:
    [found] = server.post("/predict", {"inputs": "superb cast", "model": "moods", "verbose": True}).json()
    assert found["labels"] == ["cast", "praise"]
    assert not found["declined"]
    assert not found["truncated"]
    assert [one["label"] for one in found["scores"]] == sorted(
        ("cast", "praise", "blame"), key=lambda label: -{one["label"]: one["score"] for one in found["scores"]}[label]
    )


def test_a_run_that_is_not_sure_enough_gives_no_label(server: AskedServer) -> None:
    asked = {"inputs": [PRAISE, "neither word"], "parameters": {"reject_below": 0.9}}
    found = server.post("/predict", asked)
    assert [len(one) for one in found.json()] == [2, 0]
    assert found.headers["x-declined"] == "1"
    assert [one["declined"] for one in server.post("/predict", {**asked, "verbose": True}).json()] == [False, True]


def test_several_runs_answer_one_request(server: AskedServer) -> None:
    found = server.post("/predict", {"inputs": [PRAISE, BLAME], "model": ["moods", "films"]})
    apart = {name: server.post(f"/{name}/predict", {"inputs": [PRAISE, BLAME]}) for name in ("moods", "films")}
    assert found.json() == {name: one.json() for name, one in apart.items()}
    assert found.headers["x-run-version"] == ", ".join(one.headers["x-run-version"] for one in apart.values())


@pytest.mark.parametrize(
    ("asked", "status", "said"),
    [
        ({}, 422, "inputs is missing"),
        ({"inputs": None}, 422, "inputs must be a text or a list of texts"),
        ({"inputs": []}, 422, "inputs is empty"),
        ({"inputs": ["good", " "]}, 422, "inputs[1]: the text is empty"),
        ({"inputs": ["good", 7]}, 422, "inputs[1]: the text is no text but int"),
        ({"inputs": [["a", "b", "c"]]}, 422, "inputs[0] has 3 texts"),
        ({"inputs": [["a", "b"]]}, 422, "inputs[0] is a pair of texts, and this run reads single texts"),
        ({"inputs": "a", "model": "pairs"}, 422, "inputs is a single text, and this run reads pairs"),
        ({"inputs": {"texts": "a"}}, 422, 'inputs must be {"text": "…", "text_pair": "…"}'),
        ({"inputs": "a", "model": "flims"}, 404, "there is no run 'flims': this server has films, moods, pairs"),
        ({"inputs": "a", "model": []}, 422, "model names no run"),
        ({"inputs": "a", "model": ["films", "films"]}, 422, "or one twice"),
        ({"inputs": "a", "model": ["films", "pairs"]}, 422, "runs that read pairs of texts and runs that read single"),
        ({"inputs": "a", "top_k": 3}, 422, "top_k 3: the run has 2 labels"),
        ({"inputs": "a", "top_k": 0}, 422, "top_k"),
        ({"inputs": "a", "parameters": {"topk": 1}}, 422, "parameters.topk"),
        ({"inputs": "a", "truncate": "yes"}, 422, "truncate: input should be a valid boolean"),
        ({"inputs": "a", "parameters": {"reject_below": 1.5}}, 422, "parameters.reject_below"),
        ({"inputs": "a", "raw_scores": True}, 422, "raw_scores is not answered"),
        ({"inputs": ["a"] * 2_000}, 413, "texts"),
        ([1, 2], 422, "the body must be a JSON object"),
    ],
)
def test_what_cannot_be_used_is_refused_in_a_sentence(asked: Any, status: int, said: str, server: AskedServer) -> None:
    found = server.post("/predict", asked)
    assert (found.status_code, said in found.json()["error"]) == (status, True), found.text


def test_a_path_and_a_body_that_name_two_runs_are_refused(server: AskedServer) -> None:
    found = server.post("/films/predict", {"inputs": "a", "model": "moods"})
    assert found.status_code == 422
    assert "name one" in found.json()["error"]


def test_the_log_tells_of_a_request_without_its_texts(server: AskedServer) -> None:
    server.lines.clear()
    server.post("/moods/predict", {"inputs": ["superb secret", "dull"]})
    [line] = server.lines
    assert (line["endpoint"], line["status"], line["run"], line["texts"]) == ("/{run}/predict", 200, "moods", 2)
    assert "secret" not in str(line)
