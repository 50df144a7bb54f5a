"""Files as people have them, through the command line: read rightly, or refused in one sentence."""

import gzip
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from warm_commands import Command

PAIRS = [(f"a {'fine' if i % 2 else 'poor'} film, number {i}", "good" if i % 2 else "bad") for i in range(40)]
PLAIN = "text,label\n" + "".join(f'"{text}",{label}\n' for text, label in PAIRS)
FILES = {
    "sep.csv": "sep=;\r\ntext;label\r\n" + "".join(f"{text};{label}\r\n" for text, label in PAIRS),
    "trailing.csv": "text,label\n" + "".join(f'"{text}",{label},\n' for text, label in PAIRS),
    "spaced.csv": "text, label\n" + "".join(f'"{text}", "{label}"\n' for text, label in PAIRS),
    "titled.csv": f"Reviews of May\n\n{PLAIN}",
    "array.json": json.dumps([{"text": text, "label": label} for text, label in PAIRS]),
    "lines.json": "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in PAIRS),
}


@pytest.mark.parametrize("name", list(FILES))
def test_every_row_is_used_and_the_labels_are_those_of_the_file(
    name: str, tmp_path: Path, trifold_command: Command
) -> None:
    (tmp_path / name).write_text(FILES[name], newline="")
    done = trifold_command("check", tmp_path / name, "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["rows_in"], facts["rows_used"], facts["labels"]) == (40, 40, {"bad": 20, "good": 20})


def test_a_packed_file_trains_as_it_stands(tmp_path: Path, trifold_command: Command) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(PLAIN.encode()))
    done = trifold_command(
        "compare", tmp_path / "a.csv.gz", "--methods", "tfidf", "--output-dir", tmp_path / "out", "--json"
    )
    assert done.returncode == 0, done.stderr
    labelled = trifold_command("predict", tmp_path / "out", tmp_path / "a.csv.gz")
    assert labelled.stdout.count("\n") == 41


def test_lone_surrogates_are_rows_with_a_reason(tmp_path: Path, trifold_command: Command) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(
        FILES["lines.json"]
        + '{"text": "\\ud800", "label": "bad"}\n{"text": "fine", "label": "good", "more": ["\\udc00"]}\n{"\\ud800": 1}\n'
    )
    done = trifold_command("check", path)
    assert done.returncode == 0, done.stderr
    assert "43 in the file = 40 used + 3 left out" in done.stdout
    assert "line 41: it holds half of a surrogate pair" in done.stdout
    (tmp_path / "a.csv").write_text(PLAIN)
    trained = trifold_command("finetune", tmp_path / "a.csv", "--method", "tfidf", "--output-dir", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr
    labelled = trifold_command("predict", tmp_path / "run", path)
    assert labelled.returncode == 0, labelled.stderr
    assert labelled.stdout.count("half of a surrogate pair") == 3


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("a" * 300 + ".csv", "is longer than the file system takes"),
        ("hf:", "names no data set"),
        ("line\nbreak.csv", "holds a control character or bytes that are no text"),
        (os.fsdecode(b"caf\xe9.csv"), "holds a control character or bytes that are no text"),
        ("/dev/zero", "is a pipe or device, not a file"),
    ],
)
@pytest.mark.parametrize("verb", ["check", "compare", "finetune"])
def test_a_name_that_cannot_be_is_one_sentence(
    verb: str, given: str, sentence: str, tmp_path: Path, trifold_command: Command
) -> None:
    (tmp_path / os.fsencode("line\nbreak.csv").decode()).write_text(PLAIN)
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.csv")).write_text(PLAIN)
    more = () if verb == "check" else ("--output-dir", tmp_path / "out")
    done = trifold_command(verb, given, *more, cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_standard_input_is_read_where_it_is_needed_once_and_refused_where_again(
    tmp_path: Path, trifold_command: Command
) -> None:
    (tmp_path / "a.csv").write_text(PLAIN)
    trained = trifold_command("finetune", tmp_path / "a.csv", "--method", "tfidf", "--output-dir", tmp_path / "run")
    assert trained.returncode == 0, trained.stderr

    def piped(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "trifold", *map(str, arguments)]
        environment = {**os.environ, "TMPDIR": str(tmp_path / "temporary")}
        return subprocess.run(command, input=PLAIN, capture_output=True, text=True, env=environment, check=False)

    (tmp_path / "temporary").mkdir()
    labelled = piped("predict", tmp_path / "run", "-")
    assert labelled.returncode == 0, labelled.stderr
    assert labelled.stdout.count("\n") == 41
    assert list((tmp_path / "temporary").iterdir()) == [], "what was kept is gone"
    checked = piped("check", "-")
    assert checked.stderr.splitlines()[-1] == "next: trifold compare FILE.csv"
    refused = piped("finetune", "-", "--method", "tfidf")
    assert (refused.returncode, refused.stderr) == (
        2,
        "trifold: what comes in by standard input cannot be read a second time: write it to a file and name that\n",
    )


def test_a_flag_that_does_not_exist_is_not_taken_for_a_file(trifold_command: Command) -> None:
    done = trifold_command("check", "--bogus")
    assert done.returncode != 0
    assert "there is no flag --bogus" in done.stderr + done.stdout
