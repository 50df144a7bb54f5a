"""Standard output that remembers why writing failed, and standard error whose failures are ignored."""

import io
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from typing_extensions import Buffer


def open_streams() -> None:
    """Replace the standard streams of this process; those that it was started without are opened.

    A failure of standard error never ends a command. Printing to a closed standard output fails, so that no result is
    lost without a message.
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
    """Flush standard output; returns the error if that, or an earlier write, failed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return failure_of_output()


def failure_of_output() -> OSError | None:
    """The error of the last failed write to standard output; `None` if none failed."""
    return _Output.failure


def _like(stream: TextIO, raw: io.FileIO) -> io.TextIOWrapper:
    """A text stream over `raw` with the encoding and buffering of `stream`."""
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
    """Standard output that remembers a failed write: the exception alone does not tell which file failed.

    Attributes:
        failure: The error.
    """

    failure: OSError | None = None

    def write(self, data: "Buffer") -> int:
        try:
            return super().write(data)
        except OSError as error:
            _Output.failure = error
            raise


class _ErrorOutput(io.FileIO):
    """Standard error that ignores failed writes: a lost message is no reason to lose hours of work."""

    def write(self, data: "Buffer") -> int:
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes
