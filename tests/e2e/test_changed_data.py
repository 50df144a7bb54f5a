"""What was made from other data, by another method or with other settings is neither taken for what is asked for nor erased."""

import json
import shutil
from pathlib import Path
from signal import SIGTERM

import pytest
from test_pretraining import CLM, SHORT
from test_resume import FLAGS, stop_in_training

from conftest import write_reviews
from warm_commands import Command


def texts_exchanged(reviews: Path) -> None:
    """Other texts of the same lengths, under the same labels: only the bytes tell."""
    reviews.write_text(reviews.read_text().replace("film", "flim").replace("plot", "tolp"))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    return write_reviews(tmp_path / "own.csv")


def test_a_comparison_does_not_report_figures_of_other_data(
    own: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    flags = ("compare", own, "--methods", "tfidf", "--output-dir", folder)
    assert trifold_command(*flags).returncode == 0
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    texts_exchanged(own)
    done = trifold_command(*flags, "--resume")
    assert done.returncode == 2
    assert "the data is not the same" in done.stderr
    assert "give the same settings, or another --output-dir" in done.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


def test_nor_of_other_test_rows(own: Path, tmp_path: Path, trifold_command: Command) -> None:
    folder, test = tmp_path / "run", write_reviews(tmp_path / "test.csv", rows=60, seed=5)
    flags = ("compare", own, "--methods", "tfidf", "--test-file", test, "--output-dir", folder)
    assert trifold_command(*flags).returncode == 0
    texts_exchanged(test)
    done = trifold_command(*flags, "--resume")
    assert done.returncode == 2
    assert "the test file is not the same" in done.stderr


def test_a_finished_run_is_only_resumed_as_what_it_is(own: Path, tmp_path: Path, trifold_command: Command) -> None:
    folder, moved, other = tmp_path / "run", tmp_path / "moved.csv", write_reviews(tmp_path / "other.csv", seed=7)
    shutil.copyfile(own, moved)
    flags = ("--method", "tfidf", "--output-dir", folder)
    assert trifold_command("finetune", own, *flags).returncode == 0
    again = trifold_command("finetune", moved, *flags, "--resume")
    assert again.returncode == 0, again.stderr
    for what, arguments in {
        "the data is not the same": (other, *flags),
        "seed was 42 and is 7": (own, *flags, "--seed", "7"),
        "method was tfidf and is zero-shot": (own, "--method", "zero-shot", "--output-dir", folder),
    }.items():
        done = trifold_command("finetune", *arguments, "--resume")
        assert done.returncode == 2
        assert what in done.stderr


def test_a_half_trained_model_is_not_erased(
    own: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    command = ["finetune", str(own), "--model", str(tiny_model), *FLAGS, "--output-dir", str(folder)]
    assert stop_in_training(command, folder, SIGTERM, 1)[0] == 143
    (state,) = (folder / "state").glob("step-*")
    for arguments, what in (
        (("finetune", own, "--method", "tfidf", "--output-dir", folder), "method was full and is tfidf"),
        (
            (
                "finetune",
                write_reviews(tmp_path / "b.csv", seed=3),
                "--model",
                tiny_model,
                *FLAGS,
                "--output-dir",
                folder,
            ),
            "the data is not the same",
        ),
    ):
        done = trifold_command(*arguments, "--resume")
        assert done.returncode == 2
        assert what in done.stderr
        assert state.is_dir()
    texts_exchanged(own)
    assert "the data is not the same" in trifold_command(*command, "--resume").stderr
    (state / "state.json").write_text("{}")
    done = trifold_command("finetune", own, "--method", "tfidf", "--output-dir", folder, "--resume")
    assert (done.returncode, "is damaged: remove it to start afresh" in done.stderr) == (2, True)


def test_a_child_refuses_data_that_its_comparison_did_not_read(
    own: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command(
        "finetune", own, "--method", "tfidf", "--output-dir", tmp_path / "run", "--expected-data", "0" * 64
    )
    assert done.returncode == 2
    assert "is not what the comparison read" in done.stderr
    assert not (tmp_path / "run").exists()


def test_a_pretraining_is_only_resumed_as_what_it_is(own: Path, tmp_path: Path, trifold_command: Command) -> None:
    folder, text = tmp_path / "run", tmp_path / "text.txt"
    text.write_text("\n\n".join(own.read_text().splitlines()) * 3)
    flags = (*("pretrain", text, *CLM, *SHORT, "--max-tokens", 2000, "--output-dir", folder),)
    done = trifold_command(*flags)
    assert done.returncode == 0, done.stderr
    assert "nothing to resume" in trifold_command(*flags, "--resume").stderr
    text.write_text(text.read_text().replace("film", "flim"))
    done = trifold_command(*flags, "--resume")
    assert done.returncode == 2
    assert "the text is not the same" in done.stderr


@pytest.mark.parametrize("harm", ["gone", "damaged"])
def test_a_comparison_without_its_best_names_another_run(
    harm: str, own: Path, tmp_path: Path, trifold_command: Command
) -> None:
    folder = tmp_path / "run"
    assert trifold_command("compare", own, "--methods", "tfidf", "--output-dir", folder).returncode == 0
    if harm == "gone":
        shutil.rmtree(folder / "best")
    else:
        (folder / "best" / "model" / "head.json").write_text("{}")
    for arguments in (
        ("predict", folder, "--text", "superb"),
        ("evaluate", folder, own),
        ("export", folder),
        ("bench", folder),
        ("embed", folder, own, "--output", tmp_path / "vectors.npy"),
    ):
        done = trifold_command(*arguments)
        assert done.returncode == 2, (arguments, done.stderr)
        assert harm == "damaged" or f"name {folder / 'tfidf'} instead" in done.stderr, (arguments, done.stderr)
        assert "Traceback" not in done.stderr
    shutil.rmtree(folder / "tfidf")
    assert "compare again" in trifold_command("predict", folder, "--text", "superb").stderr or harm == "damaged"


def test_labels_that_look_like_formulas_or_markup_lose_no_training(tmp_path: Path, trifold_command: Command) -> None:
    words = {
        "$": "cheap", "$$": "fair", "$$$": "dear", "中文": "chinese", "🙂": "smile", "`a`|b": "tick", "<script>x</script>": "tag",
        "{{ 7 * 7 }}": "brace", "a %s {0}": "format", "x" * 400: "long",
    }  # fmt: skip
    data, folder = tmp_path / "labels.jsonl", tmp_path / "run"
    rows = [{"text": f"a {word} thing number {n}", "label": label} for n in range(25) for label, word in words.items()]
    data.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    done = trifold_command("finetune", data, "--method", "tfidf", "--output-dir", folder, "--label-separator", "")
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    assert "cannot be made" not in done.stderr
    assert {"confusion.png", "report.html", "README.md"} <= {path.name for path in folder.iterdir()}
    report, card = (folder / "report.html").read_text(), (folder / "README.md").read_text()
    assert "<script>x" not in report
    assert "$$$" in report
    assert "`` `a`|b ``" in card
    assert "`<script>x</script>`" in card
    assert "`{{ 7 * 7 }}`" in card
    assert trifold_command("predict", folder, "--text", "a dear thing").stdout.startswith("$$$")


def test_a_folder_that_is_no_comparison_is_not_written_over(
    reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    (tmp_path / "mine" / "best").mkdir(parents=True)
    (tmp_path / "mine" / "best" / "thesis.txt").write_text("years of work")
    done = trifold_command("compare", reviews, "--methods", "tfidf", "--output-dir", tmp_path / "mine", "--resume")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "holds no comparison to go on with" in done.stderr
    assert [path.name for path in (tmp_path / "mine").rglob("*") if path.is_file()] == ["thesis.txt"]
