"""Files and folders that appear whole or not at all, each written by one process at a time.

A target is locked, written beside itself under a name of its own, flushed to disk, and renamed into place. Whoever
holds the lock may clear away what an earlier process left: the system lets go of a lock when its owner dies. A result
that is finished is never removed: where it cannot take its place it stays beside, and its name is said.
"""

import contextlib
import errno
import itertools
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from trifold.events import say
from trifold.file_lock import beside, locked, real
from trifold.schema import finite

_NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF})


@contextlib.contextmanager
def whole_file(
    path: Path, *, replace: bool = True, follow: bool = True, then: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """A path to write at; it becomes `path` only if nothing fails. Devices and pipes are written as they are.

    Args:
        path: Path of the file.
        replace: Whether it may take the place of another one.
        follow: Whether a link is written through; else the file takes its place, as in folders that others may fill.
        then: Called once the file has its place, before another process may write there; not for devices and pipes.

    Raises:
        FileExistsError: If it may not, and there is one by then; its `filename2` is where the new one was kept.
        SettingsError: If another process is writing it.
        OSError: If it cannot be written.
    """
    place = real(path) if follow else path
    if place.is_dir() and not place.is_symlink():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if follow and path.exists() and not path.is_file():
        # Asked of `path`: the link of a pipe, such as /dev/stdout, names no file that could be found.
        yield path
        return
    with locked(place, "name another file") as alone:
        if alone:
            clear_left_over(place)
        aside = new_aside(place)
        try:
            yield aside
            sync(aside)
        except BaseException:
            aside.unlink(missing_ok=True)
            raise
        try:
            if not replace and place.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
            os.replace(aside, place)
        except OSError as error:
            kept = keep_beside(aside, place)
            raise type(error)(
                error.errno, f"{error.strerror}; it is kept in {kept}", str(path), None, str(kept)
            ) from None
        sync(place.parent)
        then()


@contextlib.contextmanager
def kept_folder(folder: Path, last: str) -> Iterator[Path | None]:
    """A folder to fill with what is kept for later runs; it becomes `folder` only if nothing fails.

    Args:
        folder: Named by what determines its content.
        last: A file of it, which shows that it is whole.

    Yields:
        Where to write; `None` where another process, which was waited for, has made the same.

    Raises:
        OSError: If it cannot be written.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with locked(folder, wait_seconds=math.inf) as alone:
        if (folder / last).exists():
            yield None
            return
        if alone:
            clear_left_over(folder)
        with replaced_folder(folder) as aside:
            yield aside


@contextlib.contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """A folder to fill; it takes the place of `folder` only if nothing fails. It is not locked here.

    Raises:
        OSError: If it cannot be written.
    """
    aside = new_aside(folder)
    try:
        aside.mkdir()
        yield aside
        remove(folder)
        aside.rename(folder)
    finally:
        remove(aside)


@contextlib.contextmanager
def replaced_file(path: Path) -> Iterator[Path]:
    """A path to write at; it takes the place of `path` only if nothing fails.

    Neither locked nor flushed to disk, so for what is computed again where it is lost: the last one to write it stays.

    Raises:
        OSError: If it cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = new_aside(path)
    try:
        yield aside
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all, and in the place of a link instead of where that leads."""
    with whole_file(path, follow=False) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write indented UTF-8 JSON in the same way."""
    write_text(path, json.dumps(finite(value), indent=2, ensure_ascii=False, default=str) + "\n")


def new_aside(place: Path) -> Path:
    """A name beside a place, for what is not whole yet."""
    return beside(place, f".{secrets.token_hex(4)}.partial")


def clear_left_over(place: Path, is_whole: Callable[[Path], bool] = lambda _: False) -> None:
    """Clear away what processes that are dead by now left beside a place; whoever calls this holds its lock.

    Args:
        place: What they were writing.
        is_whole: Whether what lies there was finished, and lacks its name alone: then it is kept.
    """
    begin = re.escape(beside(place, "").name)
    for left in [Path(entry.path) for entry in os.scandir(place.parent) if entry.name.endswith(".partial")]:
        if not re.fullmatch(rf"{begin}\.[0-9a-z_]{{8}}\.partial", left.name):
            continue
        if is_whole(left):
            say(f"note: what an earlier process finished is kept in {keep_beside(left, place)}")
        else:
            remove(left)


def keep_beside(aside: Path, place: Path) -> Path:
    """Give what is finished a free name beside the one that it was made for; where it lies then."""
    for number in itertools.count(2):
        free = place.with_name(f"{place.stem}-{number}{place.suffix}")
        if os.path.lexists(free):
            continue
        try:
            aside.rename(free)
        except FileExistsError:
            continue
        except OSError as error:
            if error.errno == errno.ENOTEMPTY:
                continue
            return aside
        return free
    raise AssertionError


def remove(path: Path) -> None:
    """Remove a file or a folder as far as that is allowed."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with contextlib.suppress(OSError):
            path.unlink()


def sync(path: Path) -> None:
    """Have a file, or the names in a folder, written to disk, as far as its file system can.

    Raises:
        OSError: If that fails.
    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(handle)


def sync_folder(folder: Path) -> None:
    """Have everything below a folder written to disk."""
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            sync(path)
