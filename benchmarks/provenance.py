"""What every kept result says of its making."""

import os
import subprocess
import sys
from pathlib import Path

from trifold.runtime import hardware
from trifold.version import versions


def commit() -> str:
    """The commit that is measured; where this is no checkout, COMMIT names it."""
    if "COMMIT" in os.environ:
        return os.environ["COMMIT"]
    done = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def provenance() -> dict[str, object]:
    """Command, commit, machine and versions of the benchmark that is running."""
    return {
        "command": f"python benchmarks/{Path(sys.argv[0]).name}",
        "commit": commit(),
        "hardware": hardware(),
        "versions": versions(),
    }
