"""Flags that a method does not use: refused by `finetune`, handed on by `compare` only to those that use them."""

import json
from pathlib import Path

import pytest

from trifold.artifact.run_record import read_run_record


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (
            ("--method", "tfidf", "--epochs", 7, "--adapter-size", 3, "--shots", 4),
            "tfidf does not use --epochs, --adapter-size, --shots: leave them out, or take another method",
        ),
        (("--method", "full", "--head", "mlp"), "--head is for features"),
        (("--preset", "classic", "--patience", 5), "classic does not use --patience"),
        (("--method", "tfidf", "--save-steps", 5), "tfidf does not use --save-steps"),
        (("--method", "adapter-bottleneck", "--merge-adapter"), "--merge-adapter is for adapter-lora"),
        (("--method", "prompt", "--dry-run", "--epochs", 3), "prompt does not use --epochs"),
    ],
)
def test_finetune_refuses_them_in_one_sentence(trifold_command, reviews: Path, tmp_path: Path, flags, said) -> None:
    done = trifold_command("finetune", reviews, *flags, "--output-dir", tmp_path / "run")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_a_file_of_settings_is_no_other(trifold_command, reviews: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text("epochs = 3\n")
    done = trifold_command("finetune", reviews, "--method", "tfidf", "--config", tmp_path / "settings.toml")
    assert done.returncode == 2
    assert "tfidf does not use --epochs" in done.stderr


def test_compare_hands_a_flag_to_the_methods_that_use_it(
    trifold_command, reviews: Path, tiny_model: Path, tmp_path: Path
) -> None:
    flags = ("--methods", "tfidf,features", "--model", tiny_model, "--head", "logistic", "--seed", 7)
    where = ("--output-dir", tmp_path / "all", "--json")
    done = trifold_command("compare", reviews, *flags, *where)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skipped"] == {}
    tfidf, features = (read_run_record(tmp_path / "all" / name) for name in ("tfidf", "features"))
    assert "--head" not in tfidf.command
    assert "--seed 7" in tfidf.command
    assert "--head logistic" in features.command
    again = trifold_command("compare", reviews, *flags, *where, "--resume")
    assert "tfidf was done before" in again.stderr
    assert "features was done before" in again.stderr
    refused = trifold_command("compare", reviews, "--methods", "tfidf,features", "--train-layers", 2)
    assert refused.returncode == 2
    assert "tfidf or features does not use --train-layers" in refused.stderr
