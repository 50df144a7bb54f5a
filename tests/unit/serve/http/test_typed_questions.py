"""Typed questions in both forms, answered by one's own run; what it cannot know is refused with its labels."""

from collections.abc import Iterator
from typing import Any

import pytest

import served_runs
from asked_server import AskedServer, asked_server
from trifold.serve.http.typed_questions import _named

TEXT = "The film is superb, the cast moving"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AskedServer]:
    base = tmp_path_factory.getbasetemp()
    with asked_server({"films": served_runs.films(base), "moods": served_runs.moods(base)}) as running:
        yield running


def scores(server: AskedServer, run: str, text: str) -> dict[str, float]:
    [found] = server.post(f"/{run}/predict", {"inputs": text}).json()
    return {one["label"]: one["score"] for one in found}


def systemone(server: AskedServer, questions: dict[str, Any], **more: Any) -> Any:
    return server.post("/v1/systemone", {"state": TEXT, "questions": questions, **more})


def test_a_choice_between_the_labels_has_their_probabilities(server: AskedServer) -> None:
    criteria = {"bad": "blame", "good": None}
    found = systemone(server, {"q": {"type": "choice", "instructions": "Which?", "criteria": criteria}}).json()
    expected = scores(server, "films", TEXT)
    assert found["model"] == "films"
    assert found["usage"]["output_tokens"] == 0
    answer = found["answers"]["q"]
    assert (answer["type"], answer["choice"]) == ("choice", "good")
    assert answer["probabilities"] == pytest.approx(expected)
    assert list(answer["probabilities"]) == ["bad", "good"]
    assert answer["confidence"] == pytest.approx(2 * expected["good"] - 1)


def test_the_options_may_be_left_out_spelt_otherwise_or_listed(server: AskedServer) -> None:
    for criteria in (None, ["GOOD", "Bad "], {"Good": "", "BAD": ""}):
        found = systemone(server, {"q": {"type": "choice", "criteria": criteria}}).json()
        assert sorted(found["answers"]["q"]["probabilities"].values()) == pytest.approx(
            sorted(scores(server, "films", TEXT).values())
        )


def test_whether_a_label_applies(server: AskedServer) -> None:
    questions = {
        "praise": {"type": "noul", "instructions": "Anything"},
        "b": {"type": "noul", "instructions": "The labels are praise, blame, cast.\nDoes this label apply: cast?"},
        "c": {"type": "noul", "instructions": "Is there BLAME in it?"},
    }
    found = systemone(server, questions, model="moods").json()["answers"]
    expected = scores(server, "moods", TEXT)
    assert [found[name]["noul"] for name in questions] == pytest.approx(
        [expected["praise"], expected["cast"], expected["blame"]]
    )


def test_openais_form_keeps_names_values_and_order(server: AskedServer) -> None:
    questions = [
        {"type": "choice", "name": "q", "choices": [{"value": "good", "description": "x"}, {"value": "bad"}]},
        {"type": "predicate", "instructions": "Is it good?"},
    ]
    found = server.post("/v1/decisions", {"model": "films", "input": TEXT, "questions": questions}).json()
    expected = scores(server, "films", TEXT)
    first, second = found["answers"]
    assert (first["type"], first["name"], first["choice"]) == ("choice", "q", "good")
    assert [one["value"] for one in first["probabilities"]] == ["good", "bad"]
    assert first["probabilities"][0]["probability"] == pytest.approx(expected["good"])
    assert second == {"type": "predicate", "name": None, "probability": pytest.approx(expected["good"])}


def test_input_may_be_what_a_user_says_in_messages(server: AskedServer) -> None:
    questions = [{"type": "predicate", "name": "good"}]
    parts = [{"type": "input_text", "text": TEXT}]
    for given in ([{"role": "user", "content": TEXT}], [{"role": "user", "content": parts}]):
        found = server.post("/v1/decisions", {"input": given, "questions": questions}).json()
        assert found["answers"][0]["probability"] == pytest.approx(scores(server, "films", TEXT)["good"])


@pytest.mark.parametrize(
    ("path", "asked", "said"),
    [
        ("systemone", {"questions": {"q": {"type": "choice", "criteria": {"good": "", "fine": ""}}}}, "'fine', which is no label of films: it has bad, good"),
        ("systemone", {"questions": {"q": {"type": "choice", "criteria": ["good"]}}}, "has one option"),
        ("systemone", {"questions": {"q": {"type": "choice", "criteria": ["good", "Good"]}}}, "same label"),
        ("systemone", {"questions": {"q": {"type": "noul", "instructions": "Is it fine?"}}}, "is about no label of films"),
        ("systemone", {"questions": {"q": {"type": "noul", "instructions": "Good or bad?"}}}, "its labels are bad, good"),
        ("systemone", {"questions": {"q": {"type": "score", "criteria": ["low", "high"]}}}, "of type 'score', which films cannot answer"),
        ("systemone", {"questions": {"q": {"type": "choice"}}, "model": "moods"}, "any number of labels: ask whether each"),
        ("systemone", {"questions": {}}, "questions"),
        ("systemone", {"questions": {"good": {"type": "noul"}}, "state": {"a": 1}}, "state"),
        ("systemone", {"questions": {"good": {"type": "noul"}}, "state": ""}, "the text is empty"),
        ("decisions", {"questions": [{"type": "choice", "choices": [{"value": True}, {"value": "bad"}]}]}, "'true', which is no label"),
        ("decisions", {"questions": [{"type": "predicate", "name": "q"}]}, "call it by a label"),
        ("decisions", {"questions": [{"type": "predicate", "name": "good"}], "input": [{"role": "assistant", "content": "a"}]}, "a message of 'assistant'"),
        ("decisions", {"questions": [{"type": "predicate", "name": "good"}], "input": [{"role": "user", "content": [{"type": "input_image"}]}]}, "a part that is no text"),
        ("decisions", {"questions": [{"type": "predicate", "name": "good"}], "input": ["a", "b"]}, "input"),
    ],
)  # fmt: skip
def test_what_the_run_cannot_know_is_refused(path: str, asked: dict[str, Any], said: str, server: AskedServer) -> None:
    field = "state" if path == "systemone" else "input"
    found = server.post(f"/v1/{path}", {field: TEXT, **asked})
    assert (found.status_code, said in found.json()["error"]) == (422, True), found.text


def test_questions_that_would_take_long_are_answered_or_refused_at_once(server: AskedServer) -> None:
    long = {"q": {"type": "noul", "instructions": "Is it good or bad? " * 5_000}}
    assert "is about no label" in systemone(server, long).json()["error"]
    many = {f"q{n}": {"type": "noul", "instructions": "bad? " * 20 + "\nIs it good?"} for n in range(1_000)}
    assert len(systemone(server, many).json()["answers"]) == 1_000
    assert systemone(server, {"q": {"type": "noul", "instructions": "good " * 50_000}}).status_code == 413
    name = systemone(server, {"n" * 100_000: {"type": "noul"}}, model="films").json()["error"]
    assert len(name) < 500


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("Is it good?", {1}), ("GOOD!", {1}), ("goodness", set()), ("not good enough: very  Good", {1, 2}),
        ("Does this label apply: c++?", {3}), ("c, say", {4}), ("", set()),
    ],
)  # fmt: skip
def test_labels_are_found_as_words_of_their_own(text: str, named: set[int]) -> None:
    assert _named(text, ("\U0001f642", "good", "not good enough", "C++", "C")) == named
