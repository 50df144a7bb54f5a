"""The metric that decides: chosen or the task's own, and what a run keeps of it."""

import csv
import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from conftest import several_labels, write_reviews
from trifold.artifact.learned_texts import LEARNED_TEXTS
from trifold.artifact.manifest import write_manifest
from trifold.data.settings import DataSettings, LabelledSettings
from trifold.errors import ArtifactError, SettingsError
from trifold.evaluate.leaderboard import build_leaderboard, in_words
from trifold.evaluate.results import PROBABILITIES, RunResult, read_result
from trifold.methods.settings import RankingSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline import export
from trifold.pipeline.evaluate import evaluate
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.types import Examples


@pytest.fixture(scope="module")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_reviews(tmp_path_factory.mktemp("data") / "some.csv")


@pytest.fixture(scope="module")
def plain(reviews: Path) -> RunResult:
    return finetune(Request(reviews), "tfidf", reviews.parent / "plain", announce=False)


def learn(data: Path, metric: str, folder: Path) -> RunResult:
    return finetune(Request(data, ranking=RankingSettings(metric=metric)), "tfidf", folder, announce=False)


@pytest.mark.parametrize("metric", ["f1:good", "recall:bad", "mcc", "log_loss", "roc_auc", "micro_f1"])
def test_the_metric_that_is_asked_for_decides(metric: str, reviews: Path, tmp_path: Path) -> None:
    result = learn(reviews, metric, tmp_path / "run")
    assert result.record.score_name == metric
    row = build_leaderboard([result], metric)[0]
    assert row.score_name == metric
    assert row.score_low <= row.score <= row.score_high
    assert row.score_low < row.score_high
    assert (tmp_path / "run" / PROBABILITIES).exists() == (metric in ("log_loss", "roc_auc"))
    if metric in result.metrics:
        assert row.score == pytest.approx(result.metrics[metric], abs=1e-6)


def test_a_lower_log_loss_is_said_to_be_better_and_stands_first(
    reviews: Path, plain: RunResult, tmp_path: Path
) -> None:
    result = learn(reviews, "log_loss", tmp_path / "run")
    assert "log loss (lower is better)" in in_words(build_leaderboard([result], "log_loss")[0])
    with pytest.raises(ArtifactError, match=rf"{PROBABILITIES} is missing or damaged: run the method again"):
        build_leaderboard([plain], "log_loss")


def test_a_metric_of_no_label_of_the_data_is_refused_before_training(reviews: Path, tmp_path: Path) -> None:
    with pytest.raises(
        SettingsError, match=r"is of a label that there is not: did you mean good\? the labels are bad, good"
    ):
        learn(reviews, "f1:goood", tmp_path / "run")
    with pytest.raises(SettingsError, match="samples_f1 is for rows that may have several labels"):
        learn(reviews, "samples_f1", tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision", "mcc", "f1:good", "recall:good", "precision:good"])
def test_a_metric_without_a_value_on_the_test_rows_is_refused_before_training(
    metric: str, reviews: Path, tmp_path: Path
) -> None:
    header, *rows = reviews.read_text().splitlines()
    only = tmp_path / "only_bad.csv"
    only.write_text(
        "\n".join([header, *[row.replace("The ", "Indeed the ", 1) for row in rows if row.endswith("bad")]])
    )
    request = Request(reviews, reading=DataSettings(test_file=only), ranking=RankingSettings(metric=metric))
    with pytest.raises(SettingsError, match=rf"^--metric {metric} has no value on the \d+ test rows: no.* --test-file"):
        finetune(request, "tfidf", tmp_path / "run", announce=False)
    assert not (tmp_path / "run").exists()
    own = finetune(Request(reviews, reading=DataSettings(test_file=only)), "tfidf", tmp_path / "own", announce=False)
    assert own.figure("accuracy").value > 0


@pytest.mark.parametrize("given", ["f2", "f1", "f1:", "accuracy:good", "macro-f1", ""])
def test_a_metric_that_there_is_not_is_refused_with_those_that_there_are(given: str) -> None:
    with pytest.raises(SettingsError, match=r"is not allowed: .*give accuracy, macro_f1, .* or precision:LABEL$"):
        RankingSettings(metric=given)
    if given == "macro-f1":
        with pytest.raises(SettingsError, match="did you mean macro_f1"):
            RankingSettings(metric=given)


def test_why_the_tasks_own_metric_decides_is_said(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(Request(reviews), "tfidf", tmp_path / "even")
    assert "accuracy decides: the classes are even\n" in capsys.readouterr().err
    skewed, lines = tmp_path / "skewed.csv", reviews.read_text().splitlines()
    rows = [line for line in lines[1:] if line.endswith("bad")] + [line for line in lines if line.endswith("good")][:24]
    skewed.write_text("\n".join([lines[0], *rows]) + "\n")
    finetune(Request(skewed), "tfidf", tmp_path / "uneven")
    assert (
        "macro-F1 decides: the commonest class has 5.0 times the rows of the rarest; --metric accuracy changes that\n"
        in capsys.readouterr().err
    )


def test_each_class_has_its_figures_in_the_file_and_old_runs_lack_them_without_harm(plain: RunResult) -> None:
    file = plain.folder / "metrics.json"
    known = json.loads(file.read_text())
    assert [one["label"] for one in known["classes"]] == ["bad", "good"]
    assert set(known["classes"][0]) == {"label", "precision", "recall", "f1", "support"}
    assert sum(one["support"] for one in known["classes"]) == known["rows"]
    assert {"mcc", "average_precision"} <= known.keys()
    new = file.read_text()
    try:
        old = {name: value for name, value in known.items() if name not in ("classes", "mcc", "average_precision")}
        file.write_text(json.dumps(old))
        assert build_leaderboard([read_result(plain.folder)], "accuracy")[0].accuracy == known["accuracy"]["value"]
    finally:
        file.write_text(new)


def test_rows_that_the_run_learned_from_are_counted_by_their_text(
    plain: RunResult, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with reviews.open(newline="") as file:
        rows = list(csv.DictReader(file))
    fresh = [{"text": f"a superb film of {number}", "label": "good"} for number in range(10)]
    data = tmp_path / "half.csv"
    with data.open("w", newline="") as file:
        writer = csv.DictWriter(file, ["text", "label"])
        writer.writeheader()
        # Spaces around a text do not make it another one.
        writer.writerows([{**row, "text": f" {row['text']} "} for row in rows] + fresh)
    found = evaluate(plain.folder, data, LabelledSettings(), ComputeSettings())
    tested = len(plain.rows)
    assert found.learned_from == len(rows) - tested
    assert found.others is not None
    assert found.others.rows == tested + len(fresh)
    said = capsys.readouterr().err
    assert f"has learned from {len(rows) - tested} of these {len(rows) + 10} rows" in said
    assert f"those on the other {tested + 10} stand beside them" in said


def test_hashes_are_all_that_a_run_keeps_of_its_texts(plain: RunResult, reviews: Path) -> None:
    hashes = np.load(plain.folder / LEARNED_TEXTS, allow_pickle=False)
    assert hashes.dtype == np.dtype("<u8")
    assert len(hashes) == 240 - len(plain.rows)
    assert (np.diff(hashes.astype(object)) > 0).all()
    assert LEARNED_TEXTS in json.loads((plain.folder / "manifest.json").read_text())


def test_without_hashes_the_whole_file_is_told_as_before(
    plain: RunResult, reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shutil.copytree(plain.folder, tmp_path / "earlier")
    (folder / LEARNED_TEXTS).unlink()
    write_manifest(folder)
    assert evaluate(folder, reviews, LabelledSettings(), ComputeSettings()).learned_from is None
    assert f"{reviews} is the file that {folder} learned from" in capsys.readouterr().err


def test_hashes_that_are_not_those_of_the_run_are_refused(plain: RunResult, reviews: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(plain.folder, tmp_path / "changed")
    path = folder / LEARNED_TEXTS
    np.save(path, np.empty(0, dtype="<u8"))
    with pytest.raises(ArtifactError, match=f"{LEARNED_TEXTS} is damaged, its SHA-256 is not the manifest's: restore"):
        evaluate(folder, reviews, LabelledSettings(), ComputeSettings())
    with path.open("wb") as file:
        np.savez(file, one=np.arange(3))
    write_manifest(folder)
    with pytest.raises(ArtifactError, match=f"{LEARNED_TEXTS} is damaged: restore it, or train again"):
        evaluate(folder, reviews, LabelledSettings(), ComputeSettings())
    path.unlink()
    with pytest.raises(ArtifactError, match=f"{LEARNED_TEXTS} is missing: restore it"):
        evaluate(folder, reviews, LabelledSettings(), ComputeSettings())


def test_probabilities_in_a_zip_are_damaged(reviews: Path, tmp_path: Path) -> None:
    result = learn(reviews, "roc_auc", tmp_path / "run")
    with (result.folder / PROBABILITIES).open("wb") as file:
        np.savez(file, one=np.arange(3))
    with pytest.raises(ArtifactError, match=f"{PROBABILITIES} is missing or damaged: run the method again"):
        build_leaderboard([read_result(result.folder)], "roc_auc")


def test_balancing_even_classes_is_said_to_change_nothing(
    reviews: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    finetune(Request(reviews, train=TrainSettings(class_weight="balanced")), "tfidf", tmp_path / "run")
    assert "note: --class-weight balanced changes nothing: the classes are even" in capsys.readouterr().err


def test_several_labels_a_row_have_figures_of_rows_and_of_labels(tmp_path: Path) -> None:
    data = tmp_path / "moods.csv"
    data.write_text("text,labels\n" + "".join(f'"{text}",{"|".join(labels)}\n' for text, labels in several_labels()))
    result = learn(data, "samples_f1", tmp_path / "run")
    row = build_leaderboard([result], "samples_f1")[0]
    assert row.score == row.samples_f1 == pytest.approx(result.metrics["samples_f1"])
    assert "micro-F1" in in_words(row)
    with pytest.raises(SettingsError, match="mcc is for rows with one label each"):
        learn(data, "mcc", tmp_path / "other")


def test_an_export_is_compared_by_the_tasks_own_metric_where_the_runs_has_no_value_on_the_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = LabelMap.of(["bad", "good"])
    monkeypatch.setattr(export, "_probabilities", lambda _, rows: np.tile([0.8, 0.2], (len(rows), 1)))
    run = SimpleNamespace(predictor=SimpleNamespace(labels=labels), record={"score_name": "roc_auc"})
    rows = Examples(texts=("a",) * 20, labels=("bad",) * 20, rows=tuple(range(20)))
    compared = export._compare(run, None, rows)
    assert (compared.score_name, compared.drop.value) == ("accuracy", 0.0)
    assert "note: roc_auc has no value on the 20 held-out rows" in capsys.readouterr().err
