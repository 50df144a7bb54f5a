"""Arrays as safetensors and settings as JSON: everything a predictor of ours needs to come back."""

import json
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from trifold.errors import ArtifactError

_ARRAYS = "head.safetensors"
_SETTINGS = "head.json"


def write_state(folder: Path, settings: dict[str, object], arrays: dict[str, np.ndarray]) -> None:
    """Write `settings` and `arrays` into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _ARRAYS)
    (folder / _SETTINGS).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_state(folder: Path) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Read back what `write_state` wrote.

    Raises:
        ArtifactError: If a file is missing or damaged; the message names it.
    """
    try:
        settings: dict[str, object] = json.loads((folder / _SETTINGS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ArtifactError(
            f"{folder / _SETTINGS} is missing or damaged: train again or restore the run folder"
        ) from None
    try:
        return settings, load_file(folder / _ARRAYS)
    except (OSError, SafetensorError):
        raise ArtifactError(
            f"{folder / _ARRAYS} is missing or damaged: train again or restore the run folder"
        ) from None
