import codecs

import pytest

from trifold.data.dialect import find_dialect
from trifold.data.encoding import find_encoding
from trifold.errors import DataError


@pytest.fixture
def written(tmp_path):
    def write(content, name="data.csv"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_found(written, delimiter):
    dialect = find_dialect(
        written("\n".join(delimiter.join(row) for row in [("text", "label"), ("a", "1"), ("b", "0")]))
    )
    assert (dialect.delimiter, dialect.backslash, dialect.encoding) == (delimiter, False, "utf-8")


def test_commas_in_tab_separated_texts_do_not_mislead(written):
    assert find_dialect(written("text\tlabel\na, b, c\t1\nd, e\t0\n")).delimiter == "\t"


def test_a_tsv_name_breaks_a_tie(written):
    content = "a,b\tc,d\n1,2\t3,4\n"
    assert find_dialect(written(content, "data.tsv")).delimiter == "\t"
    assert find_dialect(written(content, "data.csv")).delimiter == ","


def test_backslash_escapes_are_found(written):
    dialect = find_dialect(written('text,label\n"say \\"hi\\", you",1\n"b",0\n'))
    assert dialect.backslash
    assert "backslash" in dialect.describe()


def test_a_text_that_ends_with_a_backslash_is_no_escape(written):
    assert not find_dialect(written('text,label\n"C:\\",1\n"D:\\",0\n')).backslash


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        ("text,label\ncafé,1\n".encode(), "utf-8"),
        (codecs.BOM_UTF8 + b"text,label\na,1\n", "utf-8-sig"),
        ("text,label\na,1\n".encode("utf-16"), "utf-16"),
        ("text,label\na,1\n".encode("utf-16-le"), "utf-16-le"),
        ("text,label\na,1\n".encode("utf-16-be"), "utf-16-be"),
        ("text,label\na,1\n".encode("utf-32"), "utf-32"),
        ("text,label\ncafé,1\nnaïve,1\nà point,1\nplain,0\n".encode("cp1252"), "cp1252"),
        ("text,label\nplain,0\ncafé,1\nnaïve,1\ncafé,1".encode("cp1252"), "cp1252"),
        (b"text,label\nplain,0\nbytes \xff\xfe,1\n" + 3 * b"more \x81\xff,1\n", "utf-8"),
        ("text,label\nplain,0\none café,1\n".encode("cp1252"), "utf-8"),
        ("text,label\né,1\né,1\n".encode() + b"\xff,0\n", "utf-8"),
        ("text,label\ré,1\ré,1\r".encode() + b"\xff,0\r", "utf-8"),
    ],
)
def test_the_encoding_is_found(written, content, encoding):
    assert find_encoding(content, written(content)) == encoding


def test_a_character_cut_by_the_samples_end_is_no_damage(written):
    content = b"text,label\n" + "é".encode() * 200_000 + b",1\n"
    assert find_dialect(written(content)).encoding == "utf-8"


@pytest.mark.parametrize("encoding", ["utf-8", "UTF8", "utf_8_sig"])
def test_a_given_encoding_does_not_make_the_byte_order_mark_a_column_name(written, encoding):
    assert find_dialect(written(codecs.BOM_UTF8 + b"text,label\na,1\n"), encoding).encoding == "utf-8-sig"


def test_a_given_utf16_counts_as_such_however_it_is_spelt(written):
    path = written("text,label\na,1\n".encode("utf-16"))
    assert [find_dialect(path, name).encoding for name in ("UTF-16", "utf_16", "utf-16-le")] == ["utf-16"] * 3


@pytest.mark.parametrize("encoding", ["nope", "base64", "rot13", "idna", "x\0y", "utf-7"])
def test_an_encoding_that_does_not_fit_is_an_error_that_names_the_flag(written, encoding):
    with pytest.raises(DataError, match="name another --encoding"):
        find_dialect(written("text,label\na+b-,1\n"), encoding)


@pytest.mark.parametrize("content", [b"\n\n", b" \t\r\n", codecs.BOM_UTF8, codecs.BOM_UTF16_LE, b"\x00\x00"])
def test_a_file_of_nothing_but_space_is_empty(written, content):
    with pytest.raises(DataError, match="is empty: it needs a header"):
        find_dialect(written(content))


def test_a_file_with_one_column_is_an_error_only_where_labels_are_needed(written):
    path = written("text\none, two\nthree\n")
    with pytest.raises(DataError, match="one column only"):
        find_dialect(path)
    assert "one column" in find_dialect(path, columns=1).describe()


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_where_one_column_is_enough_several_are_still_seen(written, delimiter):
    path = written(f"text{delimiter}label\na{delimiter}1\nb{delimiter}0\nbroken\n")
    assert find_dialect(path, columns=1).delimiter == delimiter


def test_a_first_row_longer_than_the_sample_does_not_hide_the_columns(written):
    review = "\n".join(["a word, and a word, and another " * 20] * 800)
    assert len(review) > 1 << 18
    assert find_dialect(written(f'text,label\n"{review}",1\nb,0\n')).delimiter == ","
