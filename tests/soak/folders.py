"""Folders of models and runs, damaged as files are, or made by someone who means harm."""

import hashlib
import json
import pickle
import random
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from soak.mutations import damage_file

# Code that was run has left this file in the folder of its trial.
MARKER = "code-was-run"
_NEVER_READ = (".png", ".html", ".md")
_WEIGHTS = {".json": 6, ".safetensors": 4, ".onnx": 3, ".npz": 2, ".bin": 2, ".csv": 1}


def damage_folder(rng: random.Random, folder: Path, lures: Sequence[str]) -> str:
    """Damage one or two things in a folder; what was done, in words.

    Args:
        rng: Draws the damage.
        folder: A copy that may be spoilt.
        lures: Texts that damaged JSON may hold.
    """
    done = []
    for _ in range(rng.choice((1, 1, 1, 2))):
        kinds: dict[Callable[[random.Random, Path, Sequence[str]], str], int] = {_file: 16, _missing: 3, _hostile: 2}
        done.append(rng.choices(list(kinds), list(kinds.values()))[0](rng, folder, lures))
    # Who means harm makes the hashes fit; an accident does not.
    if rng.random() < 0.75:
        done += ["rehashed" for manifest in sorted(folder.rglob("manifest.json")) if rehash(manifest)]
    return "; ".join(done)


def rehash(manifest: Path) -> bool:
    """Make a manifest fit the files; whether it could be."""
    try:
        hashes = json.loads(manifest.read_text(encoding="utf-8"))
        made = {name: hashlib.sha256((manifest.parent / name).read_bytes()).hexdigest() for name in hashes}
    except (ValueError, OSError, RecursionError, TypeError):
        return False
    if isinstance(hashes, dict):
        manifest.write_text(json.dumps(made), encoding="utf-8")
    return isinstance(hashes, dict)


def _file(rng: random.Random, folder: Path, lures: Sequence[str]) -> str:
    """One file is not as it was."""
    path = _draw(rng, folder)
    try:
        data, what = damage_file(rng, path.name, path.read_bytes(), lures)
    except ValueError:
        # It was damaged before.
        data, what = b"", "emptied"
    path.write_bytes(data)
    return f"{path.relative_to(folder)}: {what}"


def _missing(rng: random.Random, folder: Path, lures: Sequence[str]) -> str:
    """One file is not there, or something else is."""
    path = _draw(rng, folder)
    what = rng.choice(("missing", "missing", "empty", "a folder", "a dangling link", "a link to itself"))
    path.unlink()
    if what == "empty":
        path.touch()
    elif what == "a folder":
        path.mkdir()
    elif what == "a dangling link":
        path.symlink_to(folder / "nowhere")
    elif what == "a link to itself":
        path.symlink_to(path)
    return f"{path.relative_to(folder)}: {what}"


def _hostile(rng: random.Random, folder: Path, lures: Sequence[str]) -> str:
    """A model that comes with code: classes of its own, or weights that are a pickle."""
    configs = sorted(path for path in folder.rglob("config.json") if path.is_file())
    if not configs:
        return _file(rng, folder, lures)
    home = rng.choice(configs).parent
    marker = (folder.parent / MARKER).absolute()
    what = rng.choice(("classes", "classes", "tokenizer", "pickle", "pickle"))
    if what == "pickle":
        name = rng.choice(("pytorch_model.bin", "adapter_model.bin"))
        (home / name).write_bytes(pickle.dumps(_RunsCode(str(marker))))
        for weights in home.glob("*.safetensors"):
            weights.unlink()
        return f"weights of {home.name} are a pickle, {name}"
    (home / "hostile.py").write_text(f"open({str(marker)!r}, 'w').close()\nclass Hostile: pass\n")
    names = (
        "AutoConfig",
        "AutoModel",
        "AutoModelForMaskedLM",
        "AutoModelForCausalLM",
        "AutoModelForSequenceClassification",
    )
    own = {"auto_map": dict.fromkeys(names, "hostile.Hostile") | {"AutoTokenizer": ["hostile.Hostile"] * 2}}
    if what == "classes" and rng.random() < 0.7:
        own["model_type"] = rng.choice(("hostile", "", "bert", "gpt2"))
    for name in ("config.json", "tokenizer_config.json") if what == "classes" else ("tokenizer_config.json",):
        path = home / name
        if path.is_file():
            path.write_text(json.dumps({**_object(path), **own, "tokenizer_class": "Hostile"}))
    if what == "tokenizer":
        (home / "tokenizer.json").unlink(missing_ok=True)
    return f"{home.name} names classes of its own, {what}"


def _object(path: Path) -> dict[str, object]:
    """A JSON object, empty where it was damaged before."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class _RunsCode:
    """A pickle that opens a file where it is read."""

    def __init__(self, marker: str) -> None:
        self._marker = marker

    def __reduce__(self) -> tuple[object, tuple[object, ...]]:
        return open, (self._marker, "w")


def _draw(rng: random.Random, folder: Path) -> Path:
    """A file that commands read."""
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in _NEVER_READ)
    return rng.choices(found, [_WEIGHTS.get(path.suffix, 1) for path in found])[0]


def copy_folder(source: Path, target: Path) -> Path:
    """A copy that may be spoilt."""
    return Path(shutil.copytree(source, target))
