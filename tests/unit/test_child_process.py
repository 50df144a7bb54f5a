"""A child ends with its parent, however that ends."""

import os
import signal
import subprocess
import sys
import time

CHILD = "import time; from trifold.child_process import end_with_parent; end_with_parent(); print('up', flush=True); time.sleep(600)"
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + CHILD
PARENT = """
import subprocess, sys
from trifold.child_process import tied
with tied() as ties, subprocess.Popen([sys.executable, "-c", sys.argv[1]], **ties) as process:
    print(process.pid, flush=True)
    process.wait()
"""


def ends_with_its_parent(child: str) -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT, child], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        said = {parent.stdout.readline().strip() for _ in range(2)}
        pid = int(next(line for line in said if line != "up"))
        parent.send_signal(signal.SIGKILL)
        # The pipe's other end is closed once the child, which holds it too, is dead.
        assert parent.stdout.read() == ""
    until = time.monotonic() + 30
    while time.monotonic() < until and alive(pid):
        time.sleep(0.01)
    assert not alive(pid)


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead may wait for being counted."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_child_ends_with_a_parent_that_was_killed() -> None:
    ends_with_its_parent(CHILD)


def test_a_child_that_does_not_heed_the_signal_ends_too() -> None:
    ends_with_its_parent(STUBBORN)


def test_a_child_outlives_nothing_by_mistake() -> None:
    env = {**os.environ, "TRIFOLD_PARENT": "999"}
    code = "import time; from trifold.child_process import end_with_parent; end_with_parent(); time.sleep(0.3)"
    assert subprocess.run([sys.executable, "-c", code], env=env, check=False).returncode == 0
