"""`embed` and `similar`, driven as a user drives them."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from warm_commands import Command


def numbered(path: Path, rows: int) -> Path:
    words = ["wonderful", "boring", "moving", "dull", "film", "plot", "cast", "score", "ending"]
    rng = random.Random(0)
    lines = [f"{n},the {' '.join(rng.choices(words, k=6))} is number {n}" for n in range(rows)]
    path.write_text("id,text\n" + "\n".join(lines) + "\n")
    return path


def test_killed_at_any_moment_it_goes_on_and_ends_in_the_same_bytes(tiny_model: Path, tmp_path: Path) -> None:
    source, rng = numbered(tmp_path / "new.csv", 16_000), random.Random(1)
    start = [sys.executable, "-m", "trifold", "embed", str(tiny_model), str(source), "--json", "--output"]
    whole = subprocess.run([*start, "whole.npy"], cwd=tmp_path, capture_output=True, check=True)
    assert json.loads(whole.stdout)["resumed"] == 0
    progress, kills = tmp_path / ".killed.npy.unfinished" / "progress.json", 0
    while kills < 2:
        before = progress.read_text() if progress.exists() else ""
        with subprocess.Popen(
            [*start, "killed.npy"], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and (not progress.exists() or progress.read_text() == before):
                time.sleep(0.01)
            time.sleep(0.2 * rng.random())
            process.send_signal(signal.SIGKILL)
        if (tmp_path / "killed.npy").exists():
            break
        kills += 1
    assert kills
    if not (tmp_path / "killed.npy").exists():
        kept = json.loads(progress.read_text())["rows"]
        done = subprocess.run([*start, "killed.npy"], cwd=tmp_path, capture_output=True, check=True, text=True)
        assert json.loads(done.stdout)["resumed"] == kept > 0
        assert "rows were embedded before this command was interrupted" in done.stderr
    assert (tmp_path / "killed.npy").read_bytes() == (tmp_path / "whole.npy").read_bytes()
    assert not [path.name for path in tmp_path.iterdir() if path.name.endswith((".unfinished", ".partial"))]


def test_standard_input_with_its_columns(tiny_model: Path, tmp_path: Path) -> None:
    source = numbered(tmp_path / "new.csv", 20)
    command = [
        sys.executable,
        "-m",
        "trifold",
        "embed",
        str(tiny_model),
        "-",
        "--output",
        "v.jsonl",
        "--dimensions",
        "4",
    ]
    done = subprocess.run(command, input=source.read_bytes(), cwd=tmp_path, capture_output=True, check=True)
    assert b"20 vectors of 4 numbers written to v.jsonl" in done.stderr
    rows = [json.loads(line) for line in (tmp_path / "v.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [str(n) for n in range(20)]
    np.testing.assert_allclose(np.linalg.norm([row["vector"] for row in rows], axis=1), 1, atol=1e-5)


def test_two_texts_print_their_cosine(trifold_command: Command, tiny_model: Path) -> None:
    model = ("--model", tiny_model)
    done = trifold_command("similar", "the film is dull", "the film is dull", *model)
    assert done.stdout == "1.0000\n"
    assert "next: trifold similar A.csv B.csv --pairs" in done.stderr
    found = trifold_command("similar", "- the film", "the dull plot", *model, "--pooling", "max", "--json")
    assert -1 < json.loads(found.stdout)["similarity"] < 1


def test_files_row_by_row_and_their_nearest(trifold_command: Command, tiny_model: Path, tmp_path: Path) -> None:
    first, second = numbered(tmp_path / "a.csv", 12), numbered(tmp_path / "b.csv", 12)
    model = ("--model", tiny_model)
    done = trifold_command("similar", first, second, "--pairs", *model)
    lines = done.stdout.splitlines()
    assert lines[0] == "id,text,other_text,similarity,error"
    assert all(line.endswith(",1.000000,") for line in lines[1:])
    done = trifold_command(
        "similar", first, second, "--top-k", 2, *model, "--output", tmp_path / "out.parquet", "--json"
    )
    told = json.loads(done.stdout)
    assert (told["compared"], told["told"], told["others"]) == (144, 24, 12)
    done = trifold_command("similar", "the film is number 3", first, *model, "--top-k", 3)
    assert done.stdout.splitlines()[0].split() == ["text", "row", "similarity"]
    assert len(done.stdout.splitlines()) == 4


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("a film",), "similar needs two texts, or a file: trifold similar TEXT TEXT"),
        (("a film", " "), "the text is empty: give a text with at least one word"),
        (("a film", "nowhere.csv"), "there is no file nowhere.csv"),
        (("./nowhere", "a film"), "there is no file nowhere"),
        (("A.csv", "B.csv"), "add --pairs, or --top-k 3"),
        (("A.csv", "B.csv", "--pairs"), "A.csv has 5 rows and B.csv 6"),
        (("A.csv", "B.csv", "--pairs", "--top-k", "2"), "--pairs with --top-k is not allowed"),
        (("A.csv", "a film", "--pairs"), "--pairs with a text is not allowed"),
        (("A.csv",), "of one file, two columns are compared row by row: name both"),
        (("A.csv", "--top-k", "0"), "--top-k 0 is not allowed: give 1 or more"),
        (("a film", "a plot", "--top-k", "2"), "a flag on files with two texts is not allowed"),
        (("A.csv", "--other-text-column", "text", "--top-k", "1"), "--other-text-column text is not allowed"),
        (("a film", "a plot", "--dimensions", "99"), "--dimensions 99 is not allowed"),
        (("a film", "a plot", "--prompt-name", "query"), "has no prompt 'query' (--prompt-name): it has none"),
        (("a film", "a plot", "--prompt", "a", "--prompt-name", "b"), "--prompt with --prompt-name is not allowed"),
        (("A.csv", "--top-k", "1", "--output", "A.csv", "--force"), "is the file that is read, and would be lost"),
        (("--film", "a plot"), "there is no flag --film"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(
    words: tuple[str, ...], sentence: str, trifold_command: Command, tiny_model: Path, tmp_path: Path
) -> None:
    for name, rows in (("A.csv", 5), ("B.csv", 6)):
        numbered(tmp_path / name, rows)
    done = trifold_command("similar", *words, "--model", tiny_model, cwd=tmp_path)
    assert done.returncode == 2, done.stdout
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout
    assert sorted(os.listdir(tmp_path)) == ["A.csv", "B.csv"]


def test_the_next_step_of_a_file_is_one_that_can_be_taken(
    trifold_command: Command, reviews: Path, tmp_path: Path
) -> None:
    assert trifold_command("finetune", reviews, "--method", "tfidf", "--output-dir", tmp_path / "run").returncode == 0
    done = trifold_command("predict", tmp_path / "run", reviews, "--output", tmp_path / "out.csv")
    following = done.stderr.splitlines()[-1].removeprefix("next: trifold ")
    assert "--reject-below 0.8" in following
    assert trifold_command(*following.split()).returncode == 0
