"""Models of the Hugging Face hub: from its local cache, else downloaded."""

from pathlib import Path

from trifold.errors import BackboneError
from trifold.models.backbone_files import MODEL_FILES, BackboneFiles, reason_of

NO_DOWNLOAD = "use --model minilm, which needs no download, or a folder"


class NotInCacheError(BackboneError):
    """A model of the hub that is missing or incomplete in the local cache and was not downloaded."""


def cached_folder(name: str, revision: str | None) -> Path | None:
    """The model's folder in the hub's local cache; `None` if weights, configuration or tokenizer are not in it."""
    from huggingface_hub import try_to_load_from_cache

    found = [
        try_to_load_from_cache(name, file, revision=revision)
        for file in ("model.safetensors", "config.json", "tokenizer.json")
    ]
    return Path(found[0]).parent if all(isinstance(path, str) for path in found) and isinstance(found[0], str) else None


def from_hub(name: str, revision: str | None, *, offline: bool, trust_remote_code: bool) -> BackboneFiles:
    """A model of the hub; what the local cache lacks is downloaded unless `offline`.

    Raises:
        NotInCacheError: If it is not in the local cache, and the hub cannot or must not be asked.
        BackboneError: If the hub does not have it, or the download fails.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = [*MODEL_FILES, "*.py"] if trust_remote_code else [*MODEL_FILES]
    try:
        folder = Path(snapshot_download(name, revision=revision, local_files_only=offline, allow_patterns=patterns))
    except LocalEntryNotFoundError:
        where = (
            "offline, and it is not in the local cache"
            if offline
            else "not in the local cache, and the hub cannot be reached"
        )
        raise NotInCacheError(f"{name} cannot be loaded: {where}; {NO_DOWNLOAD}") from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise BackboneError(f"{name} cannot be loaded from the hub ({reason_of(error)}): check its name") from None
    except Exception as error:  # noqa: BLE001 - the hub's client promises nothing about exceptions on broken connections
        raise BackboneError(
            f"the download of {name} broke off ({reason_of(error)}): run the command again; "
            "files that had arrived are not fetched twice"
        ) from None
    # The cache names the folder of each commit after the commit, whatever branch or tag was asked for.
    return BackboneFiles(folder, name, folder.name, trust_remote_code)
