"""Standard output and standard error of a process that was started without, or on a full disk."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import contextlib, os, sys
from trifold.cli.streams import flush, open_streams
open_streams()
print("a message", file=sys.stderr)
with contextlib.suppress(OSError):
    print("a result")
failed = flush()
sys.stderr.flush()
# As commands leave: the interpreter's own last flush would fail once more.
os._exit(failed.errno if failed else 0)
"""


@pytest.mark.parametrize(
    ("redirected", "code"),
    [("", 0), ("2>&-", 0), ("2>/dev/full", 0), ("<&-", 0), (">/dev/full", 28), (">&-", 9)],
    ids=["all there", "no error output", "error output full", "no input", "output full", "no output"],
)
def test_a_result_that_is_lost_is_told_and_a_message_that_is_lost_is_not(redirected: str, code: int) -> None:
    command = ["sh", "-c", f'"$0" -c "$1" {redirected}', sys.executable, SCRIPT]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    assert done.stdout == ("" if ">" in redirected and not redirected.startswith("2") else "a result\n")


def test_what_the_encoding_lacks_is_written_as_python_spells_it() -> None:
    script = "from trifold.cli.streams import *; open_streams(); print('caf\\u00e9 \\u2713')"
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True, env=environment)
    assert done.stdout == b"caf\xe9 \\u2713\n"
