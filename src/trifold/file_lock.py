"""Locks between processes, each a hidden file beside what it keeps for one writer at a time.

The system lets go of a lock when its owner dies, so a lock is never left over.
"""

import contextlib
import errno
import hashlib
import math
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from trifold.errors import SettingsError
from trifold.events import say_once

try:
    import fcntl
except ImportError:  # Windows has none.
    fcntl = None  # type: ignore[assignment]

_WAIT_SECONDS, _LOOK_SECONDS = 5.0, 0.05
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP})
_LONGEST_NAME_BYTES = 200
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)


def real(path: Path) -> Path:
    """The one name of a place, whatever links lead to it."""
    return Path(os.path.realpath(path))


def beside(path: Path, ending: str) -> Path:
    """A hidden name beside a place, the same whenever it is asked for and whatever links lead to its folder."""
    place = real(path.parent) / path.name
    name = place.name
    if len(os.fsencode(name)) > _LONGEST_NAME_BYTES:
        name = f"{name[:40]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:16]}"
    return place.with_name(f".{name}{ending}")


@contextlib.contextmanager
def parents_of(place: Path) -> Iterator[None]:
    """Make the folders that a place lies in. Those that were missing go again where what is done inside fails.

    Raises:
        OSError: If one cannot be made.
    """
    missing = [folder for folder in place.parents if not folder.exists()]
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        yield
    except BaseException:
        for folder in missing:
            # One that holds something by now is somebody's.
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise


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
                say_once(f"{written}, which is waited for")
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
        say_once("note: there are no file locks here, so nothing keeps two commands from writing to one place")
        return False
    return True


def _is_still(handle: int, file: Path) -> bool:
    """Whether the open file has its name still: the owner before may have removed it."""
    try:
        return os.path.samestat(os.fstat(handle), os.lstat(file))
    except FileNotFoundError:
        return False
