"""The hash of every file of a run, so that damage is found on load and named."""

import json
from pathlib import Path
from typing import TypedDict

from trifold.atomic import write_text
from trifold.errors import ArtifactError
from trifold.hashing import file_sha256
from trifold.models.tokenizer_files import TOKENIZER_FILES
from trifold.schema import read_facts

MANIFEST = "manifest.json"
# An export keeps these, and onnx/, beside its run.json, where others look for them; other runs have a folder model/.
_EXPORTED = frozenset(("config.json", "head.json", "head.safetensors", *TOKENIZER_FILES))
# The folder of a training under way: it comes and goes, and is no part of what was made.
STATE = "state"


class _Hashes(TypedDict):
    """File to SHA-256."""


def write_manifest(folder: Path) -> None:
    """Hash every file below `folder` into its manifest; runs inside it keep their own."""
    hashes = {name: file_sha256(folder / name) for name in _files(folder)}
    write_text(folder / MANIFEST, json.dumps(hashes, indent=1) + "\n")


def verify_model(folder: Path) -> None:
    """Check the files of a run folder's model against the manifest.

    Raises:
        ArtifactError: If the manifest or a file is missing, or a file was changed; the message names it.
    """
    hashes = {name: value for name, value in read_facts(folder / MANIFEST, _Hashes).items() if is_of_model(name)}
    # Compared by name, so that a manifest can neither leave a file out nor name one elsewhere.
    found = set(filter(is_of_model, _files(folder)))
    for name in sorted(hashes.keys() | found):
        _verify(folder / name, hashes.get(name))
    if not found:
        raise ArtifactError(f"{folder / 'model'} holds no model: restore it, or train again")


def verify_file(folder: Path, name: str) -> bool:
    """Check a file of a run folder that not every run has against the manifest; whether this one has it.

    Raises:
        ArtifactError: As `verify_model`.
    """
    expected = read_facts(folder / MANIFEST, _Hashes).get(name)
    if expected is None and not (folder / name).exists():
        return False
    _verify(folder / name, expected)
    return True


def _verify(path: Path, expected: str | None) -> None:
    """Refuse a file that is missing or whose SHA-256 is not the manifest's, which is `None` where it names none."""
    if not path.is_file():
        raise ArtifactError(f"{path} is missing: restore it, or train again")
    if expected is None:
        raise ArtifactError(f"{path} is not in its run's {MANIFEST}: restore both, or train again")
    if file_sha256(path) != expected:
        raise ArtifactError(f"{path} is damaged, its SHA-256 is not the manifest's: restore it, or train again")


def is_of_model(name: str) -> bool:
    """Whether a file is part of the model; hidden ones are left there by file managers."""
    own = name.startswith(("model/", "onnx/")) or name in _EXPORTED
    return own and not name.rpartition("/")[2].startswith(".")


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
