"""What `finetune` says last: how the model opens without Trifold, and what can be done next."""

import random
import re
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.main import run


@pytest.mark.parametrize(("method", "opens"), [("full", "from_pretrained"), ("adapter-lora", "peft loads the adapter"), ("tfidf", "")])  # fmt: skip
def test_finetune_says_how_the_model_opens_without_trifold(
    method: str, opens: str, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, folder = write_reviews(tmp_path / "some.csv", rows=60), tmp_path / "run"
    words = ["finetune", str(data), "--method", method, "--model", str(tiny_model), "--epochs", "1", "--device", "cpu"]
    assert run([*(words if opens else words[:4]), "--output-dir", str(folder)]) == 0
    printed = capsys.readouterr()
    assert printed.out.splitlines()[-1] == str(folder)
    assert ("without Trifold" in printed.err) == bool(opens)
    if opens:
        (line,) = [line for line in printed.err.splitlines() if "without Trifold" in line]
        assert opens in line
        assert str(folder / "model") in line
    if method == "full":
        assert f'from_pretrained("{folder / "model"}")' in printed.err
        assert 'from_pretrained("THIS_FOLDER/model")' in (folder / "README.md").read_text()


def test_a_model_that_is_no_better_than_one_answer_is_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, draw = tmp_path / "chance.csv", random.Random(0)
    rows = [
        (" ".join(draw.choices("abcdefgh", k=6)) + f" {i}", draw.choice(("good", "bad", "bad"))) for i in range(200)
    ]
    data.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows))
    assert run(["finetune", str(data), "--method", "tfidf", "--output-dir", str(tmp_path / "run")]) == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "always answering bad" in line]
    assert len(told) == 1
    assert re.match(r"(Below|Shown to be below|Not shown to be above) always answering bad \(", told[0])
    clear = write_reviews(tmp_path / "clear.csv", rows=200)
    assert run(["finetune", str(clear), "--method", "tfidf", "--output-dir", str(tmp_path / "other")]) == 0
    assert "always answering" not in capsys.readouterr().out
