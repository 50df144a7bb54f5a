"""Run folders and result files: made aside and moved into place whole, so that nothing is left half-written."""

import atexit
import itertools
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path

from trifold.artifact.manifest import MANIFEST, STATE, write_manifest
from trifold.artifact.run_record import RUN, ComparisonRecord, read_run_record
from trifold.atomic import clear_left_over, keep_beside, new_aside, remove, sync, sync_folder, whole_file
from trifold.atomic import write_json as write_json
from trifold.errors import ArtifactError, DataError, SettingsError, first_line
from trifold.events import say
from trifold.file_lock import locked, parents_of, real
from trifold.stop_signals import signals_wait
from trifold.system_errors import fault_of, out_of_room


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
            # Nobody is to remove what another process is at work on: that one is named instead.
            with output_folder(output_dir):
                raise SettingsError(
                    f"{output_dir} holds the state of an unfinished training: add --resume to go on, or remove it"
                )
        if output_dir.exists() and (not output_dir.is_dir() or any(output_dir.iterdir())):
            with output_folder(output_dir):
                raise SettingsError(f"{output_dir} exists and is not empty: name another --output-dir or remove it")
        return output_dir
    base = Path("runs") / f"{datetime.now():%Y%m%d-%H%M%S}-{what}"
    for number in itertools.count(1):
        folder = base if number == 1 else base.with_name(f"{base.name}-{number}")
        try:
            # Made at once: another process may choose in the same second.
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise _cannot_be_written(folder.parent, error) from None
        atexit.register(_remove_empty, folder.absolute())
        return folder
    raise AssertionError


def finished_run(output_dir: Path | None, *, resume: bool) -> Path | None:
    """The user's choice, if it holds the whole of a run that was to be resumed, which is said."""
    if not resume or output_dir is None or not (output_dir / "run.json").is_file():
        return None
    say(f"{output_dir} is finished: there is nothing to resume")
    return output_dir


def require_folder(folder: Path) -> None:
    """Refuse what is no folder in the place of a run.

    Raises:
        ArtifactError: If it is none.
    """
    if folder.is_file():
        raise ArtifactError(
            f"{folder} is a file, not a run folder: the run comes first, by the folder that finetune or compare prints "
            "as its last line"
        )
    if not folder.is_dir():
        raise ArtifactError(
            f"there is no run folder {folder}: finetune or compare prints the right name as its last line"
        )


def best_run(folder: Path) -> Path:
    """The run that a comparison kept as its best; any other folder is taken as it is.

    Raises:
        ArtifactError: If the folder is a comparison's and lacks it; the message names a run to take instead.
    """
    best = folder / "best"
    if (best / RUN).is_file():
        return best
    if (folder / RUN).is_file() and isinstance(read_run_record(folder), ComparisonRecord):
        raise ArtifactError(f"{best} is missing or damaged: {instead_of_best(folder)}")
    return folder


def instead_of_best(folder: Path) -> str:
    """Which run of a comparison's folder can be used when `best/` cannot, as the way out of an error."""
    try:
        record = read_run_record(folder)
        shipped = record.verdict.ship if isinstance(record, ComparisonRecord) else ""
    except ArtifactError:
        shipped = ""
    runs = sorted(path.parent.name for path in folder.glob(f"*/{RUN}") if path.parent.name != "best")
    if shipped in runs:
        return f"name {folder / shipped} instead, of which it is a copy"
    if runs:
        return f"name a run inside it, such as {folder / runs[0]}"
    return "no run is left in that folder, so compare again"


@contextmanager
def output_folder(target: Path) -> Iterator[bool]:
    """Inside, no other process writes into a folder. Its parents are there; those that were missing go if that fails.

    Yields:
        Whether that is certain: some file systems know no locks.

    Raises:
        SettingsError: If it cannot be written, or another process is writing it.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(parents_of(real(target)))
            alone = stack.enter_context(locked(real(target), "name another --output-dir"))
        except OSError as error:
            raise _cannot_be_written(real(target).parent, error) from None
        yield alone


@contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """A folder to write a run into; it becomes `target`, with a manifest, only if nothing fails.

    What is finished is kept: where something else lies in `target` by then, the result stays beside it.

    Raises:
        SettingsError: If `target` cannot be written, is in use, or another process is writing it.
        ArtifactError: If there was no room for the result, or it is kept beside.
    """
    place = real(target)
    with output_folder(target) as alone:
        require_free(target)
        if alone:
            clear_unfinished(place)
        aside = new_aside(place)
        try:
            aside.mkdir()
        except OSError as error:
            raise _cannot_be_written(place.parent, error) from None
        try:
            yield aside
        except BaseException as error:
            _drop(aside, target, error)
            raise
        # Nothing but names is missing now: who stops the process in these moments has the run all the same.
        with signals_wait():
            try:
                _open_to_others(aside)
                sync_folder(aside)
                write_manifest(aside)
                sync(aside)
            except BaseException as error:
                _drop(aside, target, error)
                raise
            _move(aside, place, target)


def _drop(aside: Path, target: Path, error: BaseException) -> None:
    """Remove what came to nothing.

    Raises:
        ArtifactError: If there was no room for it.
    """
    remove(aside)
    if out_of_room(error):
        raise ArtifactError(f"{target} could not be written: {fault_of(error)}") from error


def clear_unfinished(place: Path) -> None:
    """Clear away what processes that are dead by now left beside a run folder; whole runs are kept beside it."""
    clear_left_over(place, is_whole=lambda folder: (folder / MANIFEST).is_file())


def require_free(target: Path) -> None:
    """Refuse a folder that another process filled after it was chosen, or whose name cannot be given to a new one."""
    if target.is_dir() and any(path.name != STATE for path in target.iterdir()):
        raise SettingsError(f"{target} exists and is not empty: name another --output-dir or remove it")
    if target.is_mount():
        raise SettingsError(f"{target} is where a file system is mounted: name a folder in it as --output-dir")


def _move(aside: Path, place: Path, target: Path) -> None:
    """Give a finished folder its place; the state of its training goes.

    Raises:
        ArtifactError: If something else lies there by now; the result is kept beside.
    """
    shutil.rmtree(place / STATE, ignore_errors=True)
    try:
        aside.rename(place)
    except OSError as error:
        kept = keep_beside(aside, place)
        raise ArtifactError(
            f"something else was put in {target} meanwhile ({error.strerror}): the finished result is kept in {kept}"
        ) from None
    sync(place.parent)


def require_free_file(output: Path | None, *sources: Path, force: bool = False) -> None:
    """Refuse to write a result over a file that is there, unless asked to, and over what it is made from in any case.

    Inside a run folder none is written, whose files are those of its manifest.

    Args:
        output: The file; standard output, which is always free, where `None`.
        sources: What is read.
        force: Whether another file may be overwritten.

    Raises:
        SettingsError: If it is not free, is a folder or in a run folder. Devices and pipes are free.
    """
    if output is None:
        return
    # Unlike those of Path, these take a name that no file can have for no file.
    if os.path.isdir(output):
        raise SettingsError(f"{output} is a folder: name a file as --output")
    with suppress(ValueError):
        for folder in real(output).parents:
            if os.path.isfile(folder / MANIFEST) and os.path.isfile(folder / RUN):
                raise SettingsError(f"{output} is inside the run folder {folder}: name a file elsewhere as --output")
    if not os.path.isfile(output):
        return
    for source in sources:
        with suppress(OSError, ValueError):
            if os.path.samefile(output, source):
                raise SettingsError(f"{output} is the file that is read, and would be lost: name another --output")
    if not force:
        raise SettingsError(f"{output} is there already: add --force to overwrite it, or name another --output")


@contextmanager
def new_file(output: Path, then: Callable[[], None] = lambda: None, *, force: bool = False) -> Iterator[Path]:
    """A path to write a result at; it becomes `output` only if nothing fails.

    Args:
        output: Path of the file.
        then: As in `whole_file`.
        force: Whether a file that is there by then is overwritten; else the result is kept beside it.

    Raises:
        DataError: If it cannot be written.
        SettingsError: If another process is writing it.
    """
    elsewhere: OSError | None = None
    try:
        with whole_file(output, replace=force, then=then) as aside:
            try:
                yield aside
            except OSError as error:
                if str(error.filename) not in (str(output), str(aside)):
                    elsewhere = error
                raise
    except OSError as error:
        if error is elsewhere:
            raise
        reason = error.strerror or first_line(error)
        raise DataError(f"{output} cannot be written ({reason}): name another --output") from None


def _cannot_be_written(folder: Path, error: OSError) -> SettingsError:
    return SettingsError(f"{folder} cannot be written to ({error.strerror}): name another --output-dir")


def _remove_empty(folder: Path) -> None:
    """Remove a folder that was made for a run that came to nothing."""
    with suppress(OSError):
        folder.rmdir()
        folder.parent.rmdir()


def _open_to_others(folder: Path) -> None:
    """Give what was written the usual permissions: temporary folders and safetensors are their owner's alone."""
    mask = os.umask(0)
    os.umask(mask)
    for path in (folder, *folder.rglob("*")):
        path.chmod((0o777 if path.is_dir() else 0o666) & ~mask)
