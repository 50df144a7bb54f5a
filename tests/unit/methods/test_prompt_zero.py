"""The row of a comparison in which a language model is asked and no labelled text has a say."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from scripted_server import Reply, scripted
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import SettingsError
from trifold.evaluate.settings import CompareSettings
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.catalogue import method_entry
from trifold.methods.contract import Fitted
from trifold.methods.settings import MethodSettings
from trifold.models.settings import BackboneSettings
from trifold.pipeline.compare import compare
from trifold.pipeline.prompting_cost import expect
from trifold.pipeline.request import Request
from trifold.tasks.labels import LabelMap
from trifold.types import Examples, Split

CPU = BackboneSettings(device="cpu", precision="float32", offline=True)
LABELS = LabelMap(("bad", "good"))


@pytest.fixture(scope="module")
def split(reviews: Path) -> Split:
    return split_examples(load_examples(reviews, DataSettings()).examples)


def fitted(llm: str, log: Path, split: Split) -> Fitted:
    backbone = CPU if llm.startswith("hf:") else replace(CPU, offline=False)
    given = MethodSettings(backbone=backbone, llm=LlmSettings(llm=llm, log=log, retries=0))
    return method_entry("prompt-zero").load()(given).fit(split.train, split.validation, LABELS)


def with_other_labels(part: Examples) -> Examples:
    """All but one are of one class, and wrongly so."""
    return replace(part, labels=("good", *["bad"] * (len(part) - 1)))


def of_film(_number: int, body: dict[str, Any]) -> Reply:
    good = 0.9 if "superb" in str(body["state"]) or "charming" in str(body["state"]) else 0.2
    found = {"type": "choice", "choice": "good", "probabilities": {"bad": 1 - good, "good": good}}
    answers = dict.fromkeys(body["questions"], found)
    usage = {"input_tokens": 9, "output_tokens": 0}
    return Reply(raw=json.dumps({"model": "m", "answers": answers, "usage": usage}).encode())


def test_no_label_has_a_say(decoder: Path, split: Split, tmp_path: Path) -> None:
    wrong = replace(split, train=with_other_labels(split.train), validation=with_other_labels(split.validation))
    found = [fitted(f"hf:{decoder}", tmp_path / "log", one) for one in (split, wrong)]
    logits = [one.predictor.score(split.test.texts).logits for one in found]
    np.testing.assert_array_equal(*logits)
    assert found[0].choices["calibration"] == "contextual"
    assert not {"temperature", "order_dependent"} & set(found[0].choices)
    assert len(found[0].validation_logits) == 0
    assert (logits[0].argmax(1) == LABELS.encode(split.test.labels)).mean() >= 0.9


def test_nor_where_a_server_names_none(split: Split, tmp_path: Path) -> None:
    wrong = replace(split, train=with_other_labels(split.train))
    with scripted(lambda _, body: Reply("good" if "superb" in str(body) else "no idea")) as server:
        found = [fitted(server.llm, tmp_path / "log", one).predictor for one in (split, wrong)]
        logits = [one.score(("a superb film", "another")).logits for one in found]
    np.testing.assert_array_equal(*logits)
    assert logits[0][0].argmax() == 1
    assert logits[0][1][0] == logits[0][1][1]


def test_what_takes_labels_is_refused(reviews: Path, tmp_path: Path) -> None:
    llm = LlmSettings(llm="hf:somewhere", log=tmp_path / "log")
    for asked in (PromptingSettings(shots=2), PromptingSettings(calibration="affine")):
        request = Request(reviews, llm=llm, prompting=asked)
        with pytest.raises(SettingsError, match="prompt-zero does not use --"):
            request.require_used(["prompt-zero"])
        assert request.for_method("prompt-zero").prompting == PromptingSettings()


def test_its_forecast_has_the_test_rows_alone(decoder: Path, reviews: Path, split: Split, tmp_path: Path) -> None:
    request = Request(reviews, backbone=CPU, llm=LlmSettings(llm=f"hf:{decoder}", log=tmp_path / "log"))
    assert expect(request, "prompt-zero").calls == len(split.test)
    assert expect(request, "prompt").calls == len(split.test) + len(split.validation)


@pytest.mark.slow
def test_a_decision_server_stands_in_the_leaderboard_without_labels(reviews: Path, tmp_path: Path) -> None:
    folder = tmp_path / "compared"
    with scripted(of_film) as server:
        request = Request(
            reviews,
            backbone=BackboneSettings(model="minilm", device="cpu"),
            llm=LlmSettings(llm=server.decides("systemone"), log=tmp_path / "log"),
        )
        compare(request, CompareSettings(methods="tfidf,prompt-zero"), folder)
    with (folder / "leaderboard.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"tfidf", "prompt-zero", "majority"}
    record = json.loads((folder / "prompt-zero" / "run.json").read_text())
    assert record["choices"]["shots"] == "none"
    assert server.url not in json.dumps(record)
    assert "no labelled text is used" in (folder / "prompt-zero" / "README.md").read_text()
