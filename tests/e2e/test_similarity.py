"""--task similarity as a user types it: from scored pairs to scores, vectors and a verdict."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from conftest import write_scored_pairs
from warm_commands import Command

FILES = {"model", "run.json", "metrics.json", "predictions.csv", "errors.csv", "scores.png", "report.html", "README.md"}


@pytest.fixture(scope="module")
def pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_scored_pairs(tmp_path_factory.mktemp("data") / "pairs.csv", rows=300)


METHODS = ("--task", "similarity", "--methods", "tfidf,features,full", "--lr", "3e-3", "--epochs", "8")


@pytest.fixture(scope="module")
def compared(pairs: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, trifold_command: Command) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "compared"
    done = trifold_command(
        *("compare", pairs, *METHODS, "--model", tiny_model, "--output-dir", folder),
    )
    assert done.returncode == 0, done.stderr
    (folder.parent / "stdout.txt").write_text(done.stdout)
    return folder


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_compare_ranks_by_spearman_and_names_what_to_ship(compared: Path) -> None:
    said = (compared.parent / "stdout.txt").read_text()
    assert "Spearman correlation" in said.splitlines()[1]
    assert any(line.startswith("Ship ") and "Spearman correlation" in line for line in said.splitlines())
    assert said.splitlines()[-1] == str(compared)
    rows = rows_of(compared / "leaderboard.csv")
    assert list(rows[0]) == [
        "method", "score_name", "score", "score_low", "score_high", "pearson", "mean_absolute_error", "train_seconds",
        "ms_per_text", "trainable_parameters", "size_bytes", "peak_memory_bytes",
    ]  # fmt: skip
    assert {row["method"] for row in rows} == {"tfidf", "features", "full"}
    assert {row["score_name"] for row in rows} == {"spearman"}
    assert [float(row["score"]) for row in rows] == sorted((float(row["score"]) for row in rows), reverse=True)
    for row in rows:
        assert float(row["score_low"]) < float(row["score"]) < float(row["score_high"])
        run = compared / row["method"]
        assert {path.name for path in run.iterdir()} >= FILES
        assert json.loads((run / "metrics.json").read_text())["spearman"]["value"] == pytest.approx(
            float(row["score"]), abs=1e-5
        )
    assert (compared / "best" / "run.json").is_file()
    page = (compared / "report.html").read_text()
    assert "Spearman correlation" in page
    assert page.count('class="method"') == 3


def test_compare_goes_on_without_training_again(
    compared: Path, pairs: Path, tiny_model: Path, trifold_command: Command
) -> None:
    made = (compared / "full" / "run.json").stat().st_mtime_ns
    done = trifold_command(
        *("compare", pairs, *METHODS, "--model", tiny_model, "--output-dir", compared, "--resume", "--json"),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found["metrics"]) == {"spearman", "pearson"}
    assert found["verdict"]["ship"] in {row["method"] for row in found["leaderboard"]}
    assert (compared / "full" / "run.json").stat().st_mtime_ns == made


def test_predict_scores_pairs_of_a_file_and_of_the_command_line(
    compared: Path, pairs: Path, tmp_path: Path, trifold_command: Command
) -> None:
    data = tmp_path / "new.csv"
    data.write_text(
        "id,sentence1,sentence2\n1,The film is superb,The film is moving\n2,,The plot is dull\n3,The cast is awful,The cast is superb\n"
    )
    done = trifold_command("predict", compared / "full", data, "--output", tmp_path / "scored.csv")
    assert done.returncode == 0, done.stderr
    assert "2 rows labelled, 1 unreadable" in done.stderr
    rows = rows_of(tmp_path / "scored.csv")
    assert list(rows[0]) == ["id", "sentence1", "sentence2", "prediction", "cosine", "truncated", "error"]
    assert "text is empty" in rows[1]["error"]
    assert float(rows[0]["prediction"]) > float(rows[2]["prediction"])
    assert all(0 <= float(row["prediction"]) <= 5 for row in rows if row["prediction"])
    one = trifold_command(
        "predict", compared / "full", "--text", "The film is superb", "--text-pair", "The film is moving", "--json"
    )
    assert one.returncode == 0, one.stderr
    assert json.loads(one.stdout)["prediction"] == pytest.approx(float(rows[0]["prediction"]), abs=1e-3)


def test_evaluate_measures_new_rows_and_tells_known_ones(
    compared: Path, pairs: Path, tmp_path: Path, trifold_command: Command
) -> None:
    fresh = write_scored_pairs(tmp_path / "fresh.csv", rows=120, seed=5)
    done = trifold_command("evaluate", compared / "full", fresh, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rows"] == 120
    assert found["spearman"]["low"] < found["spearman"]["value"] < found["spearman"]["high"]
    known = trifold_command("evaluate", compared / "full", pairs)
    assert "has learned from 240 of these 300 rows" in known.stderr
    assert "spearman" in known.stdout
    assert "on rows not learned from" in known.stdout


def test_a_run_embeds_single_texts(compared: Path, tmp_path: Path, trifold_command: Command) -> None:
    data = tmp_path / "texts.csv"
    data.write_text("text\nThe film is superb\nThe film is moving\nThe cast is awful\n")
    done = trifold_command("embed", compared / "full", data, "--output", tmp_path / "vectors.npy")
    assert done.returncode == 0, done.stderr
    vectors = np.load(tmp_path / "vectors.npy")
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--method", "contrastive"), "--method contrastive cannot learn similarities: give one of tfidf, zero-shot"),
        (("--method", "tfidf", "--epochs", "3"), "--task similarity with tfidf does not use --epochs"),
        (("--method", "full", "--metric", "accuracy"), "does not use --metric"),
        (
            ("--label-column", "sentence2", "--text-column", "sentence1,score"),
            "learns from numbers, and the column 'sentence2' holds",
        ),
        (("--text-column", "sentence1"), "a pair of texts has two columns"),
    ],
)
def test_what_cannot_be_learned_is_refused_in_one_sentence(
    flags: tuple[str, ...], said: str, pairs: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command("finetune", pairs, "--task", "similarity", *flags, "--output-dir", tmp_path / "run")
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "run").exists()


def test_what_gives_no_labels_is_no_classifier(compared: Path, trifold_command: Command) -> None:
    for verb in ("export", "bench"):
        done = trifold_command(verb, compared / "full")
        assert done.returncode == 2
        assert "gives pairs of texts a score and knows no labels" in done.stderr
