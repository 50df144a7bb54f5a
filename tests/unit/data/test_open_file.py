import codecs
import contextlib
import csv
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trifold.data.open_file import open_table
from trifold.errors import DataError
from trifold.types import BadRow, Record


@pytest.fixture
def read(tmp_path):
    def read(content, name="data.csv", **options):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return list(open_table(path, **options).rows())

    return read


def values(rows):
    return [tuple(row.values.values()) for row in rows if isinstance(row, Record)]


def problems(rows):
    return [(row.line, row.reason) for row in rows if isinstance(row, BadRow)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_any_line_end_ends_a_row(read, end):
    rows = read(end.join(["text,label", '"a, ""b"""', "c,1", ""]).replace('"""', '""",0'))
    assert values(rows) == [('a, "b"', "0"), ("c", "1")]
    assert [row.line for row in rows] == [2, 3]


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x0c", "\x85", "\x1e"])
def test_a_character_that_only_looks_like_a_line_end_does_not_split_a_row(read, character):
    padding = "long enough that one control character makes no binary file " * 2
    assert values(read(f"text,label\n{padding}{character}b,1\n")) == [(f"{padding}{character}b", "1")]


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + "text,label\ncafé,1\n".encode(),
        "text,label\ncafé,1\n".encode(),
        "text,label\ncafé,1\n".encode("utf-16"),
        codecs.BOM_UTF16_BE + "text,label\ncafé,1\n".encode("utf-16-be"),
        "text,label\ncafé,1\n".encode("utf-16-le"),
        "text,label\ncafé,1\n".encode("utf-16-be"),
        "text,label\ncafé,1\n".encode("utf-32"),
        ("text,label\n" + 3 * "café,1\n").encode("cp1252"),
    ],
)
def test_the_same_text_is_read_whatever_the_encoding(read, content):
    assert read(content)[0] == Record(2, {"text": "café", "label": "1"})


@pytest.mark.parametrize("delimiter", ["\t", ";", "|"])
def test_the_same_text_is_read_whatever_the_delimiter(read, delimiter):
    assert values(read(f"text{delimiter}label\na, b{delimiter}1\n")) == [("a, b", "1")]


def test_backslash_escapes_are_undone(read):
    assert values(read('text,label\n"say \\"hi\\", you",1\n"b\nb \\\\",0\n')) == [
        ('say "hi", you', "1"),
        ("b\nb \\", "0"),
    ]


def test_damage_is_reported_with_its_line_and_the_rest_survives(read):
    rows = read(
        b'text,label\n"two\nlines",1\nnul\x00,1\n\xff\xfe,1\na,b,c\nalone\n\n"open,1\n'
        + "é,0\nü,0\nok,1\n".encode()
        + b"\n"
    )
    assert problems(rows) == [
        (4, "it holds a NUL byte"),
        (5, "it holds bytes that are not in the file's encoding"),
        (6, "it has 3 fields where the header has 2"),
        (7, "it has 1 fields where the header has 2"),
        (8, "the row is empty"),
        (9, "a quote is opened and never properly closed"),
    ]
    assert values(rows) == [("two\nlines", "1"), ("é", "0"), ("ü", "0"), ("ok", "1")]


def test_what_a_bad_row_holds_can_be_written_out(read):
    rows = read(b"text,label\n\xff\xfe,1\n\xff,1,2\n" + "é,0\nü,0\nö,1\n".encode())
    assert len(problems(rows)) == 2
    for row in rows:
        "".join(str(value) for value in row.values.values()).encode()


def test_a_text_of_a_megabyte_is_read_whole(read):
    review = "a word, " * 125_000
    assert values(read(f'text,label\n"{review}",1\nb,0\n')) == [(review, "1"), ("b", "0")]


def test_a_text_of_a_megabyte_in_many_lines_is_read_whole(read):
    review = "\n".join(["a word, and another" * 60] * 900)
    assert values(read(f'text,label\n"{review}",1\nb,0\n')) == [(review, "1"), ("b", "0")]


def test_a_column_without_a_name_is_given_one(tmp_path):
    (tmp_path / "data.csv").write_text(",text, label \n0,a,1\n")
    assert open_table(tmp_path / "data.csv").columns == ("column1", "text", "label")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.csv", b"", "is empty: it needs a header line"),
        ("data.csv", bytes(range(32)) * 100, "is a binary file, not text: give a CSV"),
        ("data.csv", b"text,text\na,1\n", "names a column twice .*: give each its own name"),
        ("data.csv", b'"text,label\na,1\n', "it needs at least a text and a label column"),
        ("data.csv", b"text,la\xffbel\n" + "é,1\né,2\n".encode(), "its first line must name the columns"),
        ("data.csv", b"text\na\nb\n", "one column only: it needs"),
        ("data.parquet", b"text,label\na,1\n", "is no Parquet file, whatever its name: give a CSV"),
        ("data.parquet", b"PAR1 and no more", "is a damaged Parquet file .*: write it again"),
    ],
)
def test_a_file_that_cannot_be_used_says_what_to_do(read, name, content, message):
    with pytest.raises(DataError, match=message):
        read(content, name)


def test_a_missing_file_and_a_folder_say_what_to_do(tmp_path):
    with pytest.raises(DataError, match=r"there is no file .*: check the name"):
        open_table(tmp_path / "none.csv")
    with pytest.raises(DataError, match="is a folder: name a CSV, TSV, JSONL or Parquet file in it"):
        open_table(tmp_path)


def test_an_encoding_that_fails_after_the_sample_is_an_error_not_a_traceback(read):
    with pytest.raises(DataError, match="cannot be read as utf-7"):
        read(b"text,label\n" + b"plain text,1\n" * 25_000 + b"+!,1\n", encoding="utf-7")


def write_parquet(path, rows=3):
    path.parent.mkdir(exist_ok=True)
    pq.write_table(
        pa.table({"text": [f'line\n"{i}", {path.name}' for i in range(rows)], "label": list(range(rows))}), path
    )
    return path


def test_parquet_keeps_values_and_numbers_rows_from_two(tmp_path):
    path = write_parquet(tmp_path / "data.parquet", 5_000)
    rows = list(open_table(path).rows())
    assert [row.line for row in rows] == list(range(2, 5_002))
    assert rows[4_999].values == {"text": 'line\n"4999", data.parquet', "label": 4_999}


def test_parquet_is_known_by_its_content_and_a_null_is_none(tmp_path):
    pq.write_table(pa.table({"text": ["a", None], "label": ["x", "y"]}), tmp_path / "data.csv")
    assert values(open_table(tmp_path / "data.csv").rows()) == [("a", "x"), (None, "y")]


def test_a_name_that_looks_like_a_pattern_names_one_file(tmp_path):
    for name in ("a[1].parquet", "a1.parquet", "b*.parquet", "bc.parquet"):
        write_parquet(tmp_path / name, 1)
    for name in ("a[1].parquet", "b*.parquet"):
        assert values(open_table(tmp_path / name).rows()) == [(f'line\n"0", {name}', 0)]


def test_a_folder_named_like_a_setting_adds_no_column(tmp_path):
    assert open_table(write_parquet(tmp_path / "year=2024" / "data.parquet")).columns == ("text", "label")


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.99])
def test_a_truncated_parquet_file_is_an_error(tmp_path, kept):
    path = write_parquet(tmp_path / "data.parquet", 500)
    content = path.read_bytes()
    path.write_bytes(content[: int(kept * len(content))])
    with pytest.raises(DataError, match="write it again"):
        list(open_table(path).rows())


def test_parquet_damaged_in_its_middle_is_an_error(tmp_path):
    path = write_parquet(tmp_path / "data.parquet", 5_000)
    content = bytearray(path.read_bytes())
    content[4:4_000] = b"\xff" * 3_996
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="write it again"):
        list(open_table(path).rows())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lone_line_ends_inside_quotes_are_kept(read, end):
    assert values(read(f'text,label\n"a{end}b",1\n')) == [(f"a{end}b", "1")]


FIELD = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n\r\t"), max_size=12)
TABLE = st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(FIELD, min_size=width, max_size=width), min_size=1))
SHARED_FOLDER = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@SHARED_FOLDER
@given(TABLE)
def test_whatever_the_csv_module_writes_is_read_back(tmp_path, rows):
    buffer = io.StringIO(newline="")
    csv.writer(buffer).writerows([[f"c{i}" for i in range(len(rows[0]))], *rows])
    path = tmp_path / "data.csv"
    path.write_bytes(buffer.getvalue().encode())
    read = list(open_table(path).rows())
    assert problems(read) == []
    assert values(read) == [tuple(row) for row in rows]


BODY = b'text,label\n"a, b",1\nplain,0\n"two\nlines",1\n"say ""hi""",0\nlast,1\n'
NOISE = st.binary(max_size=6) | st.lists(
    st.sampled_from([b'"', b"\n", b"\r", b",", b"\\", b"\xff", b"\x00", b"\xef\xbb\xbf", b"\xff\xfe", b";", b"PAR1"]),
    max_size=4,
).map(b"".join)


@SHARED_FOLDER
@given(st.lists(st.tuples(st.integers(0, len(BODY)), NOISE), max_size=4), st.binary(max_size=40))
def test_damaged_files_raise_nothing_but_data_errors(tmp_path, insertions, tail):
    content = bytearray(BODY)
    for position, noise in insertions:
        content[position:position] = noise
    path = tmp_path / "data.csv"
    path.write_bytes(bytes(content) + tail)
    with contextlib.suppress(DataError):
        lines = [row.line for row in open_table(path).rows()]
        assert lines == sorted(set(lines))


def test_a_bad_row_is_written_out_without_its_nul(read):
    rows = read(b"text,label\n" + b"a good row,1\nanother,0\n" * 200 + b"a\x00b,1\n")
    assert problems(rows)[0][1] == "it holds a NUL byte"
    assert [row.values["text"] for row in rows if isinstance(row, BadRow)] == ["a\ufffdb"]
