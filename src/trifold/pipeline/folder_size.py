"""How much room a folder takes."""

import os
from pathlib import Path


def folder_bytes(folder: Path) -> int:
    """Bytes of everything in a folder; links are not followed, and what goes meanwhile counts nothing."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size
            except OSError:
                continue
    return total
