import pytest

from trifold.terminal import printable


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
