"""Servers that are asked for several labels of a text: what they are asked, and what is read."""

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import several_labels
from scripted_server import Reply, scripted
from trifold.data.settings import ResultSettings, TextSettings
from trifold.errors import PromptError
from trifold.llm.answer_parser import find_words
from trifold.llm.label_words import word_labels
from trifold.llm.prompt_file import format_prompt, parse_prompt
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.prompt import Prompting
from trifold.methods.prompt_predictor import PromptPredictor
from trifold.methods.settings import MethodSettings
from trifold.models.settings import BackboneSettings, ComputeSettings
from trifold.pipeline.label import LabelRequest, label_file
from trifold.tasks.labels import LabelMap
from trifold.types import Examples

LABELS = LabelMap(("blame", "cast", "praise"), multi_label=True)
WORDS = ("blame", "cast", "praise")
KINDS = ("openai", "systemone", "decisions")
CPU = BackboneSettings(device="cpu", precision="float32")
PROMPT = """
task = "Text: {text}"
output = { labels = ["blame", "cast", "praise"], several = true }
variables = { text = "" }
"""

ANSWERS = {
    "praise": [2],
    "Blame, praise.": [0, 2],
    '["praise", "cast"]': [1, 2],
    "- cast\n- blame": [0, 1],
    "The text has praise and speaks of the cast.": [1, 2],
    "none": [],
    "None.": [],
    "[]": [],
    "": None,
    "I cannot tell": None,
    "nonetheless": None,
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_list_of_labels_is_read(answer: str) -> None:
    assert find_words(answer, WORDS) == ANSWERS[answer]


def held(text: str) -> dict[str, float]:
    """What an attentive server makes of a text of `several_labels`."""
    truth = dict(several_labels(60))[text]
    return {label: 0.9 if label in truth else 0.1 for label in WORDS}


def serve(_: int, body: dict[str, Any]) -> Reply:
    if "messages" in body:
        text = body["messages"][-1]["content"].removeprefix("Text: ").removesuffix("\nLabel:")
        return Reply(", ".join(label for label, share in held(text).items() if share > 0.5) or "none")
    shares = held(str(body.get("state", body.get("input"))))
    if "state" in body:
        found = {
            name: {"type": "noul", "noul": shares[asked_label(question)]}
            for name, question in body["questions"].items()
        }
        return Reply(raw=json.dumps({"answers": found}).encode())
    listed = [
        {"type": "predicate", "name": one["name"], "probability": shares[asked_label(one)]} for one in body["questions"]
    ]
    return Reply(raw=json.dumps({"answers": listed[::-1]}).encode())


def asked_label(question: dict[str, Any]) -> str:
    found = re.search(r"Does this label apply: (\w+)", question["instructions"])
    assert found
    return found[1]


def part(rows: slice) -> Examples:
    texts, labels = zip(*several_labels(60)[rows], strict=True)
    return Examples(tuple(range(len(texts))), texts, labels)


@pytest.mark.parametrize("kind", KINDS)
def test_prompting_labels_rows_that_may_have_several(kind: str, tmp_path: Path) -> None:
    train, test = part(slice(0, 40)), part(slice(40, 60))
    with scripted(serve) as server:
        llm = LlmSettings(llm=server.decides(kind), log=tmp_path / "log", retries=0)
        shots = 4 if kind == "openai" else 0
        given = MethodSettings(backbone=CPU, llm=llm, prompting=PromptingSettings(shots=shots))
        fitted = Prompting(given).fit(train, train.take([0, 1]), LABELS)
        predictor = fitted.predictor
        probabilities = predictor.labels.probabilities(predictor.score(test.texts).logits)
        assert predictor.labels.decode(predictor.labels.decide(probabilities)) == list(test.labels)
        if kind != "openai":
            np.testing.assert_allclose(probabilities.max(), 0.9, atol=0.002)
        else:
            system, *shown, _ = server.requests[0]["messages"]
            assert "Answer with those of these that apply, separated by commas, or with none" in system["content"]
            labelled = dict(several_labels(60))
            for asked, answered in zip(shown[::2], shown[1::2], strict=True):
                text = asked["content"].removeprefix("Text: ").removesuffix("\nLabel:")
                assert answered["content"] == (", ".join(labelled[text]) or "none")
        predictor.save(tmp_path / "model")
        back = PromptPredictor.load(tmp_path / "model", ComputeSettings(device="cpu"), replace(llm, log=tmp_path / "2"))
        np.testing.assert_allclose(back.score(test.texts).logits, predictor.score(test.texts).logits, atol=1e-5)


def test_a_text_without_an_answer_gets_the_shares_of_the_labels(tmp_path: Path) -> None:
    train = part(slice(0, 40))
    with scripted(lambda number, body: Reply("no idea") if "41" in str(body) else serve(number, body)) as server:
        llm = LlmSettings(llm=server.llm, log=tmp_path / "log", retries=0)
        predictor = Prompting(MethodSettings(backbone=CPU, llm=llm)).fit(train, train.take([0]), LABELS).predictor
        found = LABELS.probabilities(predictor.score(part(slice(40, 43)).texts).logits)
    shares = np.array([sum(label in row for row in train.labels) for label in WORDS])
    np.testing.assert_allclose(found[1], (shares + 1) / 42, atol=1e-4)


def test_label_writes_several_labels(tmp_path: Path) -> None:
    (tmp_path / "prompt.toml").write_text(PROMPT)
    rows = several_labels(60)[:6]
    (tmp_path / "rows.csv").write_text("text,mood\n" + "".join(f"{text},{'|'.join(labels)}\n" for text, labels in rows))
    with scripted(serve) as server:
        request = LabelRequest(
            tmp_path / "rows.csv",
            TextSettings(text_column="text"),
            LlmSettings(llm=server.llm, log=tmp_path / "log"),
            PromptingSettings(prompt=tmp_path / "prompt.toml"),
            ComputeSettings(),
            true_column="mood",
            result=ResultSettings(output=tmp_path / "out.csv"),
        )
        tally = label_file(request)
    assert tally.labelled == 6
    written = [line.split(",") for line in (tmp_path / "out.csv").read_text().splitlines()[1:]]
    assert [row[2] for row in written] == ["|".join(labels) for _, labels in rows]


def test_a_prompt_file_keeps_it_and_refuses_nonsense(tmp_path: Path) -> None:
    prompt = parse_prompt(PROMPT)
    assert prompt.output.several
    assert parse_prompt(format_prompt(prompt)) == prompt
    for wrong in ('several = "yes", labels = ["a", "b"]', "several = true"):
        with pytest.raises(PromptError, match=r"output\.several must be true or false"):
            parse_prompt(f'task = "{{text}}"\nvariables = {{ text = "" }}\noutput = {{ {wrong} }}')
    with pytest.raises(PromptError, match=r"has output\.several, and the data have one label a row"):
        word_labels(prompt, LabelMap(WORDS), {})
