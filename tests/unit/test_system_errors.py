"""What the machine refuses is told in one sentence, whatever exception a library made of it."""

import errno
import sqlite3

import pytest
from safetensors import SafetensorError

from trifold.errors import first_line
from trifold.system_errors import fault_of, out_of_room


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a/b"), "no space is left (a/b): free some"),
        (OSError(errno.EFBIG, "File too large"), "the file is larger than is allowed here: raise the limit"),
        (OSError(errno.ENOTDIR, "Not a directory", "a"), "Not a directory (a)"),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "no space is left"),
        (Exception("File too large (os error 27)"), "the file is larger than is allowed here"),
        (sqlite3.OperationalError("database or disk is full"), "no space is left"),
        (ImportError("libx.so: cannot open shared object file: Too many open files"), "too many files are open"),
        (MemoryError(), "there is not enough memory"),
        (RuntimeError("can't start new thread"), "there is not enough memory"),
    ],
)
def test_a_fault_in_words(error: Exception, sentence: str) -> None:
    found = fault_of(error)
    assert found is not None
    assert found.startswith(sentence)
    assert "\n" not in found


def test_a_fault_is_found_behind_another_exception() -> None:
    error = RuntimeError("saving failed")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert "no space is left" in str(fault_of(error))
    assert out_of_room(error)


def test_a_mistake_in_a_program_is_none() -> None:
    assert fault_of(KeyError("name")) is None
    assert not out_of_room(OSError(errno.EACCES, "Permission denied"))


def test_an_error_that_was_suppressed_hides_no_mistake() -> None:
    def fail() -> None:
        try:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        except OSError:
            raise KeyError("name") from None

    with pytest.raises(KeyError) as told:
        fail()
    assert fault_of(told.value) is None


def test_an_error_without_a_word_has_a_first_line() -> None:
    assert first_line(ValueError()) == "ValueError"
    assert first_line(ValueError("\nfirst\nsecond")) == "first"
