"""A file whose rows have several labels each, from the CSV to predictions."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path

import pytest

from conftest import several_labels
from trifold.inference.predict import NO_LABEL
from warm_commands import Command


def write(path: Path, rows: Iterable[tuple[str, Iterable[str]]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "labels"])
        # A row without any label cannot be told from one that nobody labelled.
        writer.writerows([text, "|".join(labels)] for text, labels in rows)
    return path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("data") / "moods.csv", several_labels())


@pytest.fixture(scope="module")
def compared(data: Path, tiny_model: Path, trifold_command: Command) -> tuple[Path, str]:
    folder = data.parent / "compared"
    done = trifold_command(
        *("compare", data, "--methods", "tfidf,zero-shot,features", "--model", tiny_model),
        *("--output-dir", folder),
    )
    assert done.returncode == 0, done.stderr
    return folder, done.stdout + done.stderr


def test_methods_are_compared_by_macro_f1(compared: tuple[Path, str]) -> None:
    folder, said = compared
    with (folder / "leaderboard.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file)}
    assert set(rows) == {"tfidf", "features", "majority"}
    assert {row["score_name"] for row in rows.values()} == {"macro_f1"}
    assert min(float(rows[name]["macro_f1"]) for name in ("tfidf", "features")) > 0.85
    assert "zero-shot is missing: rows have several labels here" in said
    assert "note: a row may have several labels, since '|' stands between some" in said
    assert "points of macro-F1" in said or "macro-F1 (95 % interval" in said


def test_the_report_and_the_card_say_what_was_learned(compared: tuple[Path, str]) -> None:
    page = (compared[0] / "report.html").read_text()
    assert "How well each class is found" in page
    assert "recall" in page
    card = (compared[0] / "features" / "README.md").read_text()
    assert "3-way multi-label text classifier" in card
    assert "Labels a text with any of `blame`, `cast`, `praise`" in card
    thresholds = json.loads((compared[0] / "features" / "run.json").read_text())["choices"]["thresholds"]
    assert set(thresholds) == {"blame", "cast", "praise"}


@pytest.mark.parametrize("method", ["tfidf", "features"])
def test_predictions_are_labels_with_a_bar_between(
    method: str, compared: tuple[Path, str], tmp_path: Path, trifold_command: Command
) -> None:
    source = tmp_path / "in.csv"
    source.write_text("text\nwonderful film cast awful number 7\nfilm number 7\n\n")
    done = trifold_command("predict", compared[0] / method, source)
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert all(0.0 < float(row["probability"]) < 1.0 for row in rows[:2])
    assert [row["error"] for row in rows[:2]] == ["" if row["prediction"] else NO_LABEL for row in rows[:2]]
    if method == "tfidf":
        # The tiny random backbone of the other knows too little for single texts.
        assert [row["prediction"] for row in rows[:2]] == ["blame|cast|praise", ""]
    text = ("--text", "wonderful film cast awful number 7")
    answer = json.loads(trifold_command("predict", compared[0] / method, *text, "--json").stdout)
    assert "|".join(answer["label"]) == rows[0]["prediction"]
    assert answer["probability"] == pytest.approx(float(rows[0]["probability"]), abs=1e-4)
    assert set(answer["probabilities"]) == {"blame", "cast", "praise"}
    shown = trifold_command("predict", compared[0] / method, *text).stdout.splitlines()
    assert shown[-1] == f"labels: {', '.join(answer['label']) or f'none, {NO_LABEL}'}"


def test_evaluating_gives_the_figures_of_several_labels(
    compared: tuple[Path, str], tmp_path: Path, trifold_command: Command
) -> None:
    fresh = write(tmp_path / "fresh.csv", several_labels(200, seed=1))
    done = trifold_command("evaluate", compared[0] / "features", fresh, "--reject-below", "0.5", "--json")
    figures = json.loads(done.stdout)
    assert figures["macro_f1"]["value"] > 0.85
    assert figures["accuracy"]["value"] <= figures["micro_f1"]
    assert 0 < figures["answered"]["share"] < 1
    shown = trifold_command("evaluate", compared[0] / "tfidf", fresh).stdout
    assert "\nexact match " in shown
    assert "\naccuracy " not in shown
    # All rows here happen to have one label; the model still knows several.
    single = write(tmp_path / "single.csv", [row for row in several_labels(200, seed=2) if len(row[1]) == 1])
    assert json.loads(trifold_command("evaluate", compared[0] / "tfidf", single, "--json").stdout)["rows"] > 20


def test_a_model_of_one_label_is_not_measured_on_rows_with_several(
    data: Path, tmp_path: Path, trifold_command: Command
) -> None:
    rows = [row for row in several_labels() if len(row[1]) == 1]
    folder = tmp_path / "run"
    made = trifold_command(
        "finetune", write(tmp_path / "single.csv", rows), "--method", "tfidf", "--output-dir", folder
    )
    assert made.returncode == 0, made.stderr
    done = trifold_command("evaluate", folder, data)
    assert done.returncode == 2
    assert "has rows with several labels, and the model gives one" in done.stderr


def test_a_test_file_of_single_labels_goes_with_a_file_of_several(
    data: Path, tmp_path: Path, trifold_command: Command
) -> None:
    single = write(tmp_path / "test.csv", [row for row in several_labels(90, seed=3) if len(row[1]) == 1])
    folder = tmp_path / "run"
    done = trifold_command(
        "finetune",
        data,
        "--method",
        "tfidf",
        "--test-file",
        single,
        "--output-dir",
        folder,
        "--class-weight",
        "balanced",
    )
    assert done.returncode == 0, done.stderr
    assert json.loads((folder / "metrics.json").read_text())["macro_f1"]["value"] > 0.8


@pytest.mark.parametrize(("given", "own"), [("0.3", [0.3]), ("common", None)])
def test_one_threshold_for_all_labels_may_be_asked_for(
    given: str, own: list[float] | None, data: Path, tmp_path: Path, trifold_command: Command
) -> None:
    config, folder = tmp_path / "flags.toml", tmp_path / "run"
    config.write_text(f"threshold = {given if own else repr(given)}\n")
    done = trifold_command("finetune", data, "--method", "tfidf", "--config", config, "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    record = json.loads((folder / "run.json").read_text())
    found = set(record["thresholds"])
    assert len(found) == 1
    assert own is None or found == set(own)
    assert f"--threshold {given}" in record["command"]
    assert "| exact match (all labels of a text right) |" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("0.3", "--threshold 0.3 is not allowed: it is for rows with several labels, and here each row has one"),
        ("30", "--threshold 30.0 is not allowed: give a probability such as 0.3, or per-label or common"),
        ("best", "--threshold best is not allowed: give a probability such as 0.3, or per-label or common"),
    ],
)
def test_a_threshold_that_cannot_be_is_refused(
    given: str, said: str, reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    done = trifold_command("finetune", reviews, "--method", "tfidf", "--threshold", given, "--output-dir", folder)
    assert done.returncode == 2
    assert said in done.stderr
    assert not folder.exists()


def test_check_counts_each_label(data: Path, trifold_command: Command) -> None:
    done = trifold_command("check", data)
    assert "Labels (a row may have several)" in done.stdout
    assert "'|' stands between some" in done.stdout
    facts = json.loads(trifold_command("check", data, "--json").stdout)
    assert facts["multi_label"] is True
    assert sum(facts["labels"].values()) > facts["rows_used"]
