"""`trifold explain` as a user types it, over a run of the reviews that every test has."""

import csv
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import BAD, GOOD
from warm_commands import Command

PRAISE = "The film is wonderful, the plot brilliant"


@pytest.fixture(scope="module")
def run(reviews: Path, tmp_path_factory: pytest.TempPathFactory, trifold_command: Command) -> Path:
    folder = tmp_path_factory.mktemp("explained") / "run"
    done = trifold_command("finetune", reviews, "--method", "tfidf", "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def features(
    reviews: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory, trifold_command: Command
) -> Path:
    folder = tmp_path_factory.mktemp("explained") / "features"
    done = trifold_command("finetune", reviews, "--method", "features", "--model", tiny_model, "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder


def test_a_text_is_shown_with_its_words_marked_and_the_nearest_training_rows(
    run: Path, trifold_command: Command
) -> None:
    done = trifold_command("explain", run, "--text", PRAISE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("The model says good (100.0 %)")
    assert " is [wonderful], the plot [brilliant]" in done.stdout
    assert "decided by     " in done.stdout
    assert "drawn by chance" in done.stdout
    assert done.stdout.count(" of the training file, good: ") == 3
    assert done.stderr.splitlines()[-1].startswith("next: trifold explain")


@pytest.mark.parametrize("kind", ["run", "features"])
def test_json_holds_every_word_and_how_far_it_can_be_believed(
    kind: str, request: pytest.FixtureRequest, trifold_command: Command
) -> None:
    folder = request.getfixturevalue(kind)
    done = trifold_command("explain", folder, "--text", PRAISE, "--json")
    found = json.loads(done.stdout)
    if kind == "run":
        assert {word["text"] for word in found["deciding"][:2]} == {"wonderful", "brilliant"}
    assert all(PRAISE[word["start"] : word["end"]] == word["text"] for word in found["words"])
    assert found["drop"] == pytest.approx(found["probability"] - found["probability_without"])
    assert len(found["nearest"]) == 3
    assert found["method"] == ("weights" if kind == "run" else "occlusion")
    assert trifold_command("explain", folder, "--text", PRAISE, "--json").stdout == done.stdout


def test_rows_of_a_file_are_those_with_these_numbers(run: Path, reviews: Path, trifold_command: Command) -> None:
    with reviews.open(newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)]
    done = trifold_command("explain", run, reviews, "--rows", "5,2", "--nearest", 0, "--json")
    assert [(one["row"], one["text"]) for one in json.loads(done.stdout)] == [(5, texts[4]), (2, texts[1])]
    sample = ("explain", run, reviews, "--sample", 3, "--json")
    first = trifold_command(*sample)
    assert len(json.loads(first.stdout)) == 3
    assert trifold_command(*sample).stdout == first.stdout


def test_mistakes_are_explained_the_surest_first(run: Path, tmp_path: Path, trifold_command: Command) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("text,label\nA wonderful film,bad\nA wonderful brilliant plot,bad\nAn awful cast,bad\n")
    done = trifold_command("explain", run, wrong, "--mistakes")
    second, first = (done.stdout.index(f"Row {row} (line {row + 1}): the model says good") for row in (2, 1))
    assert second < first
    assert "the file says bad" in done.stdout
    assert "Row 3" not in done.stdout
    assert "2 mistakes in 3 rows" in done.stderr
    assert "was trained on" not in done.stderr


def test_of_mistakes_it_is_told_which_were_trained_on(
    run: Path, reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    flipped = tmp_path / "flipped.csv"
    with reviews.open(newline="") as source, flipped.open("w", newline="") as target:
        rows = list(csv.DictReader(source))
        writer = csv.DictWriter(target, rows[0])
        writer.writeheader()
        writer.writerows({**row, "label": "bad" if row["label"] == "good" else "good"} for row in rows)
    done = trifold_command("explain", run, flipped, "--mistakes", "--most", 240, "--json", "--nearest", 0)
    found = json.loads(done.stdout)
    trained = sum(one["learned_from"] for one in found)
    assert 100 < trained < len(found)
    assert f"{run} was trained on {trained} of these 240 rows" in done.stderr


def test_a_file_as_a_whole_gives_the_words_of_each_label(run: Path, reviews: Path, trifold_command: Command) -> None:
    done = trifold_command("explain", run, reviews, "--json")
    labels = {label["label"]: [word["text"] for word in label["words"]] for label in json.loads(done.stdout)["labels"]}
    assert set(labels["good"][:5]) <= set(GOOD)
    assert set(labels["bad"][:5]) <= set(BAD)
    shown = trifold_command("explain", run, reviews)
    assert "240 texts of 240 (all)" in shown.stdout


def test_a_page_appears_whole_and_nothing_is_overwritten(run: Path, tmp_path: Path, trifold_command: Command) -> None:
    page = tmp_path / "page.html"
    text = "<script>alert(1)</script> wonderful"
    done = trifold_command("explain", run, "--text", text, "--output", page)
    assert done.stdout == f"{page}\n"
    assert "<script>alert" not in page.read_text()
    assert '<mark class="decides"' in page.read_text()
    again = trifold_command("explain", run, "--text", text, "--output", page)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert trifold_command("explain", run, "--text", text, "--output", page, "--force").returncode == 0


def test_a_data_file_that_is_gone_costs_the_nearest_rows_alone(
    reviews: Path, tmp_path: Path, trifold_command: Command
) -> None:
    data = tmp_path / "data.csv"
    data.write_bytes(reviews.read_bytes())
    folder = tmp_path / "run"
    assert trifold_command("finetune", data, "--method", "tfidf", "--output-dir", folder).returncode == 0
    data.write_text(data.read_text() + "More words,good\n")
    done = trifold_command("explain", folder, "--text", PRAISE)
    assert done.returncode == 0, done.stderr
    assert "is not the file any more" in done.stderr
    assert "the nearest training rows are not shown" in done.stderr
    assert "decided by" in done.stdout


WRONG = [
    ((), "explain needs a file or a text"),
    (("--text", " "), "the text is empty"),
    (("--text", "x", "--label", "goood"), "there is no label 'goood' (did you mean 'good'?)"),
    (("--text", "x", "--rows", "1"), "a flag on files with --text is not allowed"),
    (("FILE", "--rows", "1", "--mistakes"), "--rows with --mistakes is not allowed"),
    (("FILE", "--rows", "999"), "has no row 999 with a text"),
    (("FILE", "--rows", "x"), "--rows x is not allowed"),
    (("FILE", "--nearest", "2"), "--nearest for a whole file is not allowed"),
    (("FILE", "--label", "good"), "--label for a whole file is not allowed"),
    (("FILE", "--sample", "2", "--label-column", "label"), "--label-column is for --mistakes"),
    (("--text", "x", "--force"), "--force without --output is not allowed"),
    (("--text", "x", "--words", "0"), "--words 0 is not allowed"),
    (("--text", "x", "--evaluations", "3"), "--evaluations 3 is not allowed"),
    (("--text", "x", "--llm", "hf:x"), "which asks no language model"),
]


@pytest.mark.parametrize(("words", "sentence"), WRONG, ids=[sentence for _, sentence in WRONG])
def test_what_cannot_be_is_told_in_one_sentence(
    words: tuple[str, ...], sentence: str, run: Path, reviews: Path, trifold_command: Command
) -> None:
    done = trifold_command("explain", run, *(reviews if word == "FILE" else word for word in words))
    assert done.returncode == 2
    assert done.stdout == ""
    assert sentence in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_tfidf_is_explained_without_pytorch(run: Path) -> None:
    code = (
        "import sys\nfrom trifold.cli.main import run\nrun(sys.argv[1:])\nsys.exit(3 if 'torch' in sys.modules else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "explain", run, "--text", PRAISE], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_colours_are_used_in_a_terminal_alone(run: Path) -> None:
    def shown(**environment: str) -> str:
        terminal, other = pty.openpty()
        command = [sys.executable, "-m", "trifold", "explain", str(run), "--text", PRAISE, "--nearest", "0"]
        asked = {"TERM": "xterm-256color", **os.environ, **environment}
        subprocess.run(command, stdout=other, stderr=subprocess.DEVNULL, check=True, env=asked)
        os.close(other)
        found = os.read(terminal, 65_536).decode()
        os.close(terminal)
        return found

    assert "\x1b[1;4;32mwonderful" in shown(TERM="xterm-256color")
    assert "[wonderful]" in shown(NO_COLOR="1")
