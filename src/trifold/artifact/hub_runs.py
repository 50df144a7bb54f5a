"""Runs of the Hugging Face hub, by the name that `push` gave them: `USER/REPO`, or `USER/REPO@REVISION`.

What was downloaded once is used from the hub's local cache from then on and no connection is opened, so that a run
answers tomorrow as it does today; `@main` looks for a newer one.
"""

import os
import re
from pathlib import Path
from typing import NamedTuple

from trifold.artifact.manifest import MANIFEST, is_of_model, verify_file
from trifold.artifact.run_record import RUN
from trifold.errors import ArtifactError
from trifold.events import say
from trifold.formatting import server_address
from trifold.json_reading import read_json
from trifold.models.backbone_files import reason_of
from trifold.models.hub_models import bars_on_terminals, cached_file
from trifold.models.named_models import named_model

HUB_PREFIX = "hf:"
_PART = r"[A-Za-z0-9][\w.-]*"
_NAME = re.compile(rf"(?P<prefix>{HUB_PREFIX})?(?P<repo>{_PART}/{_PART})(?:@(?P<revision>\w[\w./-]*))?", re.ASCII)
_LONGEST = 96
_TIMEOUT_SECONDS = 20.0
_COMMIT = re.compile(r"[0-9a-f]{40}")
# What of a run is needed to use it: reports and pictures are looked at where they are.
_FILES = ["*.json", "*.npy", "*.safetensors", "*.txt", "*.jinja", "model/*", "onnx/*"]


class HubName(NamedTuple):
    """A name on the hub.

    Attributes:
        repo: User and name.
        revision: Commit, tag or branch that was asked for, if any.
    """

    repo: str
    revision: str | None = None


def hub_name(given: str) -> HubName | None:
    """The name on the hub that an argument stands for; `None` where it names a place here, as far as can be seen.

    A folder of this machine comes first. Where the first part of a name is a folder, what is missing in it was
    mistyped, and no server is asked for it; `hf:` before a name says that it is of the hub all the same.
    """
    found = _NAME.fullmatch(given)
    if found is None or len(found["repo"]) > _LONGEST:
        return None
    if not found["prefix"] and (os.path.lexists(given) or os.path.isdir(found["repo"].partition("/")[0])):
        return None
    return HubName(found["repo"], found["revision"])


def run_folder(given: Path | str, *, offline: bool = False) -> Path:
    """The folder of a run: as named, or else that of the run of that name on the hub, whose files are fetched once.

    Args:
        given: A folder, or a name on the hub.
        offline: Whether the local cache alone is looked at.

    Raises:
        ArtifactError: If it looks like a name on the hub and there is no such run, or none that can be had.
    """
    name = hub_name(str(given))
    if name is None:
        return Path(given)
    if (cached := _cached(name, offline=offline)) is not None:
        return cached
    none = f"there is no run folder {given}"
    if offline:
        raise ArtifactError(f"{none}, and none of that name in the hub's local cache: without --offline it is fetched")
    try:
        known = _files_of(name)
    except Exception as error:  # noqa: BLE001 - the hub's client promises nothing about exceptions on broken connections
        raise _no_answer(name, none, error) from None
    if RUN not in known:
        raise ArtifactError(f"{none}, and {name.repo} on {_host()} is no run of Trifold's: it has no {RUN}")
    return _download(name)


def run_on_hub(given: str, *, offline: bool = False) -> Path | None:
    """The folder of the run on the hub that the name of a model stands for; `None` where it is no run.

    Args:
        given: As the user named a model.
        offline: Whether the local cache alone is looked at.

    Raises:
        ArtifactError: If it is a run that cannot be had whole.
    """
    name = hub_name(given)
    if name is None or named_model(name.repo, name.revision) is not None:
        return None
    if (cached := _cached(name, offline=offline)) is not None:
        return cached
    # A model that is here already is none of ours, which have this file in another place.
    if offline or cached_file(name.repo, "config.json", name.revision) is not None:
        return None
    try:
        known = _files_of(name)
    except Exception:  # noqa: BLE001 - whoever looks for a model of that name next tells what is wrong
        return None
    return _download(name) if RUN in known else None


def _files_of(name: HubName) -> set[str]:
    """The names of the files that the hub has under a name."""
    from huggingface_hub import HfApi

    found = HfApi().model_info(name.repo, revision=name.revision, timeout=_TIMEOUT_SECONDS)
    return {one.rfilename for one in found.siblings or ()}


def _cached(name: HubName, *, offline: bool) -> Path | None:
    """The run's folder in the hub's local cache, if all of it is there; not of a branch that may have moved on."""
    if not (offline or name.revision is None or _COMMIT.fullmatch(name.revision)):
        return None
    record = cached_file(name.repo, RUN, name.revision)
    return record.parent if record is not None and _is_whole(record.parent) else None


def _is_whole(folder: Path) -> bool:
    """Whether every file of the model is there; that none is damaged is seen where they are opened."""
    try:
        listed = read_json(folder / MANIFEST)
    except (OSError, ValueError):
        return False
    return isinstance(listed, dict) and all((folder / one).is_file() for one in listed if is_of_model(one))


def _download(name: HubName) -> Path:
    """Fetch a run as it is at one commit, whatever its branch points to meanwhile.

    Raises:
        ArtifactError: If that fails, or its record is not the one of its manifest.
    """
    from huggingface_hub import snapshot_download

    say(f"note: {name.repo} is fetched from {_host()}, and kept")
    try:
        with bars_on_terminals():
            folder = Path(snapshot_download(name.repo, revision=name.revision, allow_patterns=_FILES))
    except Exception as error:  # noqa: BLE001 - the hub's client promises nothing about exceptions on broken connections
        raise ArtifactError(
            f"the download of {name.repo} broke off ({reason_of(error)}): run the command again; files that had "
            "arrived are not fetched twice"
        ) from None
    verify_file(folder, RUN)
    return folder


def _no_answer(name: HubName, none: str, error: Exception) -> ArtifactError:
    """Why the hub cannot be asked for a run, or has none, and what to do."""
    from huggingface_hub.errors import OfflineModeIsEnabled, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return ArtifactError(f"{name.repo} has no revision {name.revision} on {_host()}: name another behind @")
    if isinstance(error, RepositoryNotFoundError):
        return ArtifactError(
            f"{none}, and {_host()} has no {name.repo} that you may read: check the name, which finetune or compare "
            "prints as its last line; what is private wants a token, by hf auth login or in HF_TOKEN"
        )
    if isinstance(error, OfflineModeIsEnabled):
        return ArtifactError(f"{none}, and none of that name in the hub's local cache: HF_HUB_OFFLINE is set")
    return ArtifactError(
        f"{none}, and {_host()} cannot be asked for one ({reason_of(error)}): finetune or compare prints the right "
        "name as its last line"
    )


def _host() -> str:
    from huggingface_hub.constants import ENDPOINT

    return server_address(ENDPOINT)
