"""From the name of a model to its files: a short name, a folder, a GGUF file, the hub's local cache, or the hub."""

import os
import re
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from trifold.errors import ArtifactError, BackboneError, did_you_mean, require
from trifold.events import say
from trifold.folder_kinds import wrong_kind
from trifold.formatting import server_address
from trifold.models.backbone_files import BackboneFiles, quoted
from trifold.models.gguf.conversion import converted, remembered_sha256, source_of
from trifold.models.gguf.reading import SUFFIX, gguf_in
from trifold.models.hub_models import NotInCacheError, from_hub
from trifold.models.named_models import MINILM, NAMED_MODELS, named_model

__all__ = ["MINILM", "NamesModel", "describe_base", "find_backbone", "find_base", "locate"]

# The names that the hub allows, and a file in one of its models.
_HUB_ID = re.compile(r"(?=.{1,96}$)\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_HUB_FILE = re.compile(rf"(\w[\w.-]*/\w[\w.-]*)/(\w[\w. -]*\{SUFFIX})", re.ASCII)
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

    A GGUF file is converted when it is opened for the first time; what is returned is the converted model.

    Args:
        model: A short name such as `minilm`, a folder, a run folder, a GGUF file, a hub id, or `ID/FILE.gguf`.
        revision: Commit to take from the hub; `None` for its default branch.
        offline: Never open a connection.
        trust_remote_code: Whether Python classes that come with the model may be run.

    Raises:
        BackboneError: If the model cannot be found, comes with Python code that may not run, is a GGUF that cannot be
            converted, or has a short name and its weights are not the published ones.
        SettingsError: If a revision is given for a model that has no revisions.
    """
    no_revision = f"--revision {revision} with --model {quoted(model)}"
    named = named_model(model, revision)
    if named is not None and model == named.name:
        one_commit = f"{model} is one commit of {named.hub_id}: give that name to take another"
        require(revision in (None, named.revision), no_revision, one_commit)
        return named.files()
    if named is not None and named.is_here():
        return named.files()
    # Both are false for a name that cannot be a path, where `Path.is_dir` would raise.
    if model and (os.path.isdir(model) or (model.endswith(SUFFIX) and os.path.isfile(model))):
        kind = "folder" if os.path.isdir(model) else "file"
        require(revision is None, no_revision, f"a {kind} has no revisions, leave it out")
        return _on_disk(Path(model), trust_remote_code)
    in_hub = _HUB_FILE.fullmatch(model)
    if not (in_hub or _HUB_ID.fullmatch(model)):
        kind = "folder" if "/" in model or model.startswith((".", "~")) else "model"
        name = quoted(model) if kind == "model" else quoted(model)[1:-1]
        raise BackboneError(
            f"there is no {kind} {name}{_guess(model)}: give a folder with a model, a hub id, or minilm"
        )
    hub_id, file = in_hub.groups() if in_hub else (model, None)
    try:
        files = from_hub(hub_id, revision, offline=offline, trust_remote_code=trust_remote_code, file=file)
    except BackboneError as error:
        if guess := _guess(model):
            raise type(error)(f"{error}{guess}") from None
        raise
    return _of_run(files) or _readable(files, None if file is None else files.folder / file)


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


def _of_run(files: BackboneFiles) -> BackboneFiles | None:
    """The model inside a run that the hub has; `None` where what it has is no run.

    Raises:
        BackboneError: If the run has no model of its own.
    """
    if not (files.folder / "run.json").is_file():
        return None
    if not (files.folder / "model" / "config.json").is_file():
        raise BackboneError(
            f"{files.name} is a run without a whole model of its own: name the model that it stands on, or a run that "
            "trained all of one"
        )
    return replace(files, folder=files.folder / "model")


def _guess(model: str) -> str:
    """A name like the one given: a short name, or a folder or GGUF file beside where that would be."""
    try:
        beside = [str(one) for one in Path(model).parent.iterdir() if one.is_dir() or one.suffix == SUFFIX]
    except (OSError, ValueError):
        beside = []
    return did_you_mean(model, (*NAMED_MODELS, MINILM, *beside))


def _on_disk(path: Path, trust_remote_code: bool) -> BackboneFiles:
    """The model in a folder, in a run folder, or in a GGUF file."""
    whole = str(path.resolve())
    if path.is_file():
        return _readable(BackboneFiles(path.parent, whole, None, trust_remote_code), path)
    if (source := source_of(path)) is not None:
        return BackboneFiles(path, source["name"], None, source_sha256=source["sha256"])
    if (path / "config.json").is_file() or gguf_in(path) is not None:
        return _readable(BackboneFiles(path, whole, None, trust_remote_code), None)
    if (path / "run.json").is_file() and (path / "model" / "config.json").is_file():
        return _on_disk(path / "model", trust_remote_code)
    needed = "config.json, weights and a tokenizer, or a GGUF file"
    raise BackboneError(
        wrong_kind(path, f"a model with {needed}") or f"the folder {path} holds no model: it needs {needed}"
    )


def _readable(files: BackboneFiles, gguf: Path | None) -> BackboneFiles:
    """The files that transformers loads: those given or, where the weights are in a GGUF file alone, what it becomes.

    Args:
        files: What was found.
        gguf: The file that was asked for by its name, if any.
    """
    path = gguf or (None if files.has_safetensors() else gguf_in(files.folder))
    if path is None:
        return files
    sha256 = remembered_sha256(path)
    name = f"{files.name}/{path.name}" if gguf is not None and files.revision is not None else files.name
    return BackboneFiles(converted(path, sha256, name), name, files.revision, source_sha256=sha256)
