"""Standard output, whose failure is remembered, and standard error, whose failure never ends a command."""

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer


def open_streams() -> None:
    """Streams for a process that was started without, and a standard error that never ends a command.

    Writing to a standard output that was closed fails, so that what was printed is not lost in silence.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stdout = _like(sys.stdout, _Output(sys.stdout.fileno(), "w", closefd=False))
    sys.stderr = _like(sys.stderr, _ErrorOutput(sys.stderr.fileno(), "w", closefd=False))


def flush() -> OSError | None:
    """Hand on what was printed; why that, or an earlier part of it, failed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return failure_of_output()


def failure_of_output() -> OSError | None:
    """Why standard output could not be written; `None` where it could."""
    return _Output.failure


def _like(stream: TextIO, raw: io.FileIO) -> io.TextIOWrapper:
    """A stream that is written as another one is, through `raw`."""
    assert isinstance(stream, io.TextIOWrapper)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        # What an encoding other than UTF-8 lacks is written as Python spells it, rather than not at all.
        errors="backslashreplace" if stream.errors == "strict" else stream.errors,
        # PYTHONUNBUFFERED asks for this one.
        line_buffering=stream.line_buffering or stream.write_through,
    )


class _Output(io.FileIO):
    """Standard output, which remembers that it failed: an exception from anywhere may be that of another file.

    Attributes:
        failure: Why.
    """

    failure: OSError | None = None

    def write(self, data: "Buffer") -> int:
        try:
            return super().write(data)
        except OSError as error:
            _Output.failure = error
            raise


class _ErrorOutput(io.FileIO):
    """Standard error: a message that cannot be written is no reason to lose hours of work."""

    def write(self, data: "Buffer") -> int:
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes
