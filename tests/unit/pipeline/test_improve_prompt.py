"""A prompt is improved by trying: the best on the validation rows is kept."""

from pathlib import Path
from typing import Any

import pytest

from conftest import write_reviews
from scripted_server import Reply, scripted
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.llm.prompt_file import parse_prompt
from trifold.llm.settings import LlmSettings
from trifold.methods.settings import LabelSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.improve_prompt import Improving

PROMPT = parse_prompt(
    'task = "Text: {text}"\noutput = { labels = ["bad", "good"] }\nvariables = { text = "" }\n'
)  # fmt: skip
LESSON = "Praise is called good."
PRAISE = ("wonderful", "brilliant", "moving", "superb", "delightful", "charming")


def answer(_: int, body: dict[str, Any]) -> Reply:
    """Knows the answer only where the prompt holds the lesson, and writes the lesson when asked for instructions."""
    said = " ".join(message["content"] for message in body["messages"])
    if "write the instructions anew" in said:
        return Reply(f"- {LESSON}\n- Answer with one word.")
    praised = any(word in body["messages"][-1]["content"] for word in PRAISE)
    return Reply("good" if praised and LESSON in said else "bad")


def improving(folder: Path, llm: str, **limits: Any) -> Improving:
    settings = LlmSettings(llm=llm, log=folder / "log", **limits)
    data = write_reviews(folder / "reviews.csv", 60)
    return Improving(PROMPT, data, DataSettings(), LabelSettings(), settings, ComputeSettings(device="cpu"), 8)


def test_instructions_that_label_more_rows_rightly_are_kept(tmp_path: Path) -> None:
    with scripted(answer) as server:
        found = improving(tmp_path, server.llm).run(1)
    assert found.before.right < found.best.right == found.best.rows == 8
    assert found.best.name == "instructions, attempt 1"
    assert LESSON in found.best.prompt.instructions
    assert len(found.tried) == 5, "as it is, new instructions, and these with 2, 4 and 8 examples"


def test_a_spending_limit_keeps_the_best_until_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with scripted(answer) as server:
        found = improving(tmp_path, server.llm, max_calls=17).run(1)
        assert len(server.requests) == 17
    assert found.best == found.before
    assert "the best of what was tried until then is kept" in capsys.readouterr().err


def test_a_forecast_asks_nothing(tmp_path: Path) -> None:
    with scripted(answer) as server:
        expected = improving(tmp_path, server.llm).expect(1)
        assert not server.requests
    assert expected.calls >= 8 + 8 + 1


def test_rows_with_several_labels_are_refused(tmp_path: Path) -> None:
    data = tmp_path / "several.csv"
    data.write_text("text,label\n" + "".join(f"the film {n},{'a|b' if n % 2 else 'a'}\n" for n in range(40)))
    with scripted(answer) as server, pytest.raises(DataError, match="improving goes by one"):
        Improving(
            PROMPT, data, DataSettings(), LabelSettings(), LlmSettings(llm=server.llm), ComputeSettings(device="cpu"), 8
        )
