"""The feature cache as a user sees it: work is not done twice, and is charged all the same."""

import json
import os
from pathlib import Path

import pytest

from warm_commands import Command


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "TRIFOLD_CACHE": str(tmp_path / "cache")}


def test_a_second_run_reads_what_the_first_computed(
    reviews: Path, tiny_model: Path, tmp_path: Path, environment: dict[str, str], trifold_command: Command
) -> None:
    runs = []
    for head in ("logistic", "mlp"):
        folder = tmp_path / head
        done = trifold_command(
            *("finetune", reviews, "--method", "features", "--head", head, "--model", tiny_model),
            *("--output-dir", folder),
            env=environment,
        )
        assert done.returncode == 0, done.stderr
        runs.append((done.stderr, json.loads((folder / "run.json").read_text())))
    texts = sum(runs[0][1]["data"]["parts"][part] for part in ("training", "validation"))
    assert "from the cache" not in runs[0][0]
    assert f"{texts} of {texts} texts come from the cache" in runs[1][0]
    assert runs[0][1]["train_seconds_from_cache"] == 0.0
    # What the cache saved counts as if it had been spent.
    assert runs[1][1]["train_seconds"] > runs[1][1]["train_seconds_from_cache"] > 0.0
    listed = json.loads(trifold_command("cache", "--json", env=environment).stdout)
    assert {store["described"]["what"]: store["texts"] for store in listed["stores"]} == {
        "pooled vectors of every layer": texts,
        "tokens": texts,
    }
    assert listed["choices"]["count"] == 1
    assert runs[0][1]["choices"]["vectors"] == runs[1][1]["choices"]["vectors"]
    shown = trifold_command("cache", env=environment).stdout
    for kept in ("pooled vectors of every layer", "tokens", "heads and vectors chosen: 1"):
        assert kept in shown
    assert "trifold cache --clear frees it" in shown
    assert "freed" in trifold_command("cache", "--clear", env=environment).stdout
    assert "nothing is kept" in trifold_command("cache", env=environment).stdout


def test_without_cache_nothing_is_kept(
    reviews: Path, tiny_model: Path, tmp_path: Path, environment: dict[str, str], trifold_command: Command
) -> None:
    done = trifold_command(
        *("finetune", reviews, "--method", "features", "--model", tiny_model, "--no-cache"),
        *("--output-dir", tmp_path / "run"),
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "cache").exists()


def test_where_the_cache_cannot_be_written_work_goes_on(
    reviews: Path, tiny_model: Path, tmp_path: Path, environment: dict[str, str], trifold_command: Command
) -> None:
    (tmp_path / "cache").write_text("a file stands in the way")
    done = trifold_command(
        *("finetune", reviews, "--method", "features", "--model", tiny_model, "--output-dir", tmp_path / "run"),
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("cannot be written") == 1
    assert "going on without it" in done.stderr
