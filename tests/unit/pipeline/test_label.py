"""A language model labels the rows of a file: which rows it is asked about, and what is counted."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from scripted_server import Reply, scripted
from trifold.data.settings import ResultSettings, TextSettings
from trifold.errors import DataError, PromptError, SettingsError
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
