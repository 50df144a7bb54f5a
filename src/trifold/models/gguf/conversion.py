"""A GGUF file as a folder that transformers loads, converted once and kept in the cache under the file's hash.

It is opened in seconds from then on: what transformers does by itself takes a minute each time, and four times the
memory of the weights.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TypedDict

from trifold.atomic import kept_folder, replaced_file
from trifold.cache_folder import CacheEntry, cache_folder, least_recently_used
from trifold.errors import ArtifactError, BackboneError, SettingsError
from trifold.events import say, track
from trifold.formatting import megabytes
from trifold.hashing import content_address, file_sha256
from trifold.json_reading import read_json
from trifold.models.available_memory import require_memory
from trifold.models.backbone_files import reason_of
from trifold.models.gguf.reading import GgufFile, read_gguf, require_gguf
from trifold.models.gguf.weights import WRITTEN_HERE, write_weights
from trifold.runtime import cpu_multiplies_bfloat16, has_nvidia_driver
from trifold.schema import read_facts
from trifold.system_errors import out_of_room
from trifold.version import installed_versions

# Written last, so that a folder with it is whole.
RECORD = "converted.json"
_WEIGHTS, _TOKENIZER_CONFIG = "model.safetensors", "tokenizer_config.json"
# Version of what is written, and the libraries that may write otherwise in another version.
_FORMAT, _CONVERTING = 1, ("transformers", "gguf")
# Models that are kept, those opened last.
_MAX_MODELS = 8
_NUMBER_BYTES = {"bfloat16": 2, "float32": 4}


class Source(TypedDict):
    """What a folder was converted from.

    Attributes:
        name: The file's path, or the model's name.
        sha256: Of the file.
    """

    name: str
    sha256: str


def models_folder() -> Path:
    """The folder of models that were put together or converted."""
    return cache_folder() / "models"


def number_format() -> str:
    """In which weights are kept: bfloat16 where a processor here multiplies it, else float32.

    By what the processor says of itself, not by what `bfloat16_pays` measures: the folder is found again by this, and
    must not depend on how busy the machine is. What is computed in is chosen where the model is opened; float32 is
    made of either.
    """
    return "bfloat16" if cpu_multiplies_bfloat16() or has_nvidia_driver() else "float32"


def converted_before(sha256: str) -> Path | None:
    """The folder that a file with this hash was converted into; `None` where it was not."""
    folder = _folder_of(sha256)
    if not (folder / RECORD).is_file():
        return None
    # The disk may be one that is only read.
    with suppress(OSError):
        os.utime(folder / RECORD)
    return folder


def converted(path: Path, sha256: str, name: str) -> Path:
    """The folder that transformers loads instead of a GGUF file; converted now if it was not before.

    Args:
        path: The file.
        sha256: Its hash.
        name: What messages call the model, and what is recorded as its source.

    Raises:
        BackboneError: If the file is damaged, its architecture is not known, or the model does not fit in memory.
        SettingsError: If the package that reads it is not installed, or the folder cannot be written.
    """
    known = converted_before(sha256)
    if known is not None:
        return known
    require_gguf()
    file, dtype = read_gguf(path), number_format()
    require_memory(name, file.weights, dtype)
    folder = _folder_of(sha256)
    try:
        _require_disk(folder.parent, file.weights * _NUMBER_BYTES[dtype])
        with kept_folder(folder, RECORD) as aside:
            if aside is not None:
                say(f"{path.name} is converted once, which takes a minute or more; from then on it opens in seconds")
                _convert(file, dtype, aside)
                (aside / RECORD).write_text(json.dumps(Source(name=name, sha256=sha256)) + "\n")
        _make_room(folder)
    except OSError as error:
        raise SettingsError(
            f"{path.name} cannot be converted into {folder.parent} ({error.strerror or error}): free some room there, "
            "or name another folder in TRIFOLD_CACHE"
        ) from None
    return folder


def source_of(folder: Path) -> Source | None:
    """What a folder of the cache was converted from; `None` for any other folder, whatever it says of itself."""
    if folder.parent.resolve() != models_folder().resolve() or not (folder / RECORD).is_file():
        return None
    try:
        found = read_facts(folder / RECORD, Source)
        return Source(name=found["name"], sha256=found["sha256"])
    except (ArtifactError, KeyError):
        return None


def remembered_sha256(path: Path) -> str:
    """SHA-256 of a large file; computed once for as long as its size and time of change stay.

    Raises:
        OSError: If it cannot be read.
    """
    state = path.stat()
    described = {"path": str(path.resolve()), "size": state.st_size, "changed": state.st_mtime_ns}
    note = models_folder() / f"{content_address(described)}.sha256"
    try:
        return note.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        found = file_sha256(path)
    # Where it cannot be kept, it is computed again next time.
    with suppress(OSError), replaced_file(note) as aside:
        aside.write_text(found + "\n", encoding="ascii")
    return found


def list_models() -> list[CacheEntry]:
    """The folders of all models in the cache, the most recently used first."""
    found = []
    for folder in models_folder().glob("*/"):
        if folder.name.startswith("."):
            # Still being written.
            continue
        # Another process may remove it at any moment.
        try:
            states = [path.stat() for path in folder.iterdir()]
        except OSError:
            continue
        used = max((state.st_mtime for state in states), default=0.0)
        found.append(CacheEntry(folder, used, sum(state.st_size for state in states)))
    return sorted(found, key=lambda entry: (-entry.used, entry.path))


def _folder_of(sha256: str) -> Path:
    about = {"what": "gguf", "sha256": sha256, "numbers": number_format(), "format": _FORMAT}
    return models_folder() / content_address({**about, **installed_versions(*_CONVERTING)})


def _convert(file: GgufFile, dtype: str, folder: Path) -> None:
    # Beside other files, what they say of a model would be mixed in: here the result follows from the GGUF file alone.
    alone = folder / file.path.name
    alone.symlink_to(file.path.resolve())
    with _said_plainly(file):
        config = _save_description(alone, dtype, folder)
    with track(f"converting {file.path.name}", file.weights) as advance:
        if file.architecture in WRITTEN_HERE:
            write_weights(file, config, dtype, folder / _WEIGHTS, advance)
        else:
            with _said_plainly(file):
                _write_by_transformers(alone, dtype, folder)
            advance(file.weights)
    alone.unlink()


def _save_description(path: Path, dtype: str, folder: Path) -> Any:
    """Write configuration and tokenizer, and return the configuration."""
    from transformers import AutoConfig, AutoTokenizer
    from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

    given = {"gguf_file": path.name, "local_files_only": True}
    config = AutoConfig.from_pretrained(path.parent, **given)
    config.architectures = [MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[config.model_type]]
    config.dtype = dtype
    config.save_pretrained(folder)
    _save_tokenizer(AutoTokenizer.from_pretrained(path.parent, **given), folder)
    return config


def _save_tokenizer(tokenizer: Any, folder: Path) -> None:
    """Write a tokenizer so that it is read quickly, which takes long where it knows hundreds of thousands of tokens."""
    tokenizer.save_pretrained(folder)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    described = read_json(folder / _TOKENIZER_CONFIG)
    # The class of the architecture would make the tokenizer anew, by Python, of what is in the file.
    described |= {"tokenizer_class": "PreTrainedTokenizerFast", "padding_side": tokenizer.padding_side}
    described = {name: value for name, value in described.items() if name not in ("is_local", "local_files_only")}
    (folder / _TOKENIZER_CONFIG).write_text(json.dumps(described, indent=2) + "\n")


def _write_by_transformers(path: Path, dtype: str, folder: Path) -> None:
    import torch
    from huggingface_hub import save_torch_model
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(
        path.parent, gguf_file=path.name, local_files_only=True, dtype=getattr(torch, dtype)
    )
    save_torch_model(model, folder)


@contextmanager
def _said_plainly(file: GgufFile) -> Iterator[None]:
    """Inside, transformers logs errors alone, and what it raises becomes one sentence."""
    import warnings

    # Imported here since it imports PyTorch, which finding a model does not need.
    from trifold.models.loading import without_advice

    try:
        with without_advice(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        if isinstance(error, OSError) and error.errno is not None:
            # The disk's, not the file's.
            raise
        if out_of_room(error):
            raise OSError(None, reason_of(error)) from None
        raise BackboneError(
            f"{file.path.name} is a {file.architecture}, which transformers does not read from GGUF "
            f"({reason_of(error)}): give the model in the safetensors format"
        ) from None


def _require_disk(folder: Path, needed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise OSError(None, f"it takes {megabytes(needed)}, and {megabytes(free)} are free")


def _make_room(kept: Path) -> None:
    """Remove the models that were not opened for longest; the latest, now in use, stays."""
    for entry in least_recently_used(list_models(), max_count=_MAX_MODELS, always_kept=1):
        if entry.path != kept:
            shutil.rmtree(entry.path, ignore_errors=True)
