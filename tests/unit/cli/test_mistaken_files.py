"""What people give for data by mistake: each is answered by one sentence with the next step, by every command alike."""

import io
import zipfile
from pathlib import Path

import pytest

from trifold import TextClassifier
from trifold.cli.main import run

ROWS = [(f"The film number {n} was {('superb', 'dull')[n % 2]} indeed", ("good", "bad")[n % 2]) for n in range(40)]
PLAIN = "text,label\n" + "".join(f"{text},{label}\n" for text, label in ROWS)


def zipped(name: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, "x")
    return buffer.getvalue()


FILES = {
    "a.docx": zipped("word/document.xml"),
    "a.pdf": b"%PDF-1.7\n",
    "a.png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "a.jpg": b"\xff\xd8\xff\xe0" + bytes(range(200)),
    "a.zip": zipped("data.csv"),
    "a.xls": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50),
    "a.xlsx": zipped("data.csv"),
    "empty.csv": b"",
    "header.csv": b"text,label\n",
    "lines.txt": "\n".join(text for text, _ in ROWS).encode(),
    "one.csv": PLAIN.replace("bad", "good").encode(),
    "classes.csv": ("text,label\n" + "".join(f"text {n} here,id{n}\n" for n in range(1_000))).encode(),
    "caret.csv": PLAIN.replace(",", "^").encode(),
    "plain.csv": PLAIN.encode(),
    "unnamed.csv": b"apple,fruit\nleek,vegetable\n",
}
UNREADABLE = [
    (("a.docx",), "is a document, not a table that is read here: save its rows as CSV"),
    (("a.pdf",), "is a PDF, not a table that is read here: save its rows as CSV"),
    (("a.png",), "is an image, not a table that is read here: give the texts themselves as CSV"),
    (("a.jpg",), "is an image, not a table that is read here: give the texts themselves as CSV"),
    (("a.zip",), "is a zip archive, or a workbook, not a table that is read here: unzip it"),
    (("a.xls",), "is a workbook or document of old Office, not a table that is read here: save it as CSV"),
    (("a.xlsx",), "is a damaged workbook, or another archive, not a table that is read here: save it again"),
    (("empty.csv",), "is empty: it needs a header line and rows"),
    (("header.csv",), "has a header and no rows: add rows below it, or add --no-header if that line is a row"),
    (("",), "'' is not allowed: the name is empty, give one"),
    (("folder",), "is a folder: name a CSV, TSV, JSONL or Parquet file in it"),
    (("none.csv",), "there is no file none.csv (did you mean 'one.csv'?): check the name, or the folder you are in"),
    (("plain.csv", "--text-column", "txet"), "there is no column 'txet' (did you mean 'text'?): the file has 'text'"),
    (("plain.csv", "--encoding", "utf-16"), "cannot be read as utf-16 (UTF-16 stream does not start with BOM): name"),
    (("plain.csv", "--encoding", "utf8-x"), "cannot be read as utf8-x (unknown encoding: utf8-x): name another"),
]
NOT_TO_LEARN_FROM = [
    (("lines.txt",), "is a text a line, without labels: predict, label, embed and pretrain take it so"),
    (
        ("one.csv",),
        "every row has the label 'good': give rows of at least two classes, or give another column as --label-column",
    ),
    (("classes.csv",), "there are 1000 different labels on 1000 rows, more than half: this is probably not the label"),
    (("caret.csv",), "has one column only: it needs at least a text and a label column"),
    (("unnamed.csv",), "'apple', 'fruit': name it with --label-column, or add --no-header if the first line is a row"),
    (("plain.csv", "--label-column", "lable"), "there is no column 'lable' (did you mean 'label'?): the file has"),
]
LEARNING = {"check": (), "finetune": ("--method", "tfidf"), "compare": ("--methods", "tfidf")}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("mistaken")
    for name, content in FILES.items():
        (folder / name).write_bytes(content)
    (folder / "folder").mkdir()
    texts, labels = zip(*ROWS, strict=True)
    TextClassifier("tfidf").fit(list(texts), list(labels)).save(folder / "run")
    return folder


def said(
    words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> str:
    """What a command that is refused says, which is one sentence."""
    monkeypatch.chdir(folder)
    before = sorted(folder.iterdir())
    assert run(list(words)) == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err.count("\n")) == ("", 1)
    assert sorted(folder.iterdir()) == before
    return printed.err


@pytest.mark.parametrize("verb", LEARNING)
@pytest.mark.parametrize(("given", "sentence"), [*UNREADABLE, *NOT_TO_LEARN_FROM])
def test_nothing_is_learned_from(
    verb: str,
    given: tuple[str, ...],
    sentence: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    place = () if verb == "check" else ("--output-dir", "out")
    assert sentence in said((verb, *given, *LEARNING[verb], *place), folder, monkeypatch, capsys)


@pytest.mark.parametrize(("given", "sentence"), UNREADABLE)
def test_nothing_is_predicted_for(
    given: tuple[str, ...],
    sentence: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert sentence in said(("predict", "run", *given), folder, monkeypatch, capsys)


def test_another_separator_is_named_in_the_first_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "named.csv").write_text("sep=^\n" + PLAIN.replace(",", "^"))
    assert run(["check", str(folder / "named.csv")]) == 0
    assert "40 used + 0 left out" in capsys.readouterr().out
    (folder / "named.csv").unlink()
