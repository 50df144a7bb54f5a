"""What of a run others may have: its model and its figures, without its texts and without names of this machine."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifold.artifact.learned_texts import LEARNED_TEXTS
from trifold.artifact.manifest import MANIFEST, STATE, is_of_model, verify_model
from trifold.artifact.metrics_file import METRICS
from trifold.artifact.run_record import RUN, as_record
from trifold.errors import ArtifactError, SettingsError
from trifold.evaluate.results import PROBABILITIES
from trifold.explanations.saved import EXPLANATIONS
from trifold.hashing import file_sha256
from trifold.json_reading import read_json
from trifold.pipeline.private_names import PrivateNames
from trifold.train.history import HISTORY

CARD = "README.md"
_REPORT = "report.html"
_SHARED = (RUN, METRICS, HISTORY, CARD, "loss.png", "confusion.png", "scores.png", "predict.py", "requirements.txt")
_OF_TEXTS = ("predictions.csv", "errors.csv", EXPLANATIONS, _REPORT, PROBABILITIES, LEARNED_TEXTS)
# JSON files in which places are named; the others of a model may be large, and are vocabularies.
_NAMING = (RUN, "config.json", "head.json", "adapter_config.json", "tokenizer_config.json", "generation_config.json")
MAY_BE_SHARED = (*_SHARED, *_OF_TEXTS)
_PROMPT = "model/prompt.json"
# Of a record: what goes on with an unfinished training, and what a language model said to the user's own texts.
_UNSHARED_FIELDS, _FIELDS_OF_TEXTS = ("asked",), ("samples",)


@dataclass(frozen=True)
class SharedFile:
    """A file as others get it.

    Attributes:
        name: Where it lies below the run folder.
        content: The file or, where it was changed, its bytes.
    """

    name: str
    content: Path | bytes

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.content) if isinstance(self.content, bytes) else self.content.stat().st_size

    def sha256(self) -> str:
        """Of its bytes."""
        if isinstance(self.content, bytes):
            return hashlib.sha256(self.content).hexdigest()
        return file_sha256(self.content)


@dataclass(frozen=True)
class SharedRun:
    """A run as others get it.

    Attributes:
        files: By name.
        left_out: Name of what they do not get to the reason.
        record: Content of its `run.json`, as they get it.
    """

    files: tuple[SharedFile, ...]
    left_out: Mapping[str, str]
    record: dict[str, Any]


# Makes the card: from the text of the run's own, if it has one, the record and the metrics, if it has some.
MakeCard = Callable[[str | None, dict[str, Any], dict[str, Any] | None], str]


def shared_run(folder: Path, make_card: MakeCard, *, with_texts: bool) -> SharedRun:
    """A run as others may have it, which is complete: its manifest holds the hashes of the files as they get them.

    Args:
        folder: The run folder.
        make_card: Makes the card.
        with_texts: Whether the user's texts go along, and what tells of single ones.

    Raises:
        ArtifactError: If the run is damaged.
        SettingsError: If it is nothing without texts, which are not to go along.
    """
    verify_model(folder)
    _require_no_examples(folder, with_texts=with_texts)
    whole = _read(folder / RUN)
    names, unshared = PrivateNames(whole, folder), (*_UNSHARED_FIELDS, *(() if with_texts else _FIELDS_OF_TEXTS))
    record = names.in_json({name: value for name, value in whole.items() if name not in unshared})
    if isinstance(record.get("settings"), dict):
        record["settings"] = as_record(record["settings"])
    own = (folder / CARD).read_text(encoding="utf-8") if (folder / CARD).is_file() else None
    metrics = _read(folder / METRICS) if (folder / METRICS).is_file() else None
    card = make_card(None if own is None else names.in_text(own), record, metrics)
    files, left_out = {CARD: SharedFile(CARD, card.encode())}, {}
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in (CARD, MANIFEST):
            continue
        if reason := _why_left_out(name, with_texts=with_texts):
            left_out[name] = reason
            continue
        files[name] = SharedFile(name, _content(path, name, names, record))
    hashes = {name: files[name].sha256() for name in sorted(files)}
    files[MANIFEST] = SharedFile(MANIFEST, (json.dumps(hashes, indent=1) + "\n").encode())
    return SharedRun(tuple(files[name] for name in sorted(files)), left_out, record)


def _why_left_out(name: str, *, with_texts: bool) -> str:
    """Why others do not get a file; nothing where they do."""
    parts = Path(name).parts
    if parts[0] == STATE:
        return "is the state of a training"
    if name in _OF_TEXTS:
        return "" if with_texts else "tells of your texts"
    return "" if name in _SHARED or is_of_model(name) else "is no part of the run"


def _content(path: Path, name: str, names: PrivateNames, record: dict[str, Any]) -> Path | bytes:
    if name == RUN:
        return _as_bytes(record)
    if name == _REPORT:
        return names.in_text(path.read_text(encoding="utf-8")).encode()
    if path.name not in _NAMING:
        return path
    found = _read(path)
    changed = names.in_json(found)
    return path if changed == found else _as_bytes(changed)


def _require_no_examples(folder: Path, *, with_texts: bool) -> None:
    """Refuse to share the examples of a prompt, which are the user's texts, unless asked to.

    Raises:
        SettingsError: If there are some.
    """
    path = folder / _PROMPT
    if with_texts or not path.is_file():
        return
    if count := len(_read(path).get("shots") or ()):
        raise SettingsError(
            f"the prompt of {folder} shows {count} of your texts as examples, and is another one without: add "
            "--with-texts if others may read them, or make a run with --shots 0"
        )


def _read(path: Path) -> dict[str, Any]:
    try:
        found = read_json(path)
        if not isinstance(found, dict):
            raise ValueError("it is no JSON object")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path} cannot be read ({error}): restore it, or train again") from None
    return found


def _as_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
