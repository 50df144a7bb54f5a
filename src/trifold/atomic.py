"""Files and folders that appear whole or not at all, each written by one process at a time.

A target is locked, written beside itself under a name of its own, flushed to disk, and renamed into place. Whoever
holds the lock may clear away what an earlier process left: the system lets go of a lock when its owner dies. A result
that is finished is never removed: where it cannot take its place it stays beside, and its name is said.
"""

import contextlib
import errno
import hashlib
import itertools
import json
import math
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from trifold.errors import SettingsError
from trifold.events import say
from trifold.schema import finite

try:
    import fcntl
except ImportError:  # Windows has none.
    fcntl = None  # type: ignore[assignment]

_WAIT_SECONDS, _LOOK_SECONDS = 5.0, 0.05
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
_NO_SYNC = frozenset({errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EBADF})
_LONGEST_NAME_BYTES = 200
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def real(path: Path) -> Path:
    """The one name of a place, whatever links lead to it."""
    return Path(os.path.realpath(path))


@contextlib.contextmanager
def locked(target: Path, way_out: str = "name another place", wait_seconds: float = _WAIT_SECONDS) -> Iterator[bool]:
    """Inside, no other process that asks for the same lock writes `target`.

    Args:
        target: File or folder; it need not be there yet, but the folder that it lies in must.
        way_out: What to do instead of waiting for the other process, for the message.
        wait_seconds: How long another process is waited for; by default as long as one takes that is told to end.

    Yields:
        Whether it is locked; some network file systems know no locks, which is said.

    Raises:
        SettingsError: If another process holds it, which is named.
        OSError: If the file of the lock cannot be made.
    """
    file = beside(target, ".lock")
    handle = _acquire(file, target, way_out, wait_seconds)
    try:
        yield handle is not None
    finally:
        if handle is not None:
            # By now the name may be another owner's, if somebody removed the file.
            if _is_still(handle, file):
                with contextlib.suppress(OSError):
                    file.unlink()
            os.close(handle)


def _acquire(file: Path, target: Path, way_out: str, wait_seconds: float) -> int | None:
    until = time.monotonic() + wait_seconds
    while True:
        handle = _open_lock(file)
        try:
            if not _locks(handle):
                file.unlink(missing_ok=True)
                os.close(handle)
                return None
            if _is_still(handle, file):
                # On a full disk an owner goes without a name.
                with contextlib.suppress(OSError):
                    os.ftruncate(handle, 0)
                    os.write(handle, f"{os.getpid()} on {socket.gethostname()}".encode())
                return handle
        except BlockingIOError:
            owner = os.pread(handle, 300, 0).decode(errors="replace")
            written = f"{target} is being written by " + (f"process {owner}" if owner else "another process")
            if time.monotonic() > until:
                os.close(handle)
                raise SettingsError(f"{written}: wait until it is done, or {way_out}") from None
            if wait_seconds == math.inf:
                _say_once(f"{written}, which is waited for")
            time.sleep(_LOOK_SECONDS)
        except OSError:
            os.close(handle)
            raise
        os.close(handle)


def _open_lock(file: Path) -> int:
    """Open the file of a lock, never where a link leads: its name can be foretold, and its content is overwritten.

    Raises:
        SettingsError: If it is a link.
    """
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0) | _NO_FOLLOW, 0o666)
    except OSError as error:
        if error.errno != errno.ELOOP:
            raise
        raise SettingsError(
            f"{file} is a link, where the file of a lock has to be: remove it, or name another place"
        ) from None


def is_held(file: Path) -> bool:
    """Whether some process holds the lock whose file this is; no, where that cannot be told."""
    try:
        handle = os.open(file, os.O_RDONLY | _NO_FOLLOW)
    except OSError:
        return False
    try:
        _locks(handle)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        os.close(handle)
    return False


def _locks(handle: int) -> bool:
    """Take the lock of an open file; whether there is such a thing here.

    Raises:
        BlockingIOError: If another process has it.
    """
    try:
        if fcntl is None:
            raise OSError(errno.ENOSYS, "no locks")
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _say_once("note: there are no file locks here, so nothing keeps two commands from writing to one place")
        return False
    return True


def _is_still(handle: int, file: Path) -> bool:
    """Whether the open file has its name still: the owner before may have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(file))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def whole_file(
    path: Path, *, replace: bool = True, follow: bool = True, then: Callable[[], None] = lambda: None
) -> Iterator[Path]:
    """A path to write at; it becomes `path` only if nothing fails. Devices and pipes are written as they are.

    Args:
        path: Of the file.
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
    if follow and place.exists() and not place.is_file():
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
        aside = new_aside(folder)
        try:
            aside.mkdir()
            yield aside
            remove(folder)
            aside.rename(folder)
        finally:
            remove(aside)


def write_text(path: Path, text: str) -> None:
    """Write a text file in UTF-8, whole or not at all, and in the place of a link instead of where that leads."""
    with whole_file(path, follow=False) as aside:
        aside.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: Path, value: object) -> None:
    """Write indented UTF-8 JSON in the same way."""
    write_text(path, json.dumps(finite(value), indent=2, ensure_ascii=False, default=str) + "\n")


def beside(path: Path, ending: str) -> Path:
    """A hidden name beside a place, the same whenever it is asked for and whatever links lead to its folder."""
    place = real(path.parent) / path.name
    name = place.name
    if len(os.fsencode(name)) > _LONGEST_NAME_BYTES:
        name = f"{name[:40]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    return place.with_name(f".{name}{ending}")


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


@cache
def _say_once(message: str) -> None:
    say(message)
