"""`trifold --help` lists every command by what it is for, and the shell completes them."""

import re
import subprocess
from pathlib import Path

import pytest

from trifold.cli.main import run
from trifold.cli.skill_text import every_command
from trifold.cli.verb import GROUPS
from trifold.cli.verbs import VERBS


def test_help_lists_every_command_in_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    shown = capsys.readouterr().out
    places = [shown.index(f" {group} ") for group in GROUPS]
    assert places == sorted(places)
    for verb in VERBS:
        start = shown.index(f" {verb.group} ")
        end = min((place for place in places if place > start), default=len(shown))
        assert re.search(rf"^│ {verb.name} ", shown[start:end], re.MULTILINE), verb.name
    for flag in ("--quiet", "--verbose", "--events json", "--config FILE"):
        assert flag in shown


def test_every_commands_help_names_the_flags_that_all_of_them_take(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--help"]) == 0
    assert "Every command takes:" in capsys.readouterr().out
    assert run(["prompt", "--help"]) == 0
    assert "chat" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "pairs"),
    [
        ("finetune", True),
        ("predict", True),
        ("evaluate", True),
        ("topics", False),
        ("duplicates", False),
        ("embed", False),
    ],
)
def test_a_pair_of_columns_is_told_of_where_a_pair_can_be_read(
    command: str, pairs: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([command, "--help"]) == 0
    shown = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "whose texts are joined" in shown
    assert ("which are the two of a pair" in shown) == pairs


def test_help_names_the_arguments_and_no_flag_that_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for words, usage in (
        ("predict", "trifold predict [OPTIONS] RUN [SOURCE]"),
        ("search query", "trifold search query [OPTIONS] INDEX [TEXT]"),
        ("summarize", "trifold summarize [COMMAND] [OPTIONS] [SOURCE]"),
        ("search", "trifold search COMMAND"),
    ):
        assert run([*words.split(), "--help"]) == 0
        assert capsys.readouterr().out.splitlines()[0] == f"Usage: {usage}"
    for command, part in every_command():
        flags = [flag for argument in part.assemble_argument_collection() for flag in argument.names]
        assert not [flag for flag in flags if flag.startswith("--empty-")], command
    assert run(["prompt", "show", "FILE", "--empty-stop"]) == 2
    assert "there is no flag --empty-stop" in capsys.readouterr().err


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell_knows_commands_and_flags(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("compare", "fill-mask", "doctor", "tolerance", "chat"):
        assert word in script


def test_bash_completes_a_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "bash"]) == 0
    script = tmp_path / "trifold.bash"
    script.write_text(
        capsys.readouterr().out + 'COMP_WORDS=(trifold comp); COMP_CWORD=1; _trifold; echo "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", script], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == ["compare", "completion"]


def test_the_script_is_installed_where_the_shell_looks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert run(["completion", "bash", "--install"]) == 0
    script = Path(capsys.readouterr().out.strip())
    assert script.is_relative_to(tmp_path)
    assert "compare" in script.read_text()
    assert str(script) in (tmp_path / ".bashrc").read_text()


def test_a_shell_that_cannot_be_found_out_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from cyclopts.completion import detect

    def unknown() -> str:
        raise detect.ShellDetectionError

    monkeypatch.setattr(detect, "detect_shell", unknown)
    assert run(["completion"]) == 2
    assert "the shell cannot be found out: name it, as in trifold completion bash" in capsys.readouterr().err
