"""The hash of every file of a run, so that damage is found on load and named."""

import json
from pathlib import Path

from trifold.atomic import write_text
from trifold.backbone.locate import file_sha256
from trifold.errors import ArtifactError

MANIFEST = "manifest.json"
# The folder of a training under way: it comes and goes, and is no part of what was made.
STATE = "state"


def write_manifest(folder: Path) -> None:
    """Hash every file below `folder` into its manifest; runs inside it keep their own."""
    hashes = {name: file_sha256(folder / name) for name in _files(folder)}
    write_text(folder / MANIFEST, json.dumps(hashes, indent=1) + "\n")


def verify_model(folder: Path) -> None:
    """Check the files under `model/` of a run folder against the manifest.

    Raises:
        ArtifactError: If the manifest or a file is missing, or a file was changed; the message names it.
    """
    try:
        hashes: dict[str, str] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ArtifactError(
            f"{folder / MANIFEST} is missing or damaged: is {folder} a run folder? Train again, or restore it"
        ) from None
    for name, expected in hashes.items():
        if not name.startswith("model/"):
            continue
        path = folder / name
        if not path.is_file():
            raise ArtifactError(f"{path} is missing: restore it, or train again")
        if file_sha256(path) != expected:
            raise ArtifactError(f"{path} is damaged, its SHA-256 is not the manifest's: restore it, or train again")


def _files(folder: Path) -> list[str]:
    nested = {path.parent for path in folder.rglob(MANIFEST) if path.parent != folder}
    return sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file()
        and path.name != MANIFEST
        and path.suffix != ".lock"
        and STATE not in path.relative_to(folder).parts
        and not any(run in path.parents for run in nested)
    )
