"""Rows through the commands: which columns are read, which labels are the same, and that a file comes back as it was."""

import csv
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from conftest import BAD, GOOD
from scripted_server import Reply, scripted
from trifold import TextClassifier
from warm_commands import Command

Rows = list[tuple[str, bool]]
FAST = ("--method", "tfidf")


def sentences(rows: int = 60, first: int = 0) -> Rows:
    """Texts that all differ, each with whether it praises."""
    numbers = range(first, first + rows)
    return [(f"A {(GOOD, BAD)[n % 2][n // 2 % 6]} film, number {n}", n % 2 == 0) for n in numbers]


def write(path: Path, header: str, rows: Iterable[Iterable[object]]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerows([header.split(","), *rows])
    return path


def read(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def titled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Texts in a column that is not the one anybody would guess."""
    path = tmp_path_factory.mktemp("titled") / "titled.csv"
    rows = [("Title", text, "pos" if good else "neg") for text, good in sentences()]
    return write(path, "comment,feedback,label", rows)


@pytest.fixture(scope="module")
def run(titled: Path, trifold_command: Command) -> Path:
    folder = titled.parent / "run"
    done = trifold_command("finetune", titled, "--text-column", "feedback", *FAST, "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def encoding_run(titled: Path, tiny_model: Path, trifold_command: Command) -> Path:
    folder = titled.parent / "features"
    flags = ("--text-column", "feedback", "--method", "features", "--model", tiny_model, "--head", "logistic")
    done = trifold_command("finetune", titled, *flags, "--output-dir", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def finetune(tmp_path: Path, trifold_command: Command) -> Callable[..., Path]:
    def finetune(*arguments: object) -> Path:
        folder = tmp_path / f"run{len(list(tmp_path.iterdir()))}"
        done = trifold_command("finetune", *arguments, *FAST, "--output-dir", folder)
        assert done.returncode == 0, done.stderr
        return folder

    return finetune


def test_a_run_reads_the_column_that_it_was_trained_on_and_says_so(
    run: Path, titled: Path, tmp_path: Path, trifold_command: Command
) -> None:
    said = "note: texts are read from column 'feedback', as in the run; --text-column overrides"
    measured = trifold_command("evaluate", run, titled, "--json")
    assert measured.returncode == 0, measured.stderr
    assert json.loads(measured.stdout)["accuracy"]["value"] > 0.9
    predicted = trifold_command("predict", run, titled, "--output", tmp_path / "out.csv")
    rows = read(tmp_path / "out.csv")
    assert np.mean([row["label"] == row["prediction"] for row in rows]) > 0.9
    timed = trifold_command("bench", run, titled, "--seconds", "0.1")
    assert timed.returncode == 0, timed.stderr
    for done in (measured, predicted, timed):
        assert said in done.stderr


def test_embed_and_export_read_the_columns_of_the_run(
    encoding_run: Path, titled: Path, tmp_path: Path, trifold_command: Command
) -> None:
    embedded = trifold_command("embed", encoding_run, titled, "--output", tmp_path / "v.npy")
    assert embedded.returncode == 0, embedded.stderr
    assert "texts are read from column 'feedback'" in embedded.stderr
    refused = trifold_command(
        "embed", encoding_run, write(tmp_path / "o.csv", "note,by", [("a", "b")]), "--output", tmp_path / "o.npy"
    )
    assert refused.returncode == 2
    assert "in the column 'feedback', and this file has 'note'" in refused.stderr
    done = trifold_command("export", encoding_run, "--data", titled, "--output-dir", tmp_path / "onnx")
    assert done.returncode == 0, done.stderr
    assert "texts are read from column 'feedback'" in done.stderr
    measured = trifold_command("evaluate", tmp_path / "onnx", titled, "--json")
    assert json.loads(measured.stdout)["accuracy"]["value"] > 0.9


@pytest.mark.parametrize("verb", ["predict", "evaluate", "bench"])
def test_a_file_without_the_columns_of_the_run_is_refused(
    verb: str, run: Path, tmp_path: Path, trifold_command: Command
) -> None:
    other = write(tmp_path / "other.csv", "date,note,label", [("2020-01-01", "A dull film", "neg")] * 4)
    done = trifold_command(verb, run, other)
    assert done.returncode == 2
    assert "in the column 'feedback', and this file has 'date', 'note', 'label'" in done.stderr
    assert "--text-column" in done.stderr
    more = ("--seconds", "0.1") if verb == "bench" else ()
    named = trifold_command(verb, run, other, *more, "--text-column", "note")
    assert named.returncode == 0, named.stderr


def test_flags_override_the_columns_of_the_run(run: Path, titled: Path, trifold_command: Command) -> None:
    done = trifold_command("evaluate", run, titled, "--text-column", "comment", "--json")
    assert json.loads(done.stdout)["accuracy"]["value"] < 0.8
    assert "are read from" not in done.stderr


def test_the_label_column_is_the_run_s_own_too(
    tmp_path: Path, finetune: Callable[..., Path], trifold_command: Command
) -> None:
    rows = [(text, "odd" if n % 4 < 2 else "even", good) for n, (text, good) in enumerate(sentences())]
    data = write(tmp_path / "data.csv", "text,label,verdict", rows)
    folder = finetune(data, "--label-column", "verdict")
    done = trifold_command("evaluate", folder, data, "--json")
    assert json.loads(done.stdout)["accuracy"]["value"] > 0.9
    assert "note: labels are read from column 'verdict', as in the run; --label-column overrides" in done.stderr


def test_labels_are_separated_as_they_were_in_training(
    tmp_path: Path, finetune: Callable[..., Path], trifold_command: Command
) -> None:
    rows = [
        (text, ("good" if good else "bad") + (";long" if n % 3 else "")) for n, (text, good) in enumerate(sentences(90))
    ]
    data = write(tmp_path / "data.csv", "text,label", rows)
    folder = finetune(data, "--label-separator", ";")
    done = trifold_command("evaluate", folder, data, "--json")
    assert done.returncode == 0, done.stderr


def test_a_saved_classifier_does_not_know_its_columns_and_the_guess_is_said(
    titled: Path, tiny_model: Path, tmp_path: Path, trifold_command: Command
) -> None:
    texts, good = zip(*sentences(), strict=True)
    labels = ["pos" if one else "neg" for one in good]
    TextClassifier("tfidf").fit(texts, labels).save(tmp_path / "words")
    for verb, more in (("evaluate", ()), ("bench", ("--seconds", "0.1"))):
        done = trifold_command(verb, tmp_path / "words", titled, *more)
        assert done.returncode == 0, done.stderr
        assert "the run does not name its column of texts; 'comment' is read, --text-column overrides" in done.stderr
    alone = trifold_command("bench", tmp_path / "words")
    assert alone.returncode == 2
    assert "was not trained on a file: name a file with texts" in alone.stderr
    TextClassifier("features", str(tiny_model), head="logistic", cache=False).fit(texts, labels).save(
        tmp_path / "saved"
    )
    flags = ("--text-column", "feedback", "--output-dir", tmp_path / "onnx")
    done = trifold_command("export", tmp_path / "saved", "--data", titled, *flags)
    assert done.returncode == 0, done.stderr
    assert "the run does not name its column of labels; 'label' is read, --label-column overrides" in done.stderr


def test_a_test_file_is_read_from_the_columns_of_the_data_file(
    tmp_path: Path, finetune: Callable[..., Path], trifold_command: Command
) -> None:
    data = write(tmp_path / "data.csv", "comment,label", sentences())
    tested = [(f"Title {n}", text, good) for n, (text, good) in enumerate(sentences(20, first=60))]
    folder = finetune(data, "--test-file", write(tmp_path / "test.csv", "text,comment,label", tested))
    assert json.loads((folder / "metrics.json").read_text())["accuracy"]["value"] > 0.9
    without = write(tmp_path / "without.csv", "text,label", sentences(20, first=60))
    done = trifold_command("finetune", data, "--test-file", without, *FAST, "--output-dir", tmp_path / "no")
    assert done.returncode == 2
    assert "data.csv has its texts in the column 'comment', and this file has 'text', 'label'" in done.stderr


def stars(path: Path, rows: Rows, names: tuple[object, object], more: Iterable[tuple[str, object]] = ()) -> Path:
    found = [*((text, names[good]) for text, good in rows), *more]
    if path.suffix == ".parquet":
        texts, labels = zip(*found, strict=True)
        pq.write_table(pa.table({"text": texts, "stars": labels}), path)
        return path
    if path.suffix == ".jsonl":
        path.write_text("".join(json.dumps({"text": text, "stars": label}) + "\n" for text, label in found))
        return path
    return write(path, "text,stars", found)


UNSURE = [(f"Neither here nor there, number {n}", "unsure") for n in range(12)]


@pytest.mark.parametrize(
    ("names", "more", "suffix", "others"),
    [
        (("1", "5"), UNSURE, ".csv", (1, 5)),
        (("1", "5"), UNSURE, ".parquet", (1, 5)),
        (("1", "5"), UNSURE, ".parquet", (1.0, 5.0)),
        (("1", "5"), [], ".csv", ("1.0", "5.0")),
        (("1.0", "5.0"), [], ".csv", (1, 5)),
        (("true", "false"), [], ".parquet", (True, False)),
        (("true", "false"), [], ".jsonl", (True, False)),
        (("False", "True"), [], ".csv", ("false", "true")),
    ],
)
def test_labels_are_the_same_whichever_type_a_file_gives_them(
    names: tuple[object, object],
    more: list[tuple[str, object]],
    suffix: str,
    others: tuple[object, object],
    tmp_path: Path,
    finetune: Callable[..., Path],
    trifold_command: Command,
) -> None:
    data = stars(tmp_path / "train.csv", sentences(), names, more)
    other = stars(tmp_path / f"other{suffix}", sentences(20, first=60), others)
    last = stars(tmp_path / f"last{suffix}", sentences(20, first=80), others)
    folder = finetune(data, "--validation-file", last, "--test-file", other)
    assert json.loads((folder / "metrics.json").read_text())["accuracy"]["value"] > 0.9
    done = trifold_command("evaluate", folder, other, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"]["value"] > 0.9


def test_an_error_names_the_label_that_is_really_unknown(
    tmp_path: Path, finetune: Callable[..., Path], trifold_command: Command
) -> None:
    data = stars(tmp_path / "train.csv", sentences(), (1, 5))
    plus = stars(tmp_path / "plus.csv", sentences(20, first=60), (1, 5), UNSURE)
    measured = trifold_command("evaluate", finetune(data), plus)
    assert "the label 'unsure' is unknown to the model: it knows 1, 5" in measured.stderr
    trained = trifold_command("finetune", data, "--test-file", plus, *FAST, "--output-dir", tmp_path / "no")
    assert "the test file has labels that the data file lacks (unsure)" in trained.stderr
    assert measured.returncode == trained.returncode == 2


def test_several_labels_a_row_match_by_their_text(
    tmp_path: Path, finetune: Callable[..., Path], trifold_command: Command
) -> None:
    rows = [(text, f"{1 + 4 * good}" + ("|long" if n % 3 else "")) for n, (text, good) in enumerate(sentences(90))]
    folder = finetune(write(tmp_path / "data.csv", "text,stars", rows))
    texts = [text for text, _ in sentences(90)]
    labels = [[1 + 4 * good] for _, good in sentences(90)]
    pq.write_table(pa.table({"text": texts, "stars": labels}), tmp_path / "lists.parquet")
    done = trifold_command("evaluate", folder, tmp_path / "lists.parquet", "--json")
    assert done.returncode == 0, done.stderr


def test_predicted_integers_are_integers(
    tmp_path: Path, finetune: Callable[..., Path], trifold_command: Command
) -> None:
    for name in ("data.parquet", "data.csv"):
        folder = finetune(stars(tmp_path / name, sentences(), (1, 5)))
        done = trifold_command("predict", folder, "--text", "A wonderful film", "--json")
        assert json.loads(done.stdout)["label"] == 5
    found = TextClassifier.load(folder).predict(["A wonderful film", "A dull film"])
    assert found.dtype.kind == "i"
    assert found.tolist() == [5, 1]


# What a CSV may hold and many a reader trips over.
HARD = ["a\rlone return", "two\r\nlines", "two\nlines", "\rfirst", 'say "so", he said', " outer spaces ", "=1+1", "#no"]


def test_predict_gives_back_every_cell_as_it_was(run: Path, tmp_path: Path, trifold_command: Command) -> None:
    rows = [(str(n), f"{text} film", text, text) for n, text in enumerate(HARD)]
    source = write(tmp_path / "hard.csv", "id,feedback,note,last one", rows)
    done = trifold_command("predict", run, source, "--output", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    found = read(tmp_path / "out.csv")
    assert [tuple(row.values())[:4] for row in found] == rows
    assert {row["prediction"] for row in found} <= {"pos", "neg"}


def test_label_gives_back_every_cell_as_it_was_unless_asked_to_be_safe(
    tmp_path: Path, trifold_command: Command
) -> None:
    source = tmp_path / "hard.jsonl"
    source.write_text("".join(json.dumps({"text": text}) + "\n" for text in HARD))
    prompt = tmp_path / "label.toml"
    prompt.write_text(
        'task = "Text: {text}"\nrole = "You label."\noutput = { labels = ["bad", "good"] }\nvariables = { text = "" }\n'
    )
    with scripted(lambda *_: Reply("good")) as server:
        flags = ("--llm", server.llm, "--prompt", prompt, "--log", tmp_path / "log")
        for safe, output in ((False, tmp_path / "out.csv"), (True, tmp_path / "safe.csv")):
            done = trifold_command("label", source, *flags, "--output", output, *(["--excel-safe"] if safe else []))
            assert done.returncode == 0, done.stderr
    assert [row["text"] for row in read(tmp_path / "out.csv")] == HARD
    safe = [f"'{text}" if text[0] in "=\r" else text for text in HARD]
    assert [row["text"] for row in read(tmp_path / "safe.csv")] == safe


def test_predict_is_safe_for_spreadsheets_when_asked(run: Path, tmp_path: Path, trifold_command: Command) -> None:
    source = write(
        tmp_path / "sums.csv", "n,feedback", [("-5", "=HYPERLINK(1)"), ("+1+1", "@SUM"), ("1", "plain film")]
    )
    done = trifold_command("predict", run, source, "--excel-safe", "--output", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    found = [(row["n"], row["feedback"]) for row in read(tmp_path / "out.csv")]
    assert found == [("-5", "'=HYPERLINK(1)"), ("'+1+1", "'@SUM"), ("1", "plain film")]
    refused = trifold_command("predict", run, "--text", "x", "--excel-safe")
    assert refused.returncode == 2


@pytest.mark.parametrize("name", ["prediction", "probability", "truncated", "error"])
def test_a_column_that_predict_would_add_is_refused(
    name: str, run: Path, tmp_path: Path, trifold_command: Command
) -> None:
    done = trifold_command("predict", run, write(tmp_path / "taken.csv", f"feedback,{name}", [("A dull film", "x")]))
    assert done.returncode == 2
    assert f"already has a column '{name}', which the predictions would add: rename it" in done.stderr


def test_a_column_called_vector_is_refused_by_embed(tiny_model: Path, tmp_path: Path, trifold_command: Command) -> None:
    source = write(tmp_path / "taken.csv", "text,vector", [("A dull film", "mine")])
    done = trifold_command("embed", tiny_model, source, "--output", tmp_path / "v.parquet")
    assert done.returncode == 2
    assert "already has a column 'vector', which embedding would add: rename it" in done.stderr


def test_strange_labels_come_back_as_they_were(
    tmp_path: Path, finetune: Callable[..., Path], trifold_command: Command
) -> None:
    names = ("two\nlines\rand a return", 'a "quoted", one\x07')
    data = write(tmp_path / "data.csv", "text,label", [(text, names[good]) for text, good in sentences()])
    folder = finetune(data)
    assert {row["label"] for row in read(folder / "predictions.csv")} == set(names)
    texts = write(tmp_path / "texts.csv", "text", [("A wonderful film",), ("A dull film",)])
    done = trifold_command("predict", folder, texts, "--output", tmp_path / "out.csv")
    assert done.returncode == 0, done.stderr
    assert [row["prediction"] for row in read(tmp_path / "out.csv")] == [names[1], names[0]]


def test_bars_in_labels_are_kept_whole_when_asked(
    tmp_path: Path, finetune: Callable[..., Path], trifold_command: Command
) -> None:
    data = write(tmp_path / "data.csv", "text,label", [(text, ("a|b", "c|d")[good]) for text, good in sentences()])
    folder = finetune(data, "--label-separator", "")
    done = trifold_command("evaluate", folder, data, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["accuracy"]["value"] > 0.9


def test_figures_on_the_file_that_was_learned_from_are_said_to_be_too_good(
    run: Path, titled: Path, tmp_path: Path, trifold_command: Command
) -> None:
    learned_from = Path(json.loads((run / "run.json").read_text())["data"]["path"])
    assert "so the figures on all rows are too good" in trifold_command("evaluate", run, learned_from).stderr
    rows = [("Title", f"{text} (Anew.)", "pos" if good else "neg") for text, good in sentences()]
    other = write(tmp_path / "other.csv", "comment,feedback,label", rows)
    assert "too good" not in trifold_command("evaluate", run, other).stderr


def test_a_result_is_not_written_over_what_it_is_made_from(
    run: Path, titled: Path, tmp_path: Path, trifold_command: Command
) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_bytes(titled.read_bytes())
    done = trifold_command("predict", run, mine, "--output", tmp_path / "." / "mine.csv")
    assert done.returncode == 2
    assert "is the file that is read, and would be lost" in done.stderr
    assert mine.read_bytes() == titled.read_bytes()
