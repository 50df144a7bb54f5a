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
