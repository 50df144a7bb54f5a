"""The commands `skills add` and `skills preview`: what an agent reads to use the command line."""

import os
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trifold.cli.output import print_json, say_next
from trifold.cli.output import print_text as print
from trifold.errors import SettingsError, require
from trifold.events import say

_NAME, _FILE = "trifold", "SKILL.md"
# Where agents look for skills, below the folder of a project or of a user; Claude Code looks in one of its own.
_AGENTS, _CLAUDE = Path(".agents", "skills"), Path(".claude", "skills")


def add(
    *,
    everywhere: Annotated[bool, Parameter(name="--global", negative=())] = False,
    dest: Path | None = None,
    force: bool = False,
    json: bool = False,
) -> None:
    """Write SKILL.md, by which an agent knows Trifold's commands; it is made of the commands of this version.

    It is written to .agents/skills/trifold in this folder, where agents look, and .claude/skills/trifold leads there.

    Args:
        everywhere: Write below the home folder instead, for all projects.
        dest: Write into this folder of skills instead, and nowhere else.
        force: Replace a SKILL.md that is there already and says something else.
        json: Print JSON instead.
    """
    from trifold.cli.skill_text import skill_text

    require(dest is None or not everywhere, "--dest with --global", "each says where to write, leave one out")
    text, places = skill_text(), [dest] if dest else _places(everywhere=everywhere)
    files = [place.expanduser() / _NAME / _FILE for place in places]
    if not force:
        for file in files:
            _require_free(file, text)
    _write(files[0], text)
    for link in files[1:]:
        _lead(link, files[0], text)
    if json:
        print_json({"files": [str(file) for file in files]})
        return
    say(f"agents that read {' or '.join(str(file.parent.parent) for file in files)} know trifold now")
    print(files[0])
    say_next("skills", "preview")


def preview() -> None:
    """Print what `skills add` would write."""
    from trifold.cli.skill_text import skill_text

    print(skill_text(), end="")


def _places(*, everywhere: bool) -> list[Path]:
    """The folders of skills: the one of all agents, and the one of Claude Code, which reads no other."""
    if not everywhere:
        return [_AGENTS, _CLAUDE]
    own = os.environ.get("CLAUDE_CONFIG_DIR")
    return [Path.home() / _AGENTS, Path(own) / "skills" if own else Path.home() / _CLAUDE]


def _require_free(file: Path, text: str) -> None:
    """Refuse to replace what somebody else has written, or another version of Trifold.

    Raises:
        SettingsError: If such a file is there.
    """
    if file.exists() and file.read_text(encoding="utf-8", errors="replace") != text:
        raise SettingsError(f"{file} is there already: add --force to replace it, or name another folder with --dest")


def _write(file: Path, text: str) -> None:
    from trifold.atomic import write_text

    file.parent.mkdir(parents=True, exist_ok=True)
    write_text(file, text)


def _lead(file: Path, real: Path, text: str) -> None:
    """Have a second folder of skills lead to the first; where no link can be made, the file is written there, too."""
    folder = file.parent
    if folder.is_symlink() and not folder.exists():
        folder.unlink()  # it leads to what somebody has removed
    if not os.path.lexists(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        try:
            folder.symlink_to(os.path.relpath(real.parent.resolve(), folder.parent.resolve()), target_is_directory=True)
        except OSError:
            _write(file, text)
    elif not (file.exists() and file.samefile(real)):
        _write(file, text)
