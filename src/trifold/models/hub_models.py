"""Models of the Hugging Face hub: from its local cache, else downloaded."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trifold.errors import BackboneError, TrifoldError
from trifold.models.backbone_files import MODEL_FILES, BackboneFiles, reason_of
from trifold.models.gguf.reading import SUFFIX, one_of

NO_DOWNLOAD = "use minilm, which needs no download, or a folder"
NAMES = "give a run folder, a folder with a model, a name (minilm, mpnet, gemma-270m) or a hub id USER/NAME"


class NotInCacheError(BackboneError):
    """A model of the hub that is missing or incomplete in the local cache and was not downloaded."""


@contextmanager
def bars_on_terminals() -> Iterator[None]:
    """Inside, the hub's client draws its bars on a terminal alone; the setting is that of the whole process."""
    from huggingface_hub.utils import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    silenced = not sys.stderr.isatty() and not are_progress_bars_disabled()
    if silenced:
        disable_progress_bars()
    try:
        yield
    finally:
        if silenced:
            enable_progress_bars()


def cached_folder(name: str, revision: str | None) -> Path | None:
    """The model's folder in the hub's local cache; `None` if weights, configuration or tokenizer are not in it."""
    found = [cached_file(name, file, revision) for file in ("model.safetensors", "config.json", "tokenizer.json")]
    return found[0].parent if found[0] is not None and all(found) else None


def cached_file(name: str, file: str, revision: str | None = None) -> Path | None:
    """A file of a model in the hub's local cache; `None` if it is not in it."""
    from huggingface_hub.constants import HF_HUB_CACHE, REPO_ID_SEPARATOR

    if not Path(HF_HUB_CACHE, REPO_ID_SEPARATOR.join(("models", *name.split("/")))).is_dir():
        # Nor would the client find anything, whose import takes longer than all else that opens a small model.
        return None
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, file, revision=revision)
    return Path(found) if isinstance(found, str) else None


def from_hub(
    name: str, revision: str | None, *, offline: bool, trust_remote_code: bool, file: str | None = None
) -> BackboneFiles:
    """A model of the hub; what the local cache lacks is downloaded unless `offline`.

    Of a model without safetensors, the GGUF file comes along.

    Args:
        name: Its id.
        revision: Commit, tag or branch; its main branch where `None`.
        offline: Never open a connection.
        trust_remote_code: Whether Python files come along, and may be run.
        file: The GGUF file that is asked for, where there may be several.

    Raises:
        NotInCacheError: If it is not in the local cache, and the hub cannot or must not be asked.
        BackboneError: If the hub does not have it, it holds several GGUF files, or the download fails.
    """
    from huggingface_hub import hf_hub_download, snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = [*MODEL_FILES, "*.py"] if trust_remote_code else [*MODEL_FILES]
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=offline, allow_patterns=patterns))
        wanted = file or (None if any(folder.glob("*.safetensors")) else _gguf_of(name, folder, offline=offline))
        if wanted is not None and not (folder / wanted).is_file():
            if offline:
                # Asking the client for it would open a connection even so.
                raise LocalEntryNotFoundError(f"{wanted} is not in the local cache")
            hf_hub_download(name, wanted, revision=folder.name)
    except LocalEntryNotFoundError:
        where = (
            "offline, and it is not in the local cache"
            if offline
            else "not in the local cache, and the hub cannot be reached"
        )
        if "/" not in name:
            # Much more often the name of a run folder than one of the few models of the hub that have no owner.
            raise NotInCacheError(
                f"there is no folder {name} here and no model of that name ({where}): {NAMES}"
            ) from None
        raise NotInCacheError(f"{name} cannot be loaded: {where}; {NO_DOWNLOAD}") from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise BackboneError(f"{name} cannot be loaded from the hub ({reason_of(error)}): check its name") from None
    except TrifoldError:
        raise
    except Exception as error:  # noqa: BLE001 - the hub's client promises nothing about exceptions on broken connections
        raise BackboneError(
            f"the download of {name} broke off ({reason_of(error)}): run the command again; "
            "files that had arrived are not fetched twice"
        ) from None
    # The cache names the folder of each commit after the commit, whatever branch or tag was asked for.
    return BackboneFiles(folder, name, folder.name, trust_remote_code)


def _gguf_of(name: str, folder: Path, *, offline: bool) -> str | None:
    """The name of the model's GGUF file; `None` where it has none.

    Args:
        name: The model's id.
        folder: That of its commit in the local cache.
        offline: Whether the hub must not be asked which files it has.
    """
    from huggingface_hub import HfApi

    there = [path.name for path in folder.glob("*")]
    files = there if offline else HfApi().list_repo_files(name, revision=folder.name)
    found = one_of([Path(file) for file in sorted(files) if file.endswith(SUFFIX) and "/" not in file], name)
    return None if found is None else found.name
