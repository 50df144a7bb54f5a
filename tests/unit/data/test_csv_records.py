import csv
import re
import time
from collections.abc import Iterable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trifold.data.csv_records import RawRecord, split_records
from trifold.data.dialect import Dialect
from trifold.types import BadRow

COMMAS = Dialect("utf-8", ",", backslash=False).python()
BACKSLASHES = Dialect("utf-8", ",", backslash=True).python()


def split(text: str, dialect: type[csv.Dialect] = COMMAS) -> list[RawRecord | BadRow]:
    return list(split_records(re.findall(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+", text), dialect))


def fields(text: str, dialect: type[csv.Dialect] = COMMAS) -> list[list[str]]:
    return [record.fields for record in split(text, dialect) if isinstance(record, RawRecord)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a, b",1\n', [["a, b", "1"]]),
        ('"say ""hi""",1\n', [['say "hi"', "1"]]),
        ('"one\ntwo\n\nfour",1\n', [["one\ntwo\n\nfour", "1"]]),
        ("a,1\r\nb,2\r\n", [["a", "1"], ["b", "2"]]),
        ("a,1\rb,2\r", [["a", "1"], ["b", "2"]]),
        ('5" screen,1\n', [['5" screen', "1"]]),
        ('"two\nlines",5" screen,1\n', [["two\nlines", '5" screen', "1"]]),
        ('5" screen,"two\nlines, really",1\n', [['5" screen', "two\nlines, really", "1"]]),
        ("a,1", [["a", "1"]]),
        (" a , 1\n", [[" a ", " 1"]]),
        ('"",""\n', [["", ""]]),
    ],
)
def test_a_row_keeps_what_its_quotes_protect(text, expected):
    assert fields(text) == expected


def test_a_backslash_protects_a_quote():
    assert fields('"say \\"hi\\", then\ngo \\\\",1\nb,2\n', BACKSLASHES) == [['say "hi", then\ngo \\', "1"], ["b", "2"]]


def test_a_row_is_numbered_by_the_line_it_starts_on():
    assert [record.line for record in split('a,1\n"b\nb\nb",2\nc,3\n')] == [1, 2, 5]


@pytest.mark.parametrize("broken", ['"never closed,1', '"closed "badly" inside,1', 'a,"open', '"'])
def test_an_unclosed_quote_loses_one_row_not_the_file(broken):
    rows = split(f'a,1\n{broken}\nb,2\n"c\nc",3\nd,4\n')
    assert [row.line for row in rows if isinstance(row, BadRow)] == [2]
    assert [row.fields for row in rows if isinstance(row, RawRecord)] == [
        ["a", "1"],
        ["b", "2"],
        ["c\nc", "3"],
        ["d", "4"],
    ]


def test_an_unclosed_quote_on_the_last_line_is_reported():
    assert split('a,1\n"b,2')[1] == BadRow(2, "a quote is opened and never properly closed", {})


@pytest.mark.parametrize("broken", ['"open,1\n', '"""open,1\n', '5" screen,"open,1\n', '"a"b,1\n'])
def test_thousands_of_unclosed_quotes_stay_fast(broken):
    lines = [broken if number % 2 else "plain,0\n" for number in range(20_000)]
    start = time.perf_counter()
    rows = list(split_records(lines, COMMAS))
    assert time.perf_counter() - start < 5
    assert rows


def test_an_empty_line_between_rows_is_reported_and_one_at_the_end_is_not():
    rows = split("a,1\n\n \nb,2\n\n\n")
    assert [(row.line, row.reason) for row in rows if isinstance(row, BadRow)] == [
        (2, "the row is empty"),
        (3, "the row is empty"),
    ]
    assert len(rows) == 4


def test_an_empty_line_inside_quotes_is_part_of_the_text():
    assert fields('"a\n\nb",1\n') == [["a\n\nb", "1"]]


LINES = st.lists(st.text(alphabet='a,"\\\u2028 ', max_size=8).map(lambda line: line + "\n"), max_size=30)


@given(LINES, st.sampled_from([COMMAS, BACKSLASHES]))
def test_every_line_belongs_to_exactly_one_row_or_trails_empty(lines, dialect):
    line = 1
    for row in split_records(lines, dialect):
        assert row.line == line
        line += 1 + (sum(field.count("\n") for field in row.fields) if isinstance(row, RawRecord) else 0)
    assert not "".join(lines[line - 1 :]).strip()


def test_a_file_that_opens_quote_after_quote_costs_no_square_of_its_lines() -> None:
    looked = 0

    def lines() -> Iterator[str]:
        yield 'a,"b\n'
        for number in range(20_000):
            yield f'{number},"never closed\n'
        yield "good,row\n"

    class Counting(csv.excel):
        strict = True

    real = csv.reader

    def counted(source: Iterable[str], *options: object) -> object:
        def count() -> Iterator[str]:
            nonlocal looked
            for line in source:
                looked += 1
                yield line

        return real(count(), *options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv, "reader", counted)
        rows = list(split_records(lines(), Counting))
    assert len(rows) == 20_002
    assert isinstance(rows[-1], RawRecord)
    assert looked < 300_000
