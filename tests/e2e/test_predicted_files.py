"""`predict` on files: what can be asked for, where it goes, and what the last line says."""

import csv
import gzip
import json
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from trifold import TextClassifier
from warm_commands import Command

TEXTS = ["a superb film", "a dull film", "", "a plain evening, neither here nor there"]
MOODS = ("superb", "dull", "plain")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of three labels, all of them integers."""
    texts = [f"the {MOODS[n % 3]} film number {n}" for n in range(60)]
    folder: Path = tmp_path_factory.mktemp("runs") / "run"
    TextClassifier("tfidf").fit(texts, [(5, 1, 3)[n % 3] for n in range(60)]).save(folder)
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "new.csv"
    path.write_text("id,text\n" + "".join(f'{n},"{text}"\n' for n, text in enumerate(TEXTS)))
    return path


def test_every_probability_and_the_likeliest_labels_have_columns(
    run: Path, source: Path, tmp_path: Path, trifold_command: Command
) -> None:
    flags = ("--probabilities", "--top-k", "2", "--output", tmp_path / "out.csv")
    done = trifold_command("predict", run, source, *flags)
    assert done.returncode == 0, done.stderr
    assert f"3 rows labelled, 1 unreadable, written to {tmp_path / 'out.csv'}" in done.stderr.splitlines()
    with (tmp_path / "out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("id", "text", "prediction", "probability", "truncated"),
        *("probability_1", "probability_3", "probability_5"),
        *("top_1", "top_1_probability", "top_2", "top_2_probability", "error"),
    ]
    assert [row["prediction"] for row in rows] == ["5", "1", "", "3"]
    for row in (rows[0], rows[1], rows[3]):
        every = sorted((float(row[f"probability_{label}"]) for label in (1, 3, 5)), reverse=True)
        assert sum(every) == pytest.approx(1, abs=1e-5)
        assert [float(row["top_1_probability"]), float(row["top_2_probability"])] == every[:2]
        assert row["top_1"] == row["prediction"]
    assert {rows[2][name] for name in ("probability", "probability_1", "top_1", "truncated")} == {""}


def test_json_lines_come_out_with_their_types(run: Path, source: Path, trifold_command: Command) -> None:
    source.write_text(source.read_text().replace(TEXTS[3], "unheard of"))
    done = trifold_command("predict", run, source, "--json", "--top-k", "1", "--reject-below", "0.6")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["prediction"] for row in rows] == [5, 1, None, None]
    assert [row["id"] for row in rows] == ["0", "1", "2", "3"]
    assert rows[0]["truncated"] is False
    assert 0.6 < rows[0]["probability"] == rows[0]["top_1_probability"]
    assert rows[2]["error"] == "line 4: the text is empty"
    assert rows[3]["error"] == "declined: not as sure as 0.6"
    assert "2 rows labelled, 1 declined, 1 unreadable" in done.stderr.splitlines()


def test_json_beside_an_output_prints_the_counts(
    run: Path, source: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command("predict", run, source, "--output", tmp_path / "out.parquet", "--json")
    counts = {"output": str(tmp_path / "out.parquet"), "labelled": 3, "declined": 0, "unreadable": 1}
    assert json.loads(done.stdout) == counts
    table = pq.read_table(tmp_path / "out.parquet")
    assert {name: str(table.schema.field(name).type) for name in table.column_names} == {
        "id": "string",
        "text": "string",
        "prediction": "int64",
        "probability": "double",
        "truncated": "bool",
        "error": "string",
    }
    assert table["prediction"].to_pylist() == [5, 1, None, 3]


@pytest.mark.parametrize("packed", [False, True])
def test_standard_input_is_read_packed_or_not(run: Path, source: Path, packed: bool) -> None:
    given = gzip.compress(source.read_bytes()) if packed else source.read_bytes()
    command = [sys.executable, "-m", "trifold", "predict", str(run), "-", "--json"]
    done = subprocess.run(command, input=given, capture_output=True, check=True)
    assert [json.loads(line)["prediction"] for line in done.stdout.splitlines()] == [5, 1, None, 3]


def test_one_text_has_as_many_labels_as_asked_for(run: Path, trifold_command: Command) -> None:
    text = ("predict", run, "--text", "a superb film")
    assert trifold_command(*text).stdout.count("\n") == 3
    assert trifold_command(*text, "--top-k", "1").stdout.startswith("5  ")
    assert next(iter(json.loads(trifold_command(*text, "--top-k", "2", "--json").stdout)["probabilities"])) == "5"
    refused = trifold_command(*text, "--top-k", "4")
    assert refused.returncode == 2
    assert "--top-k 4 is not allowed: the model has 3 labels, give 1 to 3" in refused.stderr


def test_a_file_that_is_there_is_overwritten_only_when_asked(
    run: Path, source: Path, tmp_path: Path, trifold_command: Command
) -> None:
    output = tmp_path / "out.csv"
    output.write_text("precious")
    done = trifold_command("predict", run, source, "--output", output)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{output} is there already: add --force to overwrite it, or name another --output" in done.stderr
    assert output.read_text() == "precious"
    assert trifold_command("predict", run, source, "--output", output, "--force").returncode == 0
    assert output.read_text().startswith("id,text,prediction")


def test_an_output_in_no_format_that_is_written_is_refused(
    run: Path, source: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command("predict", run, source, "--output", tmp_path / "out.doc")
    assert done.returncode == 2
    assert "name a file that ends in .csv, .tsv, .jsonl, .ndjson, .parquet, .xlsx" in done.stderr
    assert list(tmp_path.iterdir()) == [source]


def test_vectors_and_prompts_are_overwritten_only_when_asked(
    tiny_model: Path, source: Path, tmp_path: Path, trifold_command: Command
) -> None:
    (tmp_path / "v.npy").write_text("precious")
    (tmp_path / "p.toml").write_text("precious")
    embed = ("embed", tiny_model, source, "--output", tmp_path / "v.npy")
    write = ("prompt", "write", "sort mail", "--llm", "openai:http://127.0.0.1:1/v1#m", "--output", tmp_path / "p.toml")
    label = ("label", source, "--llm", "hf:x", "--prompt", tmp_path / "p.toml", "--output", tmp_path / "v.npy.csv")
    (tmp_path / "v.npy.csv").write_text("precious")
    for words in (embed, write, label):
        done = trifold_command(*words)
        assert done.returncode == 2
        assert "is there already: add --force to overwrite it" in done.stderr
    assert trifold_command(*embed, "--force").returncode == 0
    assert (tmp_path / "v.npy").read_bytes().startswith(b"\x93NUMPY")
    assert (tmp_path / "p.toml").read_text() == "precious"


@pytest.mark.parametrize("flag", ["--force", "--excel-safe"])
def test_a_flag_on_files_is_refused_beside_a_text(flag: str, run: Path, trifold_command: Command) -> None:
    done = trifold_command("predict", run, "--text", "a film", flag)
    assert done.returncode == 2
    assert "a flag on files with --text is not allowed" in done.stderr
