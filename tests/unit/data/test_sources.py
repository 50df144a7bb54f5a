"""Where data come from: packed or plain, by a pipe, or from what is no table, which is said."""

import bz2
import gzip
import io
import lzma
import os
import zipfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from trifold.data import limits, source
from trifold.data.examples import load_examples
from trifold.data.hub import local_file
from trifold.data.open_file import open_table
from trifold.data.settings import DataSettings
from trifold.errors import DataError

ROWS = b"text,label\n" + b"".join(b"text number %d,%d\n" % (i, i % 2) for i in range(20))


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    zipfile.ZipFile(buffer, "w").writestr("inside", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("name", "pack"), [("a.csv.gz", gzip.compress), ("a.csv.bz2", bz2.compress), ("a.csv.xz", lzma.compress)]
)
def test_packed_text_is_read_as_if_it_were_not(tmp_path: Path, name: str, pack: Callable[[bytes], bytes]) -> None:
    (tmp_path / "a.csv").write_bytes(ROWS)
    (tmp_path / name).write_bytes(pack(ROWS))
    plain, packed = (load_examples(tmp_path / one, DataSettings()) for one in ("a.csv", name))
    assert packed.examples == plain.examples


def test_packed_lines_of_json_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "a", "label": "x"}\n{"text": "b", "label": "y"}\n'))
    assert load_examples(tmp_path / "a.jsonl.gz", DataSettings()).examples.texts == ("a", "b")


@pytest.mark.parametrize("cut", [2, 12, 60])
def test_a_packed_file_that_ends_early_is_an_error(tmp_path: Path, cut: int) -> None:
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(ROWS)[:cut])
    with pytest.raises(DataError, match=r"is packed and damaged .*: pack it again"):
        load_examples(tmp_path / "a.csv.gz", DataSettings())


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "a.xlsx",
            zipped(b"x"),
            "is a damaged workbook, or another archive, not a table that is read here: save it again",
        ),
        ("a.ods", zipped(b"x"), "is a workbook"),
        ("a.docx", zipped(b"x"), "is a document"),
        ("a.zip", zipped(ROWS), "is a zip archive, or a workbook, .*: unzip it"),
        ("a.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(50), "of old Office, .*: save it as CSV"),
        ("a.pdf", b"%PDF-1.7\n", "is a PDF"),
        ("a.csv.zst", b"\x28\xb5\x2f\xfd...", "is packed by Zstandard, .*: unpack it with zstd -d"),
        ("a.parquet", b"PARE" + bytes(40) + b"PARE", "is an encrypted Parquet file, .*: write it without encryption"),
        ("a.db", b"SQLite format 3\x00" + bytes(40), "is an SQLite database, .*: export the table"),
        ("a.csv.gz", gzip.compress(b"%PDF-1.7\n", mtime=0), "is a PDF"),
        ("a.csv.gz", gzip.compress(b"", mtime=0), "is empty: it needs a header line"),
    ],
)
def test_what_is_no_table_is_named_with_the_next_step(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=sentence):
        open_table(tmp_path / name)


def test_a_packed_parquet_file_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": ["a"], "label": ["x"]}), tmp_path / "a.parquet")
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    with pytest.raises(DataError, match=r"is a packed Parquet file, .*: unpack it"):
        open_table(tmp_path / "a.parquet.gz")


def test_pipes_and_devices_are_refused_without_waiting_for_them(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path / "pipe.csv", Path("/dev/zero")):
        with pytest.raises(DataError, match="is a pipe or device, not a file: name a file, or - for standard input"):
            open_table(path)


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("a" * 300 + ".csv", "is longer than the file system takes"),
        ("a/" * 5_000 + "b.csv", "is longer than the file system takes"),
        ("line\nbreak.csv", "holds a control character or bytes that are no text: rename it"),
        ("\x1b[31mred.csv", "holds a control character"),
        ("nul\x00.csv", "holds a control character"),
        (os.fsdecode(b"caf\xe9.csv"), "holds a control character or bytes that are no text: rename it"),
        ("a.csv/b.csv", "there is no file"),
        ("hf:", "names no data set: give hf:NAME"),
        ("hf:::", "names no data set"),
        ("hf:/", "names no data set"),
        ("hf:..", "names no data set"),
        ("hf:a\nb", "holds a control character"),
    ],
)
def test_a_name_that_cannot_be_is_one_sentence(tmp_path: Path, name: str, sentence: str) -> None:
    (tmp_path / "a.csv").write_bytes(ROWS)
    given = name if name.startswith("hf:") else tmp_path / name
    with pytest.raises(DataError, match=sentence) as caught:
        open_table(given)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


@pytest.fixture
def standard_input(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Path], None]]:
    with ExitStack() as opened:

        def redirect(path: Path) -> None:
            local_file.cache_clear()
            source.standard_input.cache_clear()
            monkeypatch.setattr("sys.stdin", opened.enter_context(path.open(encoding="utf-8")))

        yield redirect
    local_file.cache_clear()
    source.standard_input.cache_clear()


def test_standard_input_is_read_like_a_file_any_number_of_times(
    tmp_path: Path, standard_input: Callable[[Path], None]
) -> None:
    (tmp_path / "a.csv").write_bytes(ROWS)
    standard_input(tmp_path / "a.csv")
    first, second = (load_examples("-", DataSettings()) for _ in range(2))
    assert first.examples == second.examples == load_examples(tmp_path / "a.csv", DataSettings()).examples
    assert local_file(Path("-")).read_bytes() == ROWS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "standard input is empty: "),
        (b"\x00\x01,bar\n1,2\n", "standard input is a binary file"),
        (b"text,label\n", "standard input has a header and no rows"),
    ],
)
def test_standard_input_is_named_as_such(
    tmp_path: Path, standard_input: Callable[[Path], None], content: bytes, said: str
) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    standard_input(tmp_path / "a.csv")
    with pytest.raises(DataError, match=f"^{said}"):
        load_examples(source.StandardInput("-"), DataSettings())


def test_standard_input_is_known_by_its_content(tmp_path: Path, standard_input: Callable[[Path], None]) -> None:
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["x", "y"]}), tmp_path / "a.parquet")
    standard_input(tmp_path / "a.parquet")
    assert load_examples("-", DataSettings()).description == "Parquet"


def test_standard_input_from_a_device_or_without_end_is_refused(
    tmp_path: Path, standard_input: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    standard_input(Path("/dev/zero"))
    with pytest.raises(DataError, match="standard input is a terminal, a device or a folder: pipe a file into it"):
        open_table("-")
    (tmp_path / "a.csv").write_bytes(ROWS)
    standard_input(tmp_path / "a.csv")
    monkeypatch.setattr(limits, "MAX_STANDARD_INPUT_BYTES", 100)
    with pytest.raises(DataError, match="more than 100 bytes came in by standard input: name a file"):
        open_table("-")


def test_a_misspelt_file_is_answered_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "movie.csv").write_bytes(ROWS)
    with pytest.raises(
        DataError, match=r"there is no file .*movei\.csv \(did you mean 'movie\.csv'\?\): check the name"
    ):
        open_table(tmp_path / "movei.csv")
