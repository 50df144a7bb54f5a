"""Who takes part in a comparison: presets, and methods on several backbones."""

import csv
import json
import shutil
from pathlib import Path

import pytest

from conftest import write_reviews
from trifold.errors import SettingsError
from trifold.models.settings import BackboneSettings
from trifold.pipeline.contestants import chosen_methods, line_up
from trifold.pipeline.request import Request
from warm_commands import Command


def names(model: str, *methods: str) -> list[str]:
    request = Request(Path("movie.csv"), backbone=BackboneSettings(model=model))
    return list(line_up(request, list(methods)))


def test_methods_that_need_no_backbone_run_once() -> None:
    assert names("minilm", "tfidf", "full") == ["tfidf", "full"]
    assert names("minilm,org/bert base", "tfidf", "full") == ["tfidf", "full-minilm", "full-bert-base"]


@pytest.mark.parametrize(
    ("model", "message"),
    [("a/x,b/x", "--model names x twice"), ("minilm,", "write the names with single commas between")],
)
def test_backbones_that_cannot_be_told_apart_are_refused(model: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        names(model, "full")


def test_a_preset_joins_the_methods_that_are_named_or_all() -> None:
    assert chosen_methods("tfidf", "classic") == ["tfidf", "classic"]
    assert chosen_methods("classic,tfidf", "classic") == ["classic", "tfidf"]
    assert "classic" not in chosen_methods(None)
    assert chosen_methods(None, "classic")[-1] == "classic"


def test_two_backbones_and_the_classic_recipe_are_compared(
    tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    other = shutil.copytree(tiny_model, tmp_path / "other")
    data = write_reviews(tmp_path / "reviews.csv", rows=100)
    done = trifold_command(
        *("compare", data, "--methods", "tfidf", "--preset", "classic"),
        *("--model", f"{tiny_model},{other}", "--output-dir", tmp_path / "run"),
    )
    assert done.returncode == 0, done.stderr
    expected = {"tfidf", "classic-tiny", "classic-other"}
    with (tmp_path / "run" / "leaderboard.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} == {*expected, "majority"}
    assert all((tmp_path / "run" / name / "run.json").is_file() for name in expected)
    facts = json.loads((tmp_path / "run" / "classic-other" / "run.json").read_text())
    assert facts["backbone"]["name"] == str(other)
    # The recipe's rate is so low that its head hardly moves; the comparison shows it instead of stopping.
    assert json.loads((tmp_path / "run" / "classic-tiny" / "run.json").read_text())["trainable_parameters"] > 0
    assert trifold_command("predict", tmp_path / "run", "--text", "a wonderful film").returncode == 0


def test_finetune_takes_one_backbone_and_no_preset_beside_a_method(
    tiny_model: Path, reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command("finetune", reviews, "--model", f"{tiny_model},minilm", "--output-dir", tmp_path / "run")
    assert (done.returncode, done.stdout) == (2, "")
    assert "name one; compare tries several" in done.stderr
    done = trifold_command("finetune", reviews, "--method", "tfidf", "--preset", "classic")
    assert done.returncode == 2
    assert "--preset classic is a method of its own: leave out --method tfidf" in done.stderr


def test_a_dry_run_tells_what_each_method_would_take(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    asked = ("compare", reviews, "--model", tiny_model, "--methods", "tfidf,full,contrastive", "--dry-run")
    done = trifold_command(*asked, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found["seconds"]) == ["tfidf", "full"]
    assert list(found["skipped"]) == ["contrastive"]
    shown = trifold_command(*asked).stdout
    assert shown.startswith("method  forecast\ntfidf")
    assert "contrastive would be missing: it is for up to 64 rows a class" in shown
    refused = trifold_command(*asked, "--output-dir", tmp_path / "results")
    assert refused.stderr == "trifold: --dry-run writes nothing: leave out --output-dir and --resume\n"
