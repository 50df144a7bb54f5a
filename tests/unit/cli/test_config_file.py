"""`--config FILE`: which values a file of flags may and may not hold."""

from pathlib import Path

import pytest

from trifold.cli.config_file import take_config_flag
from trifold.errors import SettingsError, TrifoldError


def test_the_flag_and_its_file_are_taken_out_of_the_arguments(tmp_path: Path) -> None:
    file = tmp_path / "flags.toml"
    file.write_text("epochs = 3\n")
    words, files = take_config_flag(["finetune", "--config", str(file), "movie.csv"])
    assert words == ["finetune", "movie.csv"]
    assert len(files) == 1
    assert take_config_flag(words) == (words, [])


def test_a_file_that_is_not_there_is_an_error() -> None:
    with pytest.raises(TrifoldError, match=r"there is no file none\.toml: give --config a TOML file"):
        take_config_flag(["finetune", "--config", "none.toml"])
    with pytest.raises(TrifoldError, match="give --config a TOML file"):
        take_config_flag(["finetune", "--config"])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('api_key_env = "SECRET"', "sets api-key-env"),
        ("trust-remote-code = true", "sets trust-remote-code"),
        ('llm = "openai:http://example.com#m"', "sets llm"),
        ('llm = "systemone:http://example.com#m"', "sets llm"),
        ('llm = "decisions:http://example.com#m"', "sets llm"),
        ("[train]\nepochs = 3", r"has the table \[train\]"),
        ("epochs =", "is no TOML that can be read"),
    ],
)
def test_what_a_file_that_is_passed_on_may_not_hold(content: str, message: str, tmp_path: Path) -> None:
    file = tmp_path / "flags.toml"
    file.write_text(content)
    with pytest.raises(SettingsError, match=message):
        take_config_flag(["finetune", "--config", str(file)])
