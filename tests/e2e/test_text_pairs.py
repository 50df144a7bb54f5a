"""Pairs of texts from a CSV to predictions: `--task pairs`, as a user types it."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from conftest import write_pairs
from trifold import TextClassifier
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.inference.run import load_run
from trifold.types import TextPair
from warm_commands import Command

ONE_TEXT = "it reads one text a row, and here each row is a pair of texts"


@pytest.fixture(scope="module")
def compared(
    pair_file: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, trifold_command: Command
) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "pairs"
    flags = (
        "--model",
        tiny_model,
        "--methods",
        "tfidf,features,full,contrastive",
        "--epochs",
        2,
        "--output-dir",
        folder,
    )
    done = trifold_command("compare", pair_file, "--task", "pairs", *flags)
    assert done.returncode == 0, done.stderr
    assert f"contrastive is missing: {ONE_TEXT}." in done.stdout
    assert done.stderr.rstrip().endswith("--text '…' --text-pair '…'")
    return folder


def test_a_comparison_has_its_whole_report(compared: Path) -> None:
    assert {path.name for path in compared.iterdir()} >= {
        "tfidf",
        "features",
        "full",
        "best",
        "report.html",
        "run.json",
    }
    record = json.loads((compared / "full" / "run.json").read_text())
    assert (record["pairs"], record["data"]["reading"]["task"]) == (True, "pairs")
    assert record["data"]["text_column"] == "sentence1,sentence2"
    assert "--task pairs" in record["command"]
    with (compared / "features" / "errors.csv").open() as file:
        assert next(csv.reader(file))[-2:] == ["text", "text_pair"]
    assert "tokenizer(first, second" in (compared / "full" / "README.md").read_text()


def test_check_shows_both_texts(pair_file: Path, trifold_command: Command) -> None:
    done = trifold_command("check", pair_file, "--task", "pairs")
    lines = done.stdout.splitlines()
    first = next(number for number, line in enumerate(lines) if line.startswith("  other"))
    assert lines[first + 1].startswith(" " * 16 + "The ")
    assert "--task pairs" in done.stderr
    alone = trifold_command("check", pair_file)
    assert "'sentence1' and 'sentence2' look like a pair of texts: --task pairs reads both" in alone.stdout


@pytest.mark.parametrize("method", ["tfidf", "features", "full"])
def test_a_file_and_a_pair_get_the_same_answer(
    method: str, compared: Path, pair_file: Path, tmp_path: Path, trifold_command: Command
) -> None:
    run, out = compared / method, tmp_path / "out.csv"
    done = trifold_command("predict", run, pair_file, "--output", out)
    assert done.returncode == 0, done.stderr
    with out.open() as file:
        rows = list(csv.DictReader(file))
    row = rows[7]
    one = trifold_command("predict", run, "--text", row["sentence1"], "--text-pair", row["sentence2"], "--json")
    found = json.loads(one.stdout)
    assert found["label"] == row["prediction"]
    assert found["probability"] == pytest.approx(float(row["probability"]), abs=1e-3)
    measured = trifold_command("evaluate", run, pair_file)
    assert measured.returncode == 0, measured.stderr
    assert "has learned from" in measured.stderr


def test_what_does_not_fit_is_refused_in_one_sentence(
    compared: Path, reviews: Path, pair_file: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    alone = tmp_path / "alone.csv"
    alone.write_text("sentence1\nThe film is superb\n")
    for command, message in (
        (
            ("predict", compared / "full", "--text", "The film"),
            "reads pairs of texts, and a single text was given: give the second",
        ),
        (("predict", compared / "full", pair_file, "--text-pair", "x"), "--text-pair without --text is not allowed"),
        (
            ("predict", compared / "full", alone),
            "has its texts in the column 'sentence2', and this file has 'sentence1'",
        ),
        (("finetune", pair_file, "--task", "pairs", "--method", "zero-shot"), ONE_TEXT),
        (
            ("finetune", reviews, "--task", "pairs"),
            "no two columns of a pair of texts can be guessed among 'text', 'label'",
        ),
        (
            ("finetune", pair_file, "--task", "pairs", "--model", tiny_model, "--long-text", "head+tail"),
            "with pairs of texts",
        ),
        (("compare", pair_file, "--task", "generate"), "--task generate is not allowed: it is for finetune alone"),
    ):
        done = trifold_command(*command, cwd=tmp_path)
        assert (done.returncode, message in done.stderr) == (2, True), done.stderr
        assert "Traceback" not in done.stderr
    single = tmp_path / "single"
    assert trifold_command("finetune", reviews, "--method", "tfidf", "--output-dir", single).returncode == 0
    done = trifold_command("predict", single, "--text", "a film", "--text-pair", "a plot")
    assert "reads single texts, and a pair was given: leave out --text-pair" in done.stderr


def test_an_export_answers_pairs_without_trifold(compared: Path, tmp_path: Path, trifold_command: Command) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    data, made = write_pairs(tmp_path / "new.csv", 40, seed=3), tmp_path / "onnx"
    done = trifold_command("export", compared / "full", "--output-dir", made, "--max-drop", 100)
    assert done.returncode == 0, done.stderr
    outputs = []
    for command in (
        [sys.executable, "-m", "trifold", "predict", made, data],
        [sys.executable, "-m", "trifold", "predict", compared / "full", data],
        [sys.executable, made / "predict.py", data],
    ):
        told = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True)
        outputs.append(list(csv.DictReader(told.stdout.splitlines())))
    for rows in zip(*outputs, strict=True):
        assert len({row["prediction"] for row in rows}) == 1
        np.testing.assert_allclose(
            [float(row["probability"]) for row in rows], float(rows[0]["probability"]), atol=2e-3
        )
    program = [sys.executable, str(made / "predict.py"), "--text", outputs[0][0]["sentence1"]]
    pair = subprocess.run([*program, "--text-pair", outputs[0][0]["sentence2"]], capture_output=True, text=True)
    assert json.loads(pair.stdout)["label"] == outputs[0][0]["prediction"]
    alone = subprocess.run(program, capture_output=True, text=True)
    assert (alone.returncode, "the model reads pairs: give --text-pair" in alone.stderr) == (2, True)
    refused = trifold_command("export", compared / "features", "--output-dir", tmp_path / "no")
    assert "no neural network to export as one graph" in refused.stderr


def test_a_run_is_a_cross_encoder_in_python(compared: Path) -> None:
    run = load_run(compared / "full")
    scores = run.predictor.score([TextPair("The film is superb", "The film is dull"), TextPair("The plot", "The cast")])
    assert (run.reads_pairs, scores.logits.shape) == (True, (2, 2))


def test_the_classifier_takes_tuples_and_tables_of_two_columns(pair_file: Path, tmp_path: Path) -> None:
    rows = load_examples(pair_file, DataSettings(task="pairs")).examples
    texts, labels = [(pair.first, pair.second) for pair in rows.texts if isinstance(pair, TextPair)], list(rows.labels)
    made = TextClassifier("tfidf").fit(texts[:200], labels[:200])
    assert (made.n_features_in_, made.score(texts[200:], labels[200:]) > 0.9) == (2, True)
    by_array = made.predict_proba(np.array(texts[200:], dtype=object))
    np.testing.assert_array_equal(made.predict_proba([TextPair(*pair) for pair in texts[200:]]), by_array)
    with pytest.raises(DataError, match="fit was given pairs of texts, and these are single texts"):
        made.predict(["a film"])
    with pytest.raises(DataError, match="some of the texts are pairs and some are not"):
        made.predict([texts[0], "a film"])
    with pytest.raises(DataError, match="the second part of text number 1 is None"):
        made.predict([texts[0], ("a film", None)])
    made.save(tmp_path / "run")
    back = TextClassifier.load(tmp_path / "run")
    np.testing.assert_allclose(back.predict_proba(texts[200:]), by_array, atol=1e-6)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(texts, columns=["one", "other"])
    fitted = TextClassifier("tfidf").fit(frame[:200], labels[:200])
    assert list(fitted.feature_names_in_) == ["one", "other"]
    with pytest.raises(
        DataError, match="the texts come in the column 'other' and 'one', and fit had 'one' and 'other'"
    ):
        fitted.predict(frame[["other", "one"]])
