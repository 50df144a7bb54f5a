import io
import os
import pty
import tracemalloc

import pytest

from trifold.terminal import PrintablePieces, for_terminal, printable, shows, sparkline


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]52;c;aGk=\x1b\\after", "after"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("\x9b2Jgone", "gone"),
        ("over\rwritten", "overwritten"),
        ("a\x08b\x07c\x00", "abc"),
        ("\u202eevil\u202c", "evil"),
        ("half \ud800", "half "),
        ("\x1bcreset", "reset"),
        ("two\nlines\tand a tab", "two\nlines\tand a tab"),
        ("日本語 é 😀", "日本語 é 😀"),
    ],
)
def test_what_a_terminal_would_obey_is_taken_out(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("size", [1, 2, 3, 5, 1000])
def test_a_sequence_that_comes_in_pieces_is_taken_out_whole(size: int) -> None:
    text = (
        "\x1b[31mred\x1b[0m, \x1b]0;title\x07after \x1b]52;c;aGk=\x1b\\it \x9b2J, one\x1bctwo, \x9dtitle\x9cend é 😀\n"
    )
    shown: list[str] = []
    pieces = PrintablePieces(shown.append)
    for place in range(0, len(text), size):
        pieces(text[place : place + size])
    pieces.end()
    assert "".join(shown) == printable(text) == "red, after it , onetwo, end é 😀\n"


def test_a_sequence_without_an_end_takes_no_memory_and_shows_nothing() -> None:
    shown: list[str] = []
    pieces = PrintablePieces(shown.append)
    pieces("seen\x1b]0;")
    tracemalloc.start()
    for _ in range(100):
        pieces("title " * 1_000)
    held_bytes, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert held_bytes < 50_000
    pieces("\x07and on")
    pieces.end()
    assert "".join(shown) == "seenand on"


def test_a_terminal_obeys_no_cell_and_a_pipe_gets_every_character() -> None:
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        for_terminal(terminal).write("a\x1b[2Jb,\x1b]0;title,\x9b2J\u202e,good\n")
        terminal.flush()
        assert os.read(ours, 1_000).decode() == "a[2Jb,]0;title,2J,good\r\n"
    os.close(ours)
    pipe = io.StringIO()
    for_terminal(pipe).write("\x1b[2J")
    assert pipe.getvalue() == "\x1b[2J"


def test_a_sparkline_has_a_bar_for_each_number() -> None:
    assert sparkline([0.7, 0.3, 0.5, 0.31]) == "█▁▅▁"
    assert sparkline([0.5]) == ""
    assert sparkline([0.5, 0.5]) == ""


@pytest.mark.parametrize(("encoding", "shown"), [("utf-8", True), ("ascii", False), ("latin-1", False)])
def test_a_terminal_shows_what_its_encoding_has(encoding: str, shown: bool) -> None:
    master, slave = pty.openpty()
    with os.fdopen(slave, "w", encoding=encoding) as terminal:
        assert shows(terminal, "▁█") is shown
        assert not shows(terminal, "")
    os.close(master)
    assert not shows(io.StringIO(), "▁█")
