"""What takes seconds says what it does, and `--quiet` silences it."""

from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.main import run
from trifold.llm.local_model import open_files
from trifold.models import loading

PROMPT = 'task = "Text: {text}"\noutput = { labels = ["bad", "good"] }\nvariables = { text = "" }\n'


@pytest.mark.parametrize("quiet", [True, False])
def test_a_large_model_that_is_loaded_is_told(
    quiet: bool,
    decoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(loading, "_LARGE_BYTES", 0)
    loading.say_once.cache_clear()
    open_files.cache_clear()
    (tmp_path / "prompt.toml").write_text(PROMPT)
    words = ["prompt", "run", str(tmp_path / "prompt.toml"), "--var", "text=a film", "--llm", f"hf:{decoder}"]
    assert run([*words, "--log", str(tmp_path / "log"), "--max-tokens", "3", *(["--quiet"] if quiet else [])]) == 0
    said = capsys.readouterr().err
    assert (f"loading {decoder} (" in said) is not quiet
    loading.say_once.cache_clear()
    open_files.cache_clear()


def test_how_far_labelling_is_comes_as_events(
    decoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompt.toml").write_text(PROMPT)
    data = write_reviews(tmp_path / "rows.csv", 12)
    words = ["label", str(data), "--label-as", "said", "--prompt", str(tmp_path / "prompt.toml")]
    more = ["--llm", f"hf:{decoder}", "--log", str(tmp_path / "log"), "--events", "json"]
    assert run([*words, *more, "--output", str(tmp_path / "out.csv")]) == 0
    said = capsys.readouterr().err
    assert f'"task": "hf:{decoder} reads 12 texts"' in said
