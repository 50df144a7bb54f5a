"""The files of a pretrained model in a folder, checked before anything opens them."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from trifold.errors import BackboneError, first_line
from trifold.hashing import file_sha256
from trifold.json_reading import read_json

# Every file that a model may consist of, except Python code.
MODEL_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "tokenizer*", "*.jinja")
_WEIGHTS, _INDEX = "model.safetensors", "model.safetensors.index.json"
# Files that are written with pickle: opening one runs the code inside.
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack", "*.h5")
# Files in which `auto_map` can name Python classes that come with the model.
_MAY_NAME_CODE = ("config.json", "config.*.json", "tokenizer_config.json")
_SIZE_KEYS = {
    *("vocab_size", "hidden_size", "dim", "n_embd", "intermediate_size", "hidden_dim"),
    *("num_hidden_layers", "n_layers", "n_layer", "num_attention_heads", "n_heads", "n_head"),
}
# A model with more layers would take hours to build before its missing weights were noticed.
_MAX_SIZES = dict.fromkeys(("num_hidden_layers", "n_layers", "n_layer"), 1_000)
_MESSAGE_NAME, _MESSAGE_REASON = 80, 200


@dataclass(frozen=True)
class BackboneFiles:
    """A backbone on disk. Creating one refuses Python code that comes with the model, unless the user trusts it.

    Attributes:
        folder: Holds `config.json`, the weights and the tokenizer.
        name: The hub id if the model has one, else the folder; saved models store it as their base.
        revision: Commit on the hub; `None` for a folder.
        trust_remote_code: Whether Python classes in the folder may be run.
        source_sha256: Of the file that the folder was converted from, which stands for its weights wherever they were
            converted; `None` for a folder as it was published.

    Raises:
        BackboneError: If its configuration names Python classes and `trust_remote_code` is off, or cannot be read.
    """

    folder: Path
    name: str
    revision: str | None
    trust_remote_code: bool = False
    source_sha256: str | None = None

    def __post_init__(self) -> None:
        for path in (file for pattern in _MAY_NAME_CODE for file in sorted(self.folder.glob(pattern))):
            if _names_code(_read_json_object(path)) and not self.trust_remote_code:
                raise BackboneError(
                    f"{self.name} brings code of its own (auto_map in its {path.name}), which is not run: give another "
                    "model, or --trust-remote-code if you have read that code and trust it"
                )

    def has_safetensors(self) -> bool:
        """Whether there are weights, or an adapter, that need no conversion."""
        return any((self.folder / name).exists() for name in (_WEIGHTS, _INDEX, "adapter_config.json"))

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
        """All files with weights: usually one; several for large models.

        Raises:
            BackboneError: As `weights`; also if the index of the files is damaged or one of the files is missing.
        """
        if (self.folder / "adapter_config.json").exists():
            raise BackboneError(f"{self.name} is an adapter, no model by itself: give the model that it belongs to")
        index = self.folder / _INDEX
        if (self.folder / _WEIGHTS).exists() or not index.exists():
            return (self.weights(),)
        listed = _read_json_object(index).get("weight_map")
        files = list(listed.values()) if isinstance(listed, dict) else [None]
        names = {name if isinstance(name, str) else "model weights" for name in files}
        for name in sorted(names):
            if Path(name).name != name or not name.endswith(".safetensors") or not (self.folder / name).is_file():
                raise BackboneError(
                    f"{self.name} has no file {quoted(name)}, or none that is safetensors, as its {_INDEX} asks for: "
                    "download it again"
                )
        return tuple(self.folder / name for name in sorted(names))

    def size_bytes(self) -> int:
        """Size of the weights in bytes."""
        return sum(shard.stat().st_size for shard in self.shards())

    def sha256(self) -> str:
        """SHA-256 of the weights, or of what they were converted from; of several files, that of the files' hashes."""
        if self.source_sha256 is not None:
            return self.source_sha256
        states = [(shard, shard.stat()) for shard in self.shards()]
        hashes = [_unchanged_file_sha256(shard, state.st_size, state.st_mtime_ns) for shard, state in states]
        return hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()

    def facts(self) -> dict[str, object]:
        """What `run.json` records of the backbone."""
        return {"name": self.name, "revision": self.revision, "sha256": self.sha256()}


def read_config(files: BackboneFiles) -> dict[str, Any]:
    """`config.json` of a backbone, as written there.

    Raises:
        BackboneError: If it is missing or damaged, or a size in it is not a size.
    """
    config = _read_json_object(files.folder / "config.json")
    for name in _SIZE_KEYS & config.keys():
        size = config[name]
        if size is not None and not (isinstance(size, int) and 0 < size < _MAX_SIZES.get(name, size + 1)):
            raise BackboneError(
                f"the config.json of {files.name} says {name} {quoted(str(size))}, which is no size: "
                "give a model that is whole"
            )
    return config


def reason_of(error: BaseException) -> str:
    """Why a library failed, for a message: the first line of its exception, or else the exception's type."""
    line = first_line(error)
    return line if len(line) <= _MESSAGE_REASON else f"{line[:_MESSAGE_REASON]}…"


def quoted(name: str) -> str:
    """A name in quotes for a message, cut where it is very long."""
    return repr(name if len(name) <= _MESSAGE_NAME else f"{name[:_MESSAGE_NAME]}…")


@lru_cache(maxsize=64)
def _unchanged_file_sha256(path: Path, _size: int, _changed_ns: int) -> str:
    """`file_sha256`, computed once for as long as size and time of change stay: weights are large."""
    return file_sha256(path)


def _read_json_object(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError) as error:
        raise BackboneError(f"{path} cannot be read ({reason_of(error)}): give a model that is whole") from None
    return found


def _names_code(value: object) -> bool:
    """Whether a configuration, or one nested in it, names Python classes that come with the model."""
    if isinstance(value, dict):
        return bool(value.get("auto_map")) or any(map(_names_code, value.values()))
    return isinstance(value, list) and any(map(_names_code, value))
