"""Flags that would change nothing are refused, each with what it goes with."""

import os
import socket
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.cli.main import run


@pytest.mark.parametrize(
    ("command", "refused"),
    [
        ("pretrain DATA --vocab-size 300", "--vocab-size 300 is not allowed: it goes with --from-scratch"),
        ("pretrain DATA --layers 3 --lowercase", "--lowercase --layers 3 is not allowed"),
        ("pretrain DATA --from-scratch --model MODEL", "--model with --from-scratch is not allowed"),
        ("pretrain DATA --from-scratch --revision a", "--revision with --from-scratch is not allowed"),
        ("pretrain DATA --from-scratch --objective clm --lowercase", "--lowercase is not allowed"),
        (
            "pretrain DATA --from-scratch --objective clm --mlm-probability 0.3",
            "--mlm-probability 0.3 is not allowed: it goes with --objective mlm",
        ),
        ("pretrain DATA --show film", "--show with a text, or with flags on one is not allowed"),
        ("pretrain --show film --block-size 16", "--show with a text, or with flags on one is not allowed"),
        ("pretrain DATA --revision a", "--revision a with --model 'minilm' is not allowed: minilm is one commit of"),
        ("pretrain DATA --model MODEL --revision a", "is not allowed: a folder has no revisions"),
        ("check DATA --revision a", "--revision a with --model 'minilm' is not allowed"),
        ("finetune DATA --method features --revision a", "--revision a with --model 'minilm' is not allowed"),
        ("finetune DATA --method full --model MODEL --revision a", "is not allowed: a folder has no revisions"),
        ("fill-mask MODEL [MASK] --token-budget 9", "--token-budget 9 is not allowed"),
        ("generate MODEL film --token-budget 9", "--token-budget 9 is not allowed"),
        (
            "embed MODEL --text film --engine onnx --precision bfloat16",
            "--precision bfloat16 with --engine onnx is not allowed: it computes in float32",
        ),
    ],
)
def test_a_flag_that_would_change_nothing_is_refused(
    command: str,
    refused: str,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    words = {"MODEL": str(tiny_model), "DATA": str(write_reviews(tmp_path / "data.csv", rows=40))}
    assert run([words.get(word, word) for word in command.split()]) == 2
    said = capsys.readouterr().err
    assert refused in said
    assert len(said.splitlines()) == 1
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["data.csv"]


@pytest.mark.parametrize("command", ["embed MODEL hf:no/where --output v.npy", "predict RUN hf:no/where"])
def test_offline_holds_for_data_sets_of_the_hub(
    command: str,
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    data = write_reviews(tmp_path / "data.csv", rows=40)
    assert run(["finetune", str(data), "--method", "tfidf", "--output-dir", "run"]) == 0
    asked: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", lambda *address, **_: asked.append(address))
    words, before = {"MODEL": str(tiny_model), "RUN": "run"}, dict(os.environ)
    assert run([*(words.get(word, word) for word in command.split()), "--offline"]) == 2
    assert "hf:no/where cannot be loaded" in capsys.readouterr().err
    assert not asked
    assert dict(os.environ) == before
