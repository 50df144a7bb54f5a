"""A language model labels the rows of a file: which rows it is asked about, and what is counted."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from scripted_server import Reply, scripted
from trifold.data.settings import ResultSettings, TextSettings
from trifold.errors import DataError, PromptError, SettingsError
from trifold.llm.call_log import read_log
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.label import LabelRequest, expect, label_file
from trifold.pipeline.teacher import teacher_path

PROMPT = """
task = "Text: {text}"
output = { labels = ["bad", "good"] }
variables = { text = "" }
"""


def answer(_: int, body: dict[str, Any]) -> Reply:
    said = str(body["messages"])
    return Reply("good" if "superb" in said else "bad" if "dull" in said else "who knows")


def asked(folder: Path, llm: str, prompt: str = PROMPT, **more: Any) -> LabelRequest:
    (folder / "rows.csv").write_text("text,mood\na superb film,good\n,good\na dull film,good\na riddle,bad\n")
    (folder / "prompt.toml").write_text(prompt)
    prompting = PromptingSettings(prompt=folder / "prompt.toml")
    result = ResultSettings(output=folder / "out.csv")
    settings = LlmSettings(llm=llm, log=folder / "log", price="1,2")
    return LabelRequest(
        folder / "rows.csv", TextSettings(), settings, prompting, ComputeSettings(), result=result, **more
    )


def test_rows_keep_their_order_and_everything_is_counted(tmp_path: Path) -> None:
    with scripted(answer) as server:
        request = asked(tmp_path, server.llm, true_column="mood")
        tally = label_file(request)
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["good", "", "bad", ""]
    assert [bool(row["error"]) for row in rows] == [False, True, False, True]
    assert (tally.rows, tally.labelled, tally.failed, tally.unusable) == (4, 2, 1, 1)
    assert (tally.known, tally.agreeing) == (2, 1)
    described = json.loads(teacher_path(tmp_path / "out.csv").read_text())
    assert described["failure_rate"] == pytest.approx(1 / 3, abs=1e-6)
    assert described["label_column"] == "label"
    assert server.url not in str({**described, "llm": ""})


def test_a_forecast_asks_nothing_and_knows_the_log(tmp_path: Path) -> None:
    with scripted(answer) as server:
        request = asked(tmp_path, server.llm)
        assert (expect(request).calls, expect(request).from_log) == (3, 0)
        assert not server.requests
        label_file(request)
        assert (expect(request).calls, expect(request).from_log) == (0, 3)


@pytest.mark.parametrize(
    ("more", "refused", "sentence"),
    [
        ({"column": "mood"}, DataError, "already has a column 'mood', which labelling would add: name another --label-as"),
        ({"column": "confidence"}, SettingsError, "--label-as confidence is not allowed: labelling adds a column of that name"),
        ({"column": "error"}, SettingsError, "--label-as error is not allowed"),
        ({"true_column": "truth"}, DataError, "no column 'truth' for --true-column: the file has text, mood"),
        ({"prompt": PROMPT.replace('labels = ["bad", "good"]', "")}, PromptError, "names no labels"),
    ],
)  # fmt: skip
def test_what_cannot_be_labelled_is_refused_before_anything_is_asked(
    more: dict[str, Any], refused: type[Exception], sentence: str, tmp_path: Path
) -> None:
    with scripted(answer) as server:
        with pytest.raises(refused, match=sentence):
            label_file(asked(tmp_path, server.llm, **more))
        assert not server.requests
    assert not (tmp_path / "out.csv").exists()


PAIRS = """
task = "First: {first}. Second: {second}."
output = { labels = ["other", "same"] }
variables = { first = "", second = "" }
"""


def test_pairs_are_labelled_where_the_prompt_has_two_variables(tmp_path: Path) -> None:
    (tmp_path / "pairs.csv").write_text("one,two\na film,a film\na film,a book\na film,\n")
    (tmp_path / "prompt.toml").write_text(PAIRS)

    def same(_: int, body: dict[str, Any]) -> Reply:
        return Reply("same" if "First: a film. Second: a film." in str(body["messages"]) else "other")

    with scripted(same) as server:
        request = LabelRequest(
            tmp_path / "pairs.csv",
            TextSettings(text_column="one,two"),
            LlmSettings(llm=server.llm, log=tmp_path / "log"),
            PromptingSettings(prompt=tmp_path / "prompt.toml"),
            ComputeSettings(),
            result=ResultSettings(output=tmp_path / "out.csv"),
        )
        assert expect(request).calls == 2
        tally = label_file(request)
    assert (tally.labelled, tally.unusable) == (2, 1)
    with (tmp_path / "out.csv").open() as file:
        assert [row["label"] for row in csv.DictReader(file)] == ["same", "other", ""]


@pytest.mark.parametrize("prompt", [PROMPT, PAIRS])
def test_a_text_longer_than_the_model_reads_is_cut_and_that_is_counted(
    prompt: str, decoder: Path, tmp_path: Path
) -> None:
    long = "a superb film, " * 2_000
    (tmp_path / "rows.csv").write_text(f'text,more\n"{long}","{long}"\na dull film,really\n')
    (tmp_path / "prompt.toml").write_text(prompt)
    reading = TextSettings(text_column="text,more" if prompt == PAIRS else "text")
    request = LabelRequest(
        tmp_path / "rows.csv",
        reading,
        LlmSettings(llm=f"hf:{decoder}", log=tmp_path / "log"),
        PromptingSettings(prompt=tmp_path / "prompt.toml", calibration="none"),
        ComputeSettings(device="cpu"),
        result=ResultSettings(output=tmp_path / "out.csv"),
    )
    tally = label_file(request)
    assert (tally.labelled, tally.failed, tally.truncated) == (2, 0, 1)
    with (tmp_path / "out.csv").open() as file:
        assert not any(row["error"] for row in csv.DictReader(file))


def test_written_votes_are_held_to_the_labels(decoder: Path, tmp_path: Path) -> None:
    """At a temperature where the model would write anything."""
    pytest.importorskip("llguidance")
    request = asked(tmp_path, f"hf:{decoder}")
    prompting = replace(request.prompting, label_by="answers", votes=3)
    llm = replace(request.llm, temperature=2.0, max_tokens=8)
    tally = label_file(replace(request, prompting=prompting, llm=llm))
    assert (tally.labelled, tally.failed) == (3, 0)
    answers = {call.answer for call in read_log(tmp_path / "log", 99)}
    assert {str(one).strip() for one in answers} <= {"good", "bad"}
