"""Bad input through the command line: exit 2, one sentence with the next step, no traceback, nothing half-written."""

from pathlib import Path

import pytest

from warm_commands import Command

GOOD_ROWS = "".join(
    f"a {'fine' if i % 2 else 'poor'} film number {i},{'good' if i % 2 else 'bad'}\n" for i in range(40)
)


def broken(folder: Path, kind: str) -> Path:
    path = folder / f"{kind}.csv"
    contents = {
        "empty": b"",
        "binary": bytes(range(256)) * 40,
        "header-only": b"text,label\n",
        "one-column": b"text\nhello\nworld\n",
        "one-class": b"text,label\n" + b"".join(b"text %d,same\n" % i for i in range(30)),
        "one-row": b"text,label\nhello,good\n",
        "label-column-is-an-id": b"text,label\n" + b"".join(b"text %d,id%d\n" % (i, i) for i in range(30)),
    }
    if kind == "folder":
        path.mkdir()
    elif kind != "missing":
        path.write_bytes(contents[kind])
    return path


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        ("empty", "is empty: it needs a header line and rows"),
        ("binary", "is a binary file, not text: give a CSV, TSV or Parquet file"),
        ("header-only", "has a header and no rows: add rows"),
        ("one-column", "has one column only: it needs at least a text and a label column"),
        ("one-class", "every row has the label 'same': give rows of at least two classes"),
        ("one-row", "the data have 1 usable row: give at least 10"),
        (
            "label-column-is-an-id",
            "30 different labels on 30 rows, more than half: this is probably not the label column",
        ),
        ("missing", "there is no file"),
        ("folder", "is a folder: name a CSV, TSV, JSONL or Parquet file in it"),
    ],
)
@pytest.mark.parametrize("verb", ["compare", "finetune"])
def test_a_broken_file(verb: str, kind: str, sentence: str, tmp_path: Path, trifold_command: Command) -> None:
    path = broken(tmp_path, kind)
    method = ("--methods", "tfidf") if verb == "compare" else ("--method", "tfidf")
    done = trifold_command(verb, path, *method, "--output-dir", tmp_path / "out" / "run", "--json")
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1, "one sentence, no traceback"
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("check",), 'Command "check" parameter DATA requires an argument'),
        (("check", "a.csv", "--bogus"), "there is no flag --bogus: see trifold check --help"),
        (
            ("compare", "a.csv", "--tolerance", "\x1b[2Jx"),
            'Invalid value for --tolerance: unable to convert "x" into float',
        ),
        (("compare", "a.csv", "--time-limit", "inf"), "--time-limit inf is not allowed: give a finite number"),
        (("label", "a.csv", "--timeout-seconds=inf"), "--timeout-seconds inf is not allowed: give a finite number"),
        (("bench", "RUN", "--seconds", "nan"), "--seconds nan is not allowed: give a finite number"),
        (("nonsense",), "there is no command 'nonsense': see trifold --help"),
    ],
)
def test_a_wrong_flag_is_one_sentence_without_what_a_terminal_would_obey(
    words: tuple[str, ...], sentence: str, trifold_command: Command
) -> None:
    done = trifold_command(*words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert sentence in done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("encoding", ["idna", "punycode", "base64", "nope"])
def test_an_encoding_that_files_are_not_written_in(encoding: str, reviews: Path, trifold_command: Command) -> None:
    done = trifold_command("check", reviews, "--encoding", encoding)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert f"{reviews} cannot be read as {encoding} (" in done.stderr
    assert done.stderr.endswith("name another --encoding\n")


def test_a_missing_column_names_those_that_exist(tmp_path: Path, trifold_command: Command) -> None:
    path = tmp_path / "data.csv"
    path.write_text("body,mood\n" + GOOD_ROWS)
    done = trifold_command("check", path, "--label-column", "label")
    assert done.returncode == 2
    assert "there is no column 'label': the file has 'body', 'mood'; name one with --label-column" in done.stderr


def test_bad_rows_are_reported_by_line_and_the_rest_is_used(tmp_path: Path, trifold_command: Command) -> None:
    rows = [
        b"nul\x00 inside,good",
        b"bytes \xff\xfe that are no text,bad",
        b'"a quote that is never closed,good',
        b",bad",
        b"no label here,",
        b"one,field,too many",
    ]
    path = tmp_path / "data.csv"
    path.write_bytes(b"text,label\n" + b"\n".join(rows) + b"\n" + GOOD_ROWS.encode())
    done = trifold_command("check", path)
    assert done.returncode == 0, done.stderr
    assert "46 in the file = 40 used + 6 left out" in done.stdout
    for line, reason in (
        (2, "it holds a NUL byte"),
        (3, "it holds bytes that are not in the file's encoding"),
        (4, "a quote is opened and never properly closed"),
        (5, "the text is empty"),
        (6, "it has no label"),
        (7, "it has 3 fields where the header has 2"),
    ):
        assert f"line {line}: {reason}" in done.stdout
    strict = trifold_command("check", path, "--on-bad-rows", "fail")
    assert strict.returncode == 2
    assert "line 2: it holds a NUL byte" in strict.stderr


def test_a_megabyte_of_text_is_cut_and_counted(tmp_path: Path, tiny_model: Path, trifold_command: Command) -> None:
    path = tmp_path / "data.csv"
    path.write_text("text,label\n" + "film " * 200_000 + ",good\n" + GOOD_ROWS)
    done = trifold_command("check", path, "--model", tiny_model)
    assert done.returncode == 0, done.stderr
    assert "1 text (2.4 %) is cut at --max-length 250" in done.stdout


@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        (("--method", "magic"), "there is no method 'magic': choose one of tfidf, zero-shot, features"),
        (("--epochs", "many"), '"many"'),
        (("--epochs", "0"), "--epochs 0 is not allowed: give 1 or more"),
        (("--lr", "-1"), "--learning-rate -1.0 is not allowed: give a positive number"),
        (("--max-length", "1"), "it leaves no room for a word"),
        (("--device", "abacus"), "abacus"),
    ],
)
def test_a_value_that_is_not_allowed(
    flags: tuple[str, ...], sentence: str, reviews: Path, trifold_command: Command
) -> None:
    done = trifold_command("finetune", reviews, *flags)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr


def test_methods_and_tolerance_are_checked_before_anything_is_read(trifold_command: Command) -> None:
    assert "names tfidf twice" in trifold_command("compare", "none.csv", "--methods", "tfidf,tfidf").stderr
    assert "--tolerance -1.0 is not allowed" in trifold_command("compare", "none.csv", "--tolerance", "-1").stderr


def test_an_output_folder_in_use_is_left_alone(reviews: Path, tmp_path: Path, trifold_command: Command) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    done = trifold_command("finetune", reviews, "--method", "tfidf", "--output-dir", tmp_path)
    assert done.returncode == 2
    assert "exists and is not empty" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_model_that_is_not_there(reviews: Path, trifold_command: Command) -> None:
    done = trifold_command("finetune", reviews, "--method", "features", "--model", "./nowhere")
    assert done.returncode == 2
    assert "there is no folder ./nowhere" in done.stderr
    offline = trifold_command("finetune", reviews, "--method", "features", "--model", "bert-base-uncased", "--offline")
    assert offline.returncode == 2
    assert "offline, and it is not in the local cache" in offline.stderr


def test_a_learning_rate_that_diverges_is_told(
    reviews: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command(
        "finetune",
        reviews,
        "--model",
        tiny_model,
        "--lr",
        "1e30",
        "--max-grad-norm",
        "1e30",
        "--output-dir",
        tmp_path / "run",
    )
    assert done.returncode == 2
    assert "no longer a finite number: lower --learning-rate" in done.stderr
    assert not (tmp_path / "run").exists()
    assert list(tmp_path.iterdir()) == []
