"""How an explained text is cut into pieces, in the terminal and in pages."""

from pathlib import Path

import pytest

from trifold.cli.marked_text import MarkedText
from trifold.errors import ArtifactError
from trifold.explanations.explanation import Explanation, Word
from trifold.explanations.marks import pieces
from trifold.explanations.saved import EXPLANATIONS, read_explanations, write_explanations


def explained(text: str, weights: dict[str, float], deciding: str) -> Explanation:
    words = tuple(
        Word(text.index(word), text.index(word) + len(word), word, weight) for word, weight in weights.items()
    )
    chosen = tuple(word for word in words if word.text == deciding)
    return Explanation(text, "good", 0.9, "good", words, chosen, 0.2, 0.88, "occlusion", False, 10)


SHORT = explained("A superb but long film", {"superb": 2.0, "long": -1.0, "film": 0.01}, "superb")


def test_the_pieces_are_the_text() -> None:
    found = pieces(SHORT, 1_000)
    assert "".join(piece.text for piece in found) == SHORT.text
    assert [(piece.text, piece.weight, piece.decides) for piece in found if piece.weight] == [
        ("superb", 1.0, True),
        ("long", -0.5, False),
    ]


def test_of_a_long_text_what_stands_around_the_deciding_words_is_shown() -> None:
    text = "before " * 1_000 + "superb" + " after" * 1_000
    shown = "".join(piece.text for piece in pieces(explained(text, {"superb": 1.0}, "superb"), 200))
    assert shown.startswith(" … ")
    assert shown.endswith(" … ")
    assert " superb " in shown
    assert len(shown) < 250


def test_without_colours_signs_tell_the_words(capsys: pytest.CaptureFixture[str]) -> None:
    MarkedText().print(SHORT)
    assert capsys.readouterr().out == "A [superb] but -long film\n"


def test_what_a_terminal_would_obey_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    MarkedText().print(explained("\x1b[2J superb [bold]x", {"superb": 1.0}, "superb"))
    assert capsys.readouterr().out == " [superb] [bold]x\n"


def test_explanations_come_back_from_a_run_folder(tmp_path: Path) -> None:
    assert read_explanations(tmp_path) == {}
    write_explanations(tmp_path, {7: SHORT})
    back = read_explanations(tmp_path)[7].explanation(SHORT.text)
    assert back is not None
    assert (back.words, back.deciding, back.drop) == (SHORT.words, SHORT.deciding, SHORT.drop)
    assert read_explanations(tmp_path)[7].explanation("another") is None


@pytest.mark.parametrize("content", ["{", "[1]", '[{"row": "a"}]', "null", '[{"row": 1, "starts": [-4]}]'])
def test_a_damaged_file_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / EXPLANATIONS).write_text(content)
    with pytest.raises(ArtifactError, match=EXPLANATIONS):
        read_explanations(tmp_path)
