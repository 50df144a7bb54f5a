"""`check` and `predict` at the command line: what they point at, and what they refuse."""

from pathlib import Path

import pytest

from trifold.cli.main import run

DATA = [(f"film number {i}", "good" if i % 2 else "bad") for i in range(60)]


def write(path: Path, rows: list[tuple[str, str]]) -> str:
    path.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in rows), encoding="utf-8")
    return str(path)


def test_conflicts_are_named_by_their_lines_and_the_advice_is_in_the_next_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spelt = [(f"another film {i}", "Good ") for i in range(4)]
    data = write(tmp_path / "a.csv", [*DATA, ("film number 0", "good"), *spelt])
    assert run(["check", data]) == 0
    printed = capsys.readouterr()
    assert "1 text with different labels in different rows (lines 2, 62)" in printed.out
    assert "label 'Good ' has only 4 rows: figures on it will be shaky" in printed.out
    assert printed.err.splitlines()[-1] == f"next: trifold compare {data} --merge-labels"


def test_many_rare_labels_are_counted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = write(tmp_path / "a.csv", [(f"film number {i}", f"c{i % 20}") for i in range(60)])
    assert run(["check", data]) == 0
    printed = capsys.readouterr().out
    assert "20 labels have fewer than 10 rows each: figures on them will be shaky" in printed
    assert "has only" not in printed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--text", "hi"], "a.csv is a file, not a run folder: the run comes first"),
        ([], "predict needs a file or a text: trifold predict RUN FILE"),
        (["b.csv", "--text", "hi"], "predict needs a file or a text, not both: trifold predict RUN FILE"),
    ],
)
def test_predict_says_which_argument_is_wrong(
    words: list[str], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["predict", write(tmp_path / "a.csv", DATA), *words]) == 2
    assert sentence in capsys.readouterr().err


def test_labels_are_shown_whole_or_with_an_ellipsis_and_figures_agree_with_their_nouns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("account_wrongly_closed", "a_label_of_far_more_letters_than_any_column_of_a_terminal_has")
    rows = [(f"film number {i}", names[i % 2]) for i in range(60)]
    assert run(["check", write(tmp_path / "a.csv", [*rows, rows[0]])]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  account_wrongly_closed    film number 0" in lines
    assert "  a_label_of_far_more_let…  film number 1" in lines
    assert any(line.startswith("  a_label_of_far_more_letters_than_any_co…       30 ") for line in lines)
    (repeated,) = (line for line in lines if line.startswith("Repeated"))
    assert repeated.startswith("Repeated  1 text stands in an earlier row, ")
    assert "for that" not in repeated


def test_a_text_in_the_place_of_a_file_is_told_how_to_be_given(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words in (["predict", str(tmp_path)], ["explain", str(tmp_path)], ["summarize"]):
        assert run([*words, "A superb film."]) == 2
        said = capsys.readouterr().err
        assert "there is no file 'A superb film.'; if it is the text itself, give it with --text: trifold" in said
    assert run(["predict", str(tmp_path), "my films.csv"]) == 2
    assert "the text itself" not in capsys.readouterr().err
