"""What `finetune` says last: how the model opens without Trifold, and what can be done next."""

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
