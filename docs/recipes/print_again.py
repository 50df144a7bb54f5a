"""Runs the recipes' commands and writes what they print into the pages.

    python docs/recipes/print_again.py [PAGE…]      # such as spam; all of them where none is named

The block `text` after a block of commands is what the last of these commands prints. Run it on a quiet machine: times
are shown. Each page's commands run in a folder of their own.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

PAGES = Path(__file__).parent
ROOT = PAGES.parents[1]
_SHOWN = re.compile(
    r"(^```console\n(?P<commands>[^`]*)^```\n\n?)(?P<printed>```text\n.*?^```\n)?", re.MULTILINE | re.DOTALL
)


def with_outputs(page: str, printed_by: Callable[[str], str]) -> str:
    """The page with each block `text` that follows commands replaced by what the last of them prints.

    Args:
        page: Its Markdown.
        printed_by: Runs a command and gives what it prints; called for every command, in their order.
    """

    def replaced(block: re.Match[str]) -> str:
        commands = [line[2:] for line in block["commands"].splitlines() if line.startswith("$ ")]
        printed = [printed_by(command) for command in commands]
        return f"{block[1]}```text\n{printed[-1].strip()}\n```\n" if block["printed"] else block[0]

    return _SHOWN.sub(replaced, page)


def print_again(path: Path) -> None:
    """Run a page's commands and write it."""
    with tempfile.TemporaryDirectory() as place:
        shutil.copytree(ROOT / "examples", Path(place) / "examples")
        (Path(place) / "docs").symlink_to(ROOT / "docs")

        def printed_by(command: str) -> str:
            program, *words = shlex.split(command)
            words = [sys.executable, *(words if program == "python" else ["-m", "trifold", *words])]
            environment = {**os.environ, "COLUMNS": "110", "TRIFOLD_CACHE": f"{place}/cache"}
            return subprocess.run(
                words, cwd=place, check=True, stdout=subprocess.PIPE, text=True, env=environment
            ).stdout

        path.write_text(with_outputs(path.read_text(encoding="utf-8"), printed_by), encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:] or sorted(page.stem for page in PAGES.glob("*.md") if page.name != "index.md"):
        print_again(PAGES / f"{name}.md")
