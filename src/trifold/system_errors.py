"""What the machine refuses (room, files, memory, permission), in words that say what to do."""

import errno
import os
import re

from trifold.errors import first_line

_WORDS = {
    errno.ENOSPC: ("no space is left", "free some"),
    errno.EDQUOT: ("the disk quota is used up", "free some room"),
    errno.EFBIG: ("the file is larger than is allowed here", "raise the limit, see ulimit -f"),
    errno.EMFILE: ("too many files are open", "raise the limit, see ulimit -n"),
    errno.ENFILE: ("too many files are open on this machine", "close some programs"),
    errno.ENOMEM: ("there is not enough memory", "close some programs"),
    errno.EROFS: ("the file system is read-only", "name a place that can be written to"),
    errno.EACCES: ("permission is denied", "name another place, or change its permissions"),
    errno.EIO: ("the device reports an error", "check it"),
}
# Libraries wrap the system's errors in exceptions of their own, and keep its words.
_WRAPPED = {
    r"no space left on device|\(os error 28\)|database or disk is full": errno.ENOSPC,
    r"disk quota exceeded|\(os error 122\)": errno.EDQUOT,
    r"file too large|\(os error 27\)": errno.EFBIG,
    r"too many open files|\(os error 24\)": errno.EMFILE,
    r"can(no|')t allocate memory|can't start new thread|unable to allocate": errno.ENOMEM,
    r"read-only file system|\(os error 30\)|attempt to write a readonly database": errno.EROFS,
    r"permission denied|\(os error 13\)": errno.EACCES,
    r"input/output error|disk i/o error|\(os error 5\)": errno.EIO,
}
_OUT_OF_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def fault_of(error: BaseException) -> str | None:
    """What the machine refused and the next step, if an exception or what it came from tells of that.

    Any `OSError` does, and exceptions of libraries that hold the system's words.
    """
    for one in _chain(error):
        found = _code_of(one)
        if found is not None or isinstance(one, OSError):
            return _in_words(one, found)
    return None


def out_of_room(error: BaseException) -> bool:
    """Whether something could not be written for lack of room."""
    return any(_code_of(one) in _OUT_OF_ROOM for one in _chain(error))


def _chain(error: BaseException | None) -> list[BaseException]:
    found: list[BaseException] = []
    while error is not None and error not in found:
        found.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return found


def _code_of(error: BaseException) -> int | None:
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    said = str(error)
    return next((code for words, code in _WRAPPED.items() if re.search(words, said, re.IGNORECASE)), None)


def _in_words(error: BaseException, code: int | None) -> str:
    place = getattr(error, "filename", None)
    where = f" ({os.fsdecode(place)})" if isinstance(place, str | bytes) else ""
    if code in _WORDS:
        what, way_out = _WORDS[code]
        return f"{what}{where}: {way_out} and run the command again"
    said = getattr(error, "strerror", None) or first_line(error)
    return f"{said}{where}"
