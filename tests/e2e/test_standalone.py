"""`predict.py` of an export's folder: Trifold's own answers without Trifold."""

import csv
import json
import resource
import shutil
import subprocess
import sys
import tomllib
from functools import partial
from pathlib import Path

import pytest

from conftest import several_labels
from trifold import TextClassifier
from trifold.data.settings import LabelledSettings, ResultSettings
from trifold.inference.run import load_run
from trifold.inference.stream import predict_file
from trifold.pipeline.export import export

# Runs the program as a user does, then looks at what it took.
PROGRAM = (
    "import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__'); "
    "assert not {'trifold', 'torch', 'transformers', 'huggingface_hub'} & set(sys.modules), 'more than its three packages'"
)
ROWS = 'id,text\n1,wonderful film\n2,\n3,"awful, awful cast number 7"\n4,too,many\n5\n' + "".join(
    f"{number},{'film ' * number}wonderful\n" for number in range(6, 40)
)


def exported(folder: Path, tiny_model: Path, long_text: str) -> Path:
    """An export of a small model, which reads long texts so; several labels a row with both ends of a text."""
    several = long_text == "head+tail"
    rows = several_labels(200)
    texts = [text for text, _ in rows]
    labels = [tuple(labels) if several else "praise" if "praise" in labels else "other" for _, labels in rows]
    head, windows = ("mlp", 3) if long_text == "window" else ("logistic", None)
    made = TextClassifier(
        "features", str(tiny_model), head=head, max_length=16, long_text=long_text, max_windows=windows
    )
    made.fit(texts, labels).save(folder / "run")
    data = folder / "held_out.csv"
    with data.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("text", "label"))
        writer.writerows((text, "|".join(y) if several else y) for text, y in zip(texts, labels, strict=True) if y)
    return export(folder / "run", folder / "export", data=data, max_drop=100, reading=LabelledSettings()).folder


@pytest.fixture(scope="module", params=["truncate", "head+tail", "window"])
def folder(request: pytest.FixtureRequest, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported(tmp_path_factory.mktemp("standalone"), tiny_model, request.param)


def run(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", PROGRAM, folder / "predict.py", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True)


def test_a_file_gets_the_answers_of_predict(folder: Path, tmp_path: Path) -> None:
    source, ours, theirs = (tmp_path / name for name in ("in.csv", "ours.csv", "theirs.csv"))
    source.write_text(ROWS)
    done = run(folder, source, "--output", ours)
    assert (done.returncode, done.stderr) == (0, "")
    predict_file(load_run(folder), source, result=ResultSettings(output=theirs))
    ours_rows, their_rows = (list(csv.DictReader(path.read_text().splitlines())) for path in (ours, theirs))
    assert len(ours_rows) == len(their_rows) == 39
    assert list(ours_rows[0]) == list(their_rows[0])
    for mine, wanted in zip(ours_rows, their_rows, strict=True):
        assert [mine[name] for name in ("prediction", "truncated")] == [
            wanted[name] for name in ("prediction", "truncated")
        ]
        assert bool(mine["error"]) == bool(wanted["error"])
        if not mine["error"]:
            assert float(mine["probability"]) == pytest.approx(float(wanted["probability"]), abs=1e-4)
    assert {row["truncated"] for row in ours_rows} == {"true", "false", ""}


def test_one_text_is_answered_in_json_and_an_unsure_one_is_declined_in_a_file(folder: Path, tmp_path: Path) -> None:
    from trifold.inference.predict import predict_texts

    found = json.loads(run(folder, "--text", "wonderful film cast").stdout)
    (wanted,) = predict_texts(load_run(folder).predictor, ["wonderful film cast"])
    label = list(wanted.label) if isinstance(wanted.label, tuple) else wanted.label
    assert (found["label"], found["truncated"]) == (label, wanted.truncated)
    assert found["probabilities"] == pytest.approx(wanted.probabilities, abs=1e-4)
    source = tmp_path / "in.csv"
    source.write_text("text\nwonderful dull film\n")
    (sure,) = csv.DictReader(run(folder, source).stdout.splitlines())
    least = f"{(1 + float(sure['probability'])) / 2:.9f}"
    (row,) = csv.DictReader(run(folder, source, "--reject-below", least).stdout.splitlines())
    assert row["prediction"] == ""
    assert row["error"].startswith("declined: not as sure as 0.")


@pytest.mark.parametrize(
    ("content", "arguments", "said"),
    [
        ("", [], "the file is empty: it needs a header line and rows"),
        (b"text\n\xff\n", [], "is not text in UTF-8: save it as CSV in UTF-8"),
        ("words\na\n", [], "there is no column 'text' among words: name one with --text-column"),
        ("text,prediction\na,b\n", [], "a column 'prediction' already"),
        ('text\n"never closed\n', [], "unexpected end of data"),
        (None, [], "No such file"),
        ("text\na\n", ["--text", "both"], "give a file, or --text TEXT"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(
    folder: Path, tmp_path: Path, content: str | bytes | None, arguments: list[str], said: str
) -> None:
    source = tmp_path / "in.csv"
    if content is not None:
        source.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(run(folder, source, *arguments), said)


def refused(done: subprocess.CompletedProcess[str], said: str) -> None:
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("predict.py: ")
    assert said in line


def test_no_file_is_lost_to_a_result(folder: Path, tmp_path: Path) -> None:
    source, output = tmp_path / "in.csv", tmp_path / "out.csv"
    source.write_text(ROWS)
    refused(run(folder, source, "--output", source, "--force"), "in.csv is the file that is read, and would be lost")
    assert source.read_text() == ROWS
    output.write_text("before")
    refused(run(folder, source, "--output", output), "out.csv is there already: add --force to overwrite it")
    assert output.read_text() == "before"
    assert run(folder, source, "--output", output, "--force").returncode == 0
    assert len(output.read_text().splitlines()) == 40
    for own in ("onnx/new.csv", "config.json"):
        refused(run(folder, source, "--output", folder / own, "--force"), "is among the model's files")


def test_a_full_disk_leaves_no_part_of_a_result(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(ROWS)
    command = [sys.executable, folder / "predict.py", source, "--output", tmp_path / "out.csv"]
    room = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (100, 100))
    done = subprocess.run(command, capture_output=True, text=True, preexec_fn=room)
    refused(done, "out.csv cannot be read or written (File too large)")
    assert list(tmp_path.iterdir()) == [source]
    refused(run(folder, source, "--output", "/dev/full"), "/dev/full cannot be read or written (No space left")


def test_a_reader_that_has_had_enough_is_no_error(folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(ROWS * 20)
    for output in ([], ["--output", "/dev/stdout"]):
        command = [sys.executable, folder / "predict.py", source, *output]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout is not None
            assert process.stderr is not None
            process.stdout.close()
            assert process.stderr.read() == b""


@pytest.mark.parametrize("name", ["onnx/*.onnx", "tokenizer.json", "head.json"])
def test_a_damaged_export_is_said_in_one_line(folder: Path, tmp_path: Path, name: str) -> None:
    damaged = tmp_path / "damaged"
    shutil.copytree(folder, damaged)
    (file,) = damaged.glob(name)
    content = file.read_bytes()
    source = tmp_path / "in.csv"
    source.write_text(ROWS)
    half = len(content) // 2
    for left in (content[:half], content[:half] + b"\xff\xfe" + content[half:]):
        file.write_bytes(left)
        for arguments in (["--text", "wonderful"], [source]):
            done = run(damaged, *arguments)
            assert (done.returncode, done.stdout.count("\n"), done.stderr.count("\n")) == (2, 0, 1)
            assert f"the export in {damaged} is damaged" in done.stderr
            assert "export the run again" in done.stderr


def test_it_asks_for_the_packages_that_trifold_asks_for(folder: Path) -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    known = {*project["dependencies"], *project["optional-dependencies"]["export"]}
    assert set((folder / "requirements.txt").read_text().split()) <= known
