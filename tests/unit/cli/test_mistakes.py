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
        ("prompt shwo a.toml", "there is no command 'shwo' (did you mean 'show'?): see trifold prompt --help"),
        ("finetune DATA --epoch 3", "there is no flag --epoch (did you mean --epochs?): see trifold finetune --help"),
        ("check --lable-column=x DATA", "no flag --lable-column (did you mean --label-column?): see trifold check"),
        ("check DATA --quite", "there is no flag --quite (did you mean --quiet?): see trifold check --help"),
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
