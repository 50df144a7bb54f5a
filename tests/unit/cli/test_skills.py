"""`skills add` writes what is true of the commands, where agents look, and over nothing that is not its own."""

import csv
import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from shown_commands import blocks, commands, fewer_reviews
from trifold.cli.main import run
from trifold.cli.skill_text import WORTH_KNOWING, every_command, shown_arguments, skill_text
from trifold.version import VERSION
from warm_commands import Command

TEXT = skill_text()
FLAGS = {
    " ".join(words): {name: one for name, one in shown_arguments(part).items() if name.startswith("--")}
    for words, part in every_command()
}
EVERYWHERE = ("--quiet", "--verbose", "--events", "--config", "--help", "--json")


def test_every_command_has_its_line_and_every_command_named_is_one() -> None:
    listed = re.findall(r"^- `(trifold [a-z -]+[a-z])(?: [A-Z\[].*)?`: ", TEXT, re.MULTILINE)
    assert sorted(listed) == sorted(FLAGS)


def test_every_flag_that_is_named_is_one_of_its_command() -> None:
    lines = re.findall(r"^- `(trifold [a-z -]+[a-z])(?: [A-Z\[].*)?`: .*\n  Flags: (.*)$", TEXT, re.MULTILINE)
    assert len(lines) > 25
    for command, named in lines:
        flags = re.findall(r"`(--[a-z0-9-]+)", named.partition(";")[0])
        assert flags
        assert set(flags) <= set(FLAGS[command]), command
        if more := re.search(r"; (\d+) more in `--help`$", named):
            required = [name for name, argument in FLAGS[command].items() if argument.required]
            assert len(flags) + int(more[1]) + len(required) == len(FLAGS[command]), command


def test_flags_named_elsewhere_are_flags_of_some_command() -> None:
    known = set(EVERYWHERE).union(*FLAGS.values())
    assert set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", TEXT)) <= known
    assert set(WORTH_KNOWING) <= known


def test_it_is_what_agents_expect_of_a_skill() -> None:
    """Name and description stand first, the description within 1,024 characters, and all of it is short enough to read."""
    head = re.match(r'---\nname: trifold\ndescription: "([^"\n]+)"\n---\n\n', TEXT)
    assert head
    assert len(head[1]) <= 1024
    assert len(TEXT.splitlines()) < 500
    assert VERSION in TEXT
    assert "\n\n\n" not in TEXT


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, trifold_command: Command) -> tuple[Path, dict[str, str]]:
    """The folder in which its examples were run, and what each printed."""
    folder = tmp_path_factory.mktemp("examples")
    for name in ("reviews.csv", "new.csv", "fresh.csv"):
        fewer_reviews(folder / name)
    said = {}
    for command in commands(TEXT):
        program, *words = shlex.split(command)
        assert program == "trifold"
        done = trifold_command(*words, cwd=folder)
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        said[words[0] + ("-text" if "--text" in words else "")] = done.stdout
    return folder, said


@pytest.mark.slow
def test_its_examples_print_what_it_shows(shown: tuple[Path, dict[str, str]]) -> None:
    folder, said = shown
    (compared,), (counts, one), (labelled,) = (blocks(TEXT, kind) for kind in ("text", "json", "csv"))
    head, *_, last = compared.strip().splitlines()
    assert head in said["compare"].splitlines()
    assert last == said["compare"].splitlines()[-1] == "results"
    assert re.search("^Ship ", compared, re.MULTILINE)
    assert re.search("^Ship ", said["compare"], re.MULTILINE)
    assert _shape(json.loads(counts)) == _shape(json.loads(said["predict"]))
    assert _shape(json.loads(one)) == _shape(json.loads(said["predict-text"]))
    assert labelled.splitlines()[0] == (folder / "labelled.csv").read_text().splitlines()[0]


@pytest.mark.slow
def test_the_names_that_scripts_rely_on_are_those_of_the_files(shown: tuple[Path, dict[str, str]]) -> None:
    folder, said = shown
    named = dict(re.findall(r"^- `(metrics\.json|leaderboard\.csv)`[^:]*: ((?:`\w+`(?:, |\.))+)", TEXT, re.MULTILINE))
    keys = {name: re.findall(r"`(\w+)`", found) for name, found in named.items()}
    with (folder / "results" / "leaderboard.csv").open(newline="") as file:
        assert next(csv.reader(file)) == keys["leaderboard.csv"]
    for metrics in (folder / "one" / "metrics.json").read_text(), said["evaluate"]:
        found = json.loads(metrics)
        assert {"accuracy", "macro_f1", "classes", "rows"} <= set(found)
        beside = {"learned_from", "others", "truncated", "rows_left_out"}
        assert set(found) - beside <= set(keys["metrics.json"])
        assert set(found["accuracy"]) == {"value", "low", "high"}
    assert json.loads(said["finetune"])["run"] == "one"


def _shape(value: Any) -> Any:
    """Names and kinds of a JSON value, without its figures."""
    return {name: _shape(one) for name, one in value.items()} if isinstance(value, dict) else type(value)


def test_it_is_written_where_agents_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["skills", "add"]) == 0
    file, link = (Path(folder, "skills", "trifold", "SKILL.md") for folder in (".agents", ".claude"))
    assert capsys.readouterr().out == f"{file}\n"
    assert file.read_text(encoding="utf-8") == link.read_text(encoding="utf-8") == TEXT
    assert link.parent.readlink() == Path("..", "..", ".agents", "skills", "trifold")
    assert run(["skills", "add"]) == 0  # again, with nothing to change
    home = tmp_path / "home"
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    assert run(["skills", "add", "--global", "--json"]) == 0
    assert (home / ".claude" / "skills" / "trifold" / "SKILL.md").samefile(home / file)


def test_what_somebody_else_wrote_stays_unless_it_may_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / ".claude" / "skills" / "trifold" / "SKILL.md"
    own.parent.mkdir(parents=True)
    own.write_text("mine")
    (own.parent / "notes.md").write_text("also mine")
    assert run(["skills", "add"]) == 2
    assert "SKILL.md is there already: add --force to replace it" in capsys.readouterr().err
    assert own.read_text() == "mine"
    assert not (tmp_path / ".agents").exists()
    assert run(["skills", "add", "--force"]) == 0
    assert own.read_text(encoding="utf-8") == TEXT
    assert (own.parent / "notes.md").read_text() == "also mine"


def test_a_folder_of_skills_may_be_named_and_a_lost_link_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["skills", "add", "--dest", "mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"files": ["mine/trifold/SKILL.md"]}
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert run(["skills", "add", "--dest", "mine", "--global"]) == 2
    assert "--dest with --global is not allowed" in capsys.readouterr().err
    link = tmp_path / ".claude" / "skills" / "trifold"
    link.parent.mkdir(parents=True)
    link.symlink_to("nowhere")
    assert run(["skills", "add"]) == 0
    assert (link / "SKILL.md").exists()


def test_it_is_printed_without_being_written(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["skills", "preview"]) == 0
    assert capsys.readouterr().out == TEXT
