"""Run folders and result files: made aside and moved into place whole, so that nothing is left half-written."""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from trifold.artifact.manifest import STATE, write_manifest
from trifold.artifact.records import RUN, read_run
from trifold.errors import ArtifactError, DataError, SettingsError
from trifold.progress import say
from trifold.schema import finite


def choose_folder(output_dir: Path | None, what: str, *, resume: bool = False) -> Path:
    """Where a run goes: the user's choice, or `runs/DATE-WHAT`, numbered where taken.

    Args:
        output_dir: The user's choice.
        what: For the name.
        resume: Whether the choice may hold the state of an unfinished training.

    Raises:
        SettingsError: If the user's choice exists and is not an empty folder.
    """
    if output_dir is not None:
        if output_dir.is_dir() and [path.name for path in output_dir.iterdir()] == [STATE]:
            if resume:
                return output_dir
            raise SettingsError(
                f"{output_dir} holds the state of an unfinished training: add --resume to go on, or remove it"
            )
        if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
            raise SettingsError(f"{output_dir} exists and is not empty: name another --output-dir or remove it")
        return output_dir
    base = Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-{what}"
    folder, number = base, 1
    while folder.exists():
        number += 1
        folder = base.with_name(f"{base.name}-{number}")
    return folder


def finished_run(output_dir: Path | None, *, resume: bool) -> Path | None:
    """The user's choice, if it holds the whole of a run that was to be resumed, which is said."""
    if not resume or output_dir is None or not (output_dir / "run.json").is_file():
        return None
    say(f"{output_dir} is finished: there is nothing to resume")
    return output_dir


def best_run(folder: Path) -> Path:
    """The run that a comparison kept as its best; any other folder is taken as it is.

    Raises:
        ArtifactError: If the folder is a comparison's and lacks it; the message names a run to take instead.
    """
    best = folder / "best"
    if (best / RUN).is_file():
        return best
    if (folder / RUN).is_file() and "verdict" in read_run(folder):
        raise ArtifactError(f"{best} is missing or damaged: {instead_of_best(folder)}")
    return folder


def instead_of_best(folder: Path) -> str:
    """Which run of a comparison's folder can be used when `best/` cannot, as the way out of an error."""
    try:
        shipped = str(read_run(folder)["verdict"]["ship"])
    except ArtifactError:
        shipped = ""
    runs = sorted(path.parent.name for path in folder.glob(f"*/{RUN}") if path.parent.name != "best")
    if shipped in runs:
        return f"name {folder / shipped} instead, of which it is a copy"
    if runs:
        return f"name a run inside it, such as {folder / runs[0]}"
    return "no run is left in that folder, so compare again"


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write a run into; it becomes `target`, with a manifest, only if nothing fails."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{target.name}.", suffix=".partial", dir=target.parent))
    except OSError as error:
        raise SettingsError(
            f"{target.parent} cannot be written to ({error.strerror}): name another --output-dir"
        ) from None
    try:
        yield aside
        write_manifest(aside)
        _open_to_others(aside)
        shutil.rmtree(target / STATE, ignore_errors=True)
        if target.exists():
            target.rmdir()
        aside.rename(target)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


@contextmanager
def new_file(output: Path) -> Iterator[Path]:
    """A path to write a result at; it becomes `output` only if nothing fails.

    Raises:
        DataError: If it cannot be written.
    """
    aside = output.with_name(f".{output.name}.partial")
    try:
        yield aside
        os.replace(aside, output)
    except OSError as error:
        raise DataError(f"{output} cannot be written ({error.strerror}): name another --output") from None
    finally:
        aside.unlink(missing_ok=True)


def write_json(path: Path, value: object) -> None:
    """Write indented UTF-8 JSON, atomically."""
    aside = path.with_name(f".{path.name}.partial")
    text = json.dumps(finite(value), indent=2, ensure_ascii=False, default=str)
    aside.write_text(text + "\n", encoding="utf-8")
    os.replace(aside, path)


def _open_to_others(folder: Path) -> None:
    """Give what was written the usual permissions: temporary folders and safetensors are their owner's alone."""
    mask = os.umask(0)
    os.umask(mask)
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
