"""The commands as a user types them, from a CSV to predictions."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from trifold.methods import METHODS
from warm_commands import Command

# These data have too many labels for the method that is for few.
RUN = tuple(name for name in METHODS if name != "contrastive")


@pytest.fixture(scope="module")
def compared(
    reviews: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, trifold_command: Command
) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "compared"
    done = trifold_command(
        "compare", reviews, "--model", tiny_model, "--lr", "3e-3", "--epochs", "3", "--output-dir", folder
    )
    assert done.returncode == 0, done.stderr
    (folder.parent / "stdout.txt").write_text(done.stdout)
    (folder.parent / "stderr.txt").write_text(done.stderr)
    return folder


def test_compare_prints_leaderboard_verdict_and_the_folder_last(compared: Path) -> None:
    lines = (compared.parent / "stdout.txt").read_text().splitlines()
    assert lines[-1] == str(compared)
    assert any(line.startswith("Ship ") for line in lines)
    assert any(line.startswith("Report: ") for line in lines)
    assert "contrastive is missing: it is for up to 64 rows a class, and here are about 76." in lines
    assert (compared.parent / "stderr.txt").read_text().startswith("forecast: about")


def test_compare_leaves_what_scripts_rely_on(compared: Path) -> None:
    names = {path.name for path in compared.iterdir()}
    assert names == {*RUN, "best", "leaderboard.csv", "report.html", "run.json", "manifest.json"}
    with (compared / "leaderboard.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "method", "score_name", "score", "score_low", "score_high", "accuracy", "macro_f1", "train_seconds",
        "ms_per_text", "trainable_parameters", "size_bytes", "peak_memory_bytes",
        "rarest_label", "rarest_rows", "rarest_recall", "rarest_precision",
        "micro_f1", "samples_f1", "top5_accuracy",
    ]  # fmt: skip
    assert {row["method"] for row in rows} == {*RUN, "majority"}
    assert all(float(row["peak_memory_bytes"]) > 50e6 for row in rows if row["method"] != "majority")
    for name in RUN:
        files = {path.name for path in (compared / name).iterdir()}
        assert files >= {
            "model",
            "run.json",
            "metrics.json",
            "predictions.csv",
            "errors.csv",
            "confusion.png",
            "report.html",
            "README.md",
        }
    assert (compared / "full" / "history.csv").exists()
    assert (compared / "full" / "loss.png").exists()


def test_each_run_has_a_card_made_from_what_it_recorded(compared: Path) -> None:
    card = (compared / "full" / "README.md").read_text()
    metrics = json.loads((compared / "full" / "metrics.json").read_text())
    assert f"| accuracy | {100 * metrics['accuracy']['value']:.1f} % |" in card
    assert "On 48 test rows" in card
    assert "`bad`, `good`" in card
    assert "AutoModelForSequenceClassification" in card
    assert "base_model" not in (compared / "tfidf" / "README.md").read_text()
    assert "{" not in card.replace("{{", "")


def test_tfidf_is_charged_no_memory_of_its_caller(compared: Path) -> None:
    peaks = {
        name: json.loads((compared / name / "run.json").read_text())["peak_memory_bytes"] for name in ("tfidf", "full")
    }
    assert peaks["tfidf"] < 0.8 * peaks["full"]


def test_tfidf_is_trained_and_used_without_pytorch(reviews: Path, tmp_path: Path) -> None:
    code = f"""
import sys
from trifold.cli.main import run
run(["finetune", {str(reviews)!r}, "--method", "tfidf", "--output-dir", "run"])
run(["predict", "run", "--text", "superb"])
sys.exit("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_method_saw_the_same_test_rows(compared: Path) -> None:
    rows = [(compared / name / "predictions.csv").read_text().splitlines() for name in RUN]
    ids = [[line.split(",")[:2] for line in lines] for lines in rows]
    assert all(one == ids[0] for one in ids)
    assert len(ids[0]) == 49


def test_predict_a_text_with_a_comparison_or_a_run(compared: Path, trifold_command: Command) -> None:
    for folder in (compared, compared / "full"):
        done = trifold_command("predict", folder, "--text", "The film is superb, the cast wonderful", "--json")
        found = json.loads(done.stdout)
        assert found["label"] == "good"
        assert sum(found["probabilities"].values()) == pytest.approx(1)
        assert found["truncated"] is False


def test_predict_a_file_keeps_order_and_count_and_marks_bad_rows(
    compared: Path, tmp_path: Path, trifold_command: Command
) -> None:
    source = tmp_path / "new.csv"
    source.write_bytes(b'id,text\n1,"The plot is superb, moving"\n2,\n3,"never closed\n4,The plot is awful and dull\n')
    done = trifold_command("predict", compared / "tfidf", source, "--output", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    with (tmp_path / "out.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["prediction"] for row in rows] == ["good", "", "", "bad"]
    assert [row["error"] for row in rows] == [
        "", "line 3: the text is empty", "line 4: a quote is opened and never properly closed", "",
    ]  # fmt: skip
    assert list(rows[0]) == ["id", "text", "prediction", "probability", "truncated", "error"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "out.csv"]


def test_a_model_may_decline_what_it_is_not_sure_of(
    compared: Path, reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    source = tmp_path / "new.csv"
    source.write_text("text\nThe plot is superb and the cast wonderful\nunheard of words\n")
    done = trifold_command("predict", compared / "tfidf", source, "--reject-below", "0.7")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["prediction"] for row in rows] == ["good", ""]
    assert [row["error"] for row in rows] == ["", "declined: not as sure as 0.7"]
    done = trifold_command("evaluate", compared / "tfidf", reviews, "--reject-below", "0.7", "--json")
    assert 0.9 < json.loads(done.stdout)["answered"]["share"] <= 1.0
    done = trifold_command("predict", compared / "tfidf", source, "--reject-below", "70")
    assert done.returncode == 2
    assert "--reject-below 70" in done.stderr


def test_json_lines_and_joined_columns_go_through(compared: Path, tmp_path: Path, trifold_command: Command) -> None:
    source = tmp_path / "new.jsonl"
    source.write_text(
        '{"head": "The plot is superb", "body": "and the cast wonderful"}\n'
        '{"head": "The pace is dull", "body": null}\n'
        "broken\n"
    )
    done = trifold_command("predict", compared / "tfidf", source, "--text-column", "head,body")
    rows = list(csv.DictReader(done.stdout.splitlines()))
    assert [row["prediction"] for row in rows] == ["good", "bad", ""]
    assert rows[2]["error"].startswith("line 3: it is no JSON")


def test_predict_to_stdout_from_a_file_with_one_column(
    compared: Path, tmp_path: Path, trifold_command: Command
) -> None:
    source = tmp_path / "texts.csv"
    source.write_text('review\nThe cast is charming, the score superb\n"tedious, dull"\n')
    done = trifold_command("predict", compared / "tfidf", source)
    assert [row["prediction"] for row in csv.DictReader(done.stdout.splitlines())] == ["good", "bad"]


def test_predict_wants_a_file_or_a_text(compared: Path, trifold_command: Command) -> None:
    done = trifold_command("predict", compared)
    assert done.returncode == 2
    assert "predict needs a file or a text" in done.stderr


def test_evaluate_gives_the_contract_names(compared: Path, reviews: Path, trifold_command: Command) -> None:
    done = trifold_command("evaluate", compared / "full", reviews, "--json")
    found = json.loads(done.stdout)
    assert set(found["accuracy"]) == set(found["macro_f1"]) == {"value", "low", "high"}
    assert {"micro_f1", "log_loss", "roc_auc", "calibration_error"} <= set(found)
    assert found["accuracy"]["low"] <= found["accuracy"]["value"] <= found["accuracy"]["high"]


def test_a_damaged_model_file_is_refused_by_name(compared: Path, tmp_path: Path, trifold_command: Command) -> None:
    import shutil

    shutil.copytree(compared / "full", tmp_path / "run")
    weights = tmp_path / "run" / "model" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    done = trifold_command("predict", tmp_path / "run", "--text", "fine")
    assert done.returncode == 2
    assert f"{weights} is damaged" in done.stderr
    weights.unlink()
    assert "is missing" in trifold_command("predict", tmp_path / "run", "--text", "fine").stderr


def test_a_full_model_loads_in_plain_transformers(compared: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    model = AutoModelForSequenceClassification.from_pretrained(compared / "full" / "model")
    assert model.config.id2label == {0: "bad", 1: "good"}


def test_a_time_limit_skips_what_will_not_fit_and_says_so(
    reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    # The bundled model would take hours for so many epochs.
    flags = ("--methods", "tfidf,full", "--time-limit", "1", "--epochs", "2000")
    done = trifold_command("compare", reviews, *flags, "--output-dir", tmp_path / "c")
    assert done.returncode == 0, done.stderr
    assert "full is missing: it would take about" in done.stdout
    assert (tmp_path / "c" / "tfidf" / "metrics.json").exists()
    assert "full is missing" in (tmp_path / "c" / "report.html").read_text()


def test_ctrl_c_leaves_a_valid_verdict_from_what_is_done(reviews: Path, tmp_path: Path) -> None:
    folder = tmp_path / "c"
    command = [sys.executable, "-m", "trifold", "compare", str(reviews), "--methods", "tfidf,full", "--epochs", "500"]
    with subprocess.Popen(
        [*command, "--output-dir", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as process:
        deadline = time.monotonic() + 90
        while not (folder / "leaderboard.csv").exists():
            assert time.monotonic() < deadline, "the first method never ended"
            time.sleep(0.2)
        time.sleep(2)
        # As a terminal does: the whole group gets the signal.
        import os

        os.killpg(process.pid, signal.SIGINT)
        output, _ = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Ship" in output or "Only tfidf was run" in output
    assert output.splitlines()[-1] == str(folder)
    assert (folder / "best" / "model").is_dir()
    assert not list(folder.glob(".*"))
    assert not (folder / "full" / "run.json").exists()


def test_help_needs_no_pytorch_and_every_verb_shows_two_examples(trifold_command: Command) -> None:
    code = "import sys; import trifold.cli.main as m; m.app(['--help'], exit_on_error=False); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0
    for verb in ("check", "compare", "finetune", "evaluate", "predict", "cache", "demo"):
        text = trifold_command(verb, "--help").stdout
        assert text.count(f"trifold {verb}") >= 3, text


def test_a_toml_file_uses_the_names_of_the_flags(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    config = tmp_path / "settings.toml"
    config.write_text(f'model = "{tiny_model}"\nlearning_rate = 0.003\nepochs = 1\n')
    done = trifold_command(
        "finetune", reviews, "--config", config, "--epochs", "2", "--output-dir", tmp_path / "run", "--json"
    )
    assert done.returncode == 0, done.stderr
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["choices"]["learning_rate"] == 0.003
    assert facts["choices"]["epochs"] == 2, "the command line wins"


def test_a_test_file_is_used_as_it_is(reviews: Path, tmp_path: Path, trifold_command: Command) -> None:
    from conftest import write_reviews

    test = write_reviews(tmp_path / "test.csv", rows=50, seed=9)
    done = trifold_command(
        "finetune", reviews, "--method", "tfidf", "--test-file", test, "--output-dir", tmp_path / "run", "--json"
    )
    assert json.loads(done.stdout)["metrics"]["rows"] == 50
    parts = json.loads((tmp_path / "run" / "run.json").read_text())["data"]["parts"]
    assert parts == {"training": 192, "validation": 48, "test": 50}
