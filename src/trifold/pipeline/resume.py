"""Whether what a folder holds is what is asked for now: the same method and settings, and data of the same bytes."""

import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from trifold.artifact.run_folder import finished_run
from trifold.artifact.run_record import ModelRecord, read_run_record
from trifold.errors import SettingsError
from trifold.hashing import file_sha256
from trifold.llm.settings import local_name, without_server
from trifold.models.backbone_files import MODEL_FILES
from trifold.models.gguf.conversion import remembered_sha256
from trifold.models.gguf.reading import SUFFIX
from trifold.pipeline.request import Request, file_hashes
from trifold.train.checkpoint import what_differs

# A training of another length ends at other weights, since the learning rate falls to zero by its end.
_LENGTHS = ("epochs", "max_tokens", "time_limit")
# Where things lie, how they are asked for and who is told have no say in the result; files are told by their bytes.
NO_SAY = frozenset(
    (
        *("data", "exclude", "test_file", "validation_file", "offline", "cache", "cache_gigabytes", "report_to"),
        *("log", "concurrency", "timeout_seconds", "retries", "api_key_env", "trust_remote_code"),
    )
)


def asked_for(request: Request, method: str, hashes: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """What decides on a run, in plain values: for `run.json`, for saved states, and to tell whether two are the same.

    Args:
        request: The data and settings.
        method: Full name of the method.
        hashes: Hashes of the data files, as `file_hashes`; taken now where `None`.

    Raises:
        DataError: If a data file cannot be read.
    """
    own = request.for_method(method)
    settings = {name: value for name, value in own.named().items() if name not in NO_SAY}
    prompt = settings.get("prompt")
    by_content = {
        "prompt": file_sha256(prompt) if isinstance(prompt, Path) and prompt.is_file() else prompt,
        "llm": without_server(own.llm.llm),
        "model_sha256": model_hashes(own.backbone.model),
        "llm_sha256": model_hashes(local_name(own.llm.llm) or ""),
    }
    return plain({"method": method, **settings, **by_content, **(hashes or file_hashes(request))})


def model_hashes(model: str) -> list[tuple[str, str]]:
    """File and SHA-256 of all that a model on disk consists of; nothing of a named one, which stays as it is."""
    folder = Path(model)
    if model.endswith(SUFFIX) and os.path.isfile(folder):
        return [(folder.name, remembered_sha256(folder))]
    if not os.path.isfile(folder / "config.json"):
        folder /= "model"  # of a run folder
    if not os.path.isfile(folder / "config.json"):
        return []
    paths = sorted({path for pattern in (*MODEL_FILES, "*.py") for path in folder.rglob(pattern) if path.is_file()})
    return [(path.relative_to(folder).as_posix(), file_sha256(path)) for path in paths]


def plain(asked: Mapping[str, object]) -> dict[str, Any]:
    """As it comes back from JSON."""
    found: dict[str, Any] = json.loads(json.dumps(asked, default=str))
    return found


def finished(output_dir: Path | None, asked: Callable[[], Mapping[str, Any]], *, resume: bool) -> Path | None:
    """The user's choice, if it holds the whole of the run that was to be resumed, which is said.

    Args:
        output_dir: The user's choice.
        asked: Gives what is asked for now; called only where there is a run to compare it with.
        resume: Whether anything is to be resumed.

    Raises:
        SettingsError: If it holds a run of other data, another method or other settings; nothing is changed.
        ArtifactError: If its `run.json` is damaged.
    """
    if resume and output_dir is not None and (output_dir / "run.json").is_file():
        require_same(output_dir, asked())
    return finished_run(output_dir, resume=resume)


def require_same(folder: Path, asked: Mapping[str, Any]) -> None:
    """Refuse a finished run that is not what is asked for now.

    Raises:
        SettingsError: If it is another one, or an earlier version made it, which did not say.
        ArtifactError: If its `run.json` is damaged.
    """
    record = read_run_record(folder)
    saved = record.asked if isinstance(record, ModelRecord) else None
    differs = "an earlier version of Trifold made it" if saved is None else what_differs(saved, asked)
    if differs:
        raise SettingsError(
            f"{folder} holds another run than is asked for ({differs}), and is left as it is: "
            f"give the same settings, or another --output-dir{_going_on(folder, saved or {}, asked)}"
        )


def _going_on(folder: Path, saved: Mapping[str, Any], asked: Mapping[str, Any]) -> str:
    """How to train on from what a finished run has learned, where only that may have been meant."""
    longer = any(saved.get(name) != asked.get(name) for name in _LENGTHS)
    whole_model = any((folder / "model").glob("model*.safetensors"))
    return (
        f", and with it --model {folder} to train on from what that run has learned" if longer and whole_model else ""
    )
