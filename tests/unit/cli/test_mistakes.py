"""Misspelt commands, flags, methods, backbones and columns are answered with what was probably meant."""

from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.main import run


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("comprae DATA", "there is no command 'comprae' (did you mean 'compare'?): see trifold --help"),
        ("nonsense", "there is no command 'nonsense': see trifold --help"),
        ("evaluate runs/x --metric f1", "there is no flag --metric: see trifold evaluate --help"),
        ("x" * 100_000, f"there is no command '{'x' * 59}…': see trifold --help"),
        ("check DATA --" + "x" * 100_000, f"there is no flag --{'x' * 57}…: see trifold check --help"),
        ("prompt shwo a.toml", "there is no command 'shwo' (did you mean 'show'?): see trifold prompt --help"),
        ("finetune DATA --epoch 3", "there is no flag --epoch (did you mean --epochs?): see trifold finetune --help"),
        ("check --lable-column=x DATA", "no flag --lable-column (did you mean --label-column?): see trifold check"),
        ("check DATA --quite", "there is no flag --quite (did you mean --quiet?): see trifold check --help"),
        ("pretrain DATA --max-length 3", "no flag --max-length (did you mean --block-size?): see trifold pretrain"),
        ("prompt show a.toml --varr a=b", "no flag --varr (did you mean --var?): see trifold prompt show --help"),
        ("finetune DATA --method featurs", "there is no method 'featurs' (did you mean 'features'?): choose one of"),
        ("compare DATA --methods tfdif", "there is no method 'tfdif' (did you mean 'tfidf'?): choose one of tfidf, "),
        ("check DATA --text-column txt", "there is no column 'txt' (did you mean 'text'?): the file has 'text', "),
        ("check DATA --label-column Lable", "there is no column 'Lable' (did you mean 'label'?): the file has "),
        ("check DATA --model minilmm --offline", "(did you mean 'minilm'?)"),
        ("check DATA --model ./modls", "there is no folder ./modls (did you mean 'models'?): give a folder"),
        ("finetune DATA --head mlpp", 'Did you mean "mlp"?'),
    ],
)
def test_the_nearest_thing_that_there_is_is_named(
    command: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    data = str(write_reviews(tmp_path / "data.csv", rows=40))
    assert run([data if word == "DATA" else word for word in command.split()]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        ("finetune DATA --seed 1.7", "--seed 1.7 is not allowed: give a whole number"),
        ("finetune DATA --epochs 1.5", "--epochs 1.5 is not allowed: give a whole number"),
        ("finetune DATA --config flags.toml", "--seed 1.7 is not allowed: give a whole number"),
        ("finetune DATA --epochs 1.0e999", "--epochs 1.0e999 is not allowed: give a whole number"),
        ("finetune DATA --epochs 999999999999999999999999", "is not allowed: give 1 or more, to 100,000"),
        ("fill-mask MODEL x --top-k 1.9", "--top-k 1.9 is not allowed: give a whole number"),
        ("compare DATA --methods=", "--methods '' is not allowed: name one of tfidf, "),
        ("compare DATA --methods ,", "--methods ',' is not allowed: name one of tfidf, "),
        ("embed minilm DATA --output=", "--output '' is not allowed: the name is empty, give one"),
        ("finetune DATA --task generate --method tfidf", "--method tfidf cannot learn to write: give full or adapter"),
    ],
)
def test_values_that_mean_nothing_are_refused_before_anything_starts(
    command: str, sentence: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flags.toml").write_text("seed = 1.7\n")
    data = str(write_reviews(tmp_path / "data.csv", rows=40))
    assert run([data if word == "DATA" else word for word in command.split()]) == 2
    said = capsys.readouterr().err
    assert sentence in said
    assert len(said.splitlines()) == 1
    assert len(list(tmp_path.iterdir())) == 2


def test_a_whole_number_may_be_written_with_a_point(tmp_path: Path) -> None:
    data = write_reviews(tmp_path / "data.csv", rows=40)
    words = ["finetune", str(data), "--method", "tfidf", "--seed", "7.0", "--output-dir", str(tmp_path / "run")]
    assert run(words) == 0


def test_completion_that_cannot_be_installed_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home").write_text("a file, in which no folder can be made")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert run(["completion", "bash", "--install"]) == 2
    said = capsys.readouterr().err
    assert "cannot be written (Not a directory): save what trifold completion bash prints where your shell" in said
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize("words", [["similar", "", "a"], ["similar", "a", ""]])
def test_an_empty_text_is_told_as_a_text(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(words) == 2
    assert "'' is not allowed: the text is empty, give one with at least one word" in capsys.readouterr().err


def test_a_text_of_bytes_that_are_no_text_is_refused_by_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (
        ["embed", "minilm", "--text", "bad \udcff"],
        ["predict", "run", "--text", "bad \udcff"],
        ["similar", "bad \udcff", "a"],
    ):
        assert run(words) == 2
        said = capsys.readouterr().err
        assert "no UTF-8 text" in said or "half a character" in said
