"""Files without a header: no row is lost, it is said, and a header is taken for one."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from trifold.data.examples import load_examples, open_rows
from trifold.data.open_file import open_table
from trifold.data.settings import DataSettings, TextSettings
from trifold.data.table import Table
from trifold.errors import DataError
from trifold.types import Record

REVIEWS = [
    f"The {word} film number {n} kept us {'awake' if n % 2 else 'asleep'}"
    for n, word in enumerate(["dull", "fine", "long", "loud"] * 5)
]
LABELS = ["pos" if n % 2 else "neg" for n in range(20)]
Open = Callable[..., Table]


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    def open_(content: str, name: str = "data.csv", **options: object) -> Table:
        (tmp_path / name).write_text(content, encoding="utf-8", newline="")
        return open_table(tmp_path / name, **{"columns": 1, **options})  # type: ignore[arg-type]

    return open_


def lines(*columns: list[str], delimiter: str = ",") -> str:
    return "".join(delimiter.join(row) + "\n" for row in zip(*columns, strict=True))


def texts_of(table: Table, column: str = "text") -> list[object]:
    return [row.values[column] for row in table.rows() if isinstance(row, Record)]


def test_a_list_of_lines_keeps_its_first(opened: Open) -> None:
    for name in ("data.csv", "data", "data.txt"):
        table = opened("\n".join(REVIEWS), name)
        assert texts_of(table) == REVIEWS
        assert table.note.endswith(
            "has no header: its first row is a row like the others, and its column is called 'text'; "
            "--header takes it for names"
        )
        assert "no header" in table.description


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        ((REVIEWS, LABELS), ("text", "label")),
        ((LABELS, REVIEWS), ("label", "text")),
        ((REVIEWS, [str(n % 2) for n in range(20)]), ("text", "label")),
        ((["good film"] * 10 + ["bad film"] * 10, ["1"] * 10 + ["0"] * 10), ("text", "label")),
        (([str(n) for n in range(20)], REVIEWS, LABELS), ("column1", "text", "label")),
        ((REVIEWS, [f"http://a.b/{n}" for n in range(20)], LABELS), ("text", "column2", "label")),
    ],
)
@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
def test_a_table_without_header_keeps_its_first_row(
    columns: tuple[list[str], ...], names: tuple[str, ...], delimiter: str, opened: Open
) -> None:
    for fewest in (1, 2):
        table = opened(lines(*columns, delimiter=delimiter), columns=fewest)
        assert table.columns == names
        assert len(texts_of(table)) == 20
        assert [row.line for row in table.rows()] == list(range(1, 21))
        assert "has no header" in table.note


def test_training_uses_the_first_row_too_and_warns(tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text(lines(REVIEWS, LABELS))
    data = load_examples(tmp_path / "data.csv", DataSettings())
    assert (data.examples.texts, data.examples.labels) == (tuple(REVIEWS), tuple(LABELS))
    assert (data.columns.text, data.columns.label) == ("text", "label")
    assert "has no header" in data.note


def test_chinese_lines_have_no_header(opened: Open) -> None:
    reviews = [f"这部电影真的很好看我们看了{n}遍" for n in range(20)]
    assert texts_of(opened("\n".join(reviews))) == reviews


@pytest.mark.parametrize(
    "content",
    [
        lines(["text", *REVIEWS], ["label", *LABELS]),
        lines(["feedback", *REVIEWS], ["mood", *LABELS]),
        lines(["Customer feedback", *REVIEWS], ["Kind", *LABELS]),
        lines(["How did you like the film?", *REVIEWS], ["Rating", *[str(n % 5) for n in range(20)]]),
        lines(["id", *map(str, range(20))], ["opinion", *REVIEWS], ["verdict", *LABELS]),
        lines(["sentence1", *REVIEWS], ["sentence2", *REVIEWS[::-1]], ["score", *[f"{n}.5" for n in range(20)]]),
        lines(["opinion", *REVIEWS], ["0", *["1", "0"] * 10], ["1", *["0", "1"] * 10]),
        lines(["review", *REVIEWS]),
        lines(["body", *["short", "texts"] * 10]),
        lines(["headline", *REVIEWS], ["article", *REVIEWS]),
        lines(["text", "a", "b"], ["spam", "spam", "ham"]),
        "text,label\n",
    ],
)
def test_a_header_stays_one(content: str, opened: Open) -> None:
    table = opened(content)
    assert table.columns == tuple(content.split("\n", 1)[0].split(","))
    assert "has no header" not in table.note


@pytest.mark.parametrize(
    "content",
    [
        lines(["hello", "good bye", "thanks a lot", "see you"]),
        lines(["Loved it", *REVIEWS]),
        lines(["good film", "bad film"] * 10, LABELS),
    ],
)
def test_where_it_cannot_be_told_the_header_stays_and_the_flag_is_named(content: str, opened: Open) -> None:
    table = opened(content)
    assert len(list(table.rows())) == content.count("\n") - 1
    assert "is taken for the names of its columns" in table.note
    assert table.note.endswith("if it is none, add --no-header")


def test_flags_settle_it_and_say_nothing(opened: Open) -> None:
    content = lines(["hello", "good bye", "thanks a lot", "see you"])
    table = opened(content, header=False)
    assert (texts_of(table), table.note) == (["hello", "good bye", "thanks a lot", "see you"], "")
    table = opened("\n".join(REVIEWS), header=True)
    assert (table.columns, table.note) == ((REVIEWS[0],), "")
    assert len(list(table.rows())) == 19
    assert len(list(opened("\n".join(REVIEWS), "a.txt", header=True).rows())) == 19


def test_a_column_that_is_asked_for_makes_a_header(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(lines(["what we were told in the end", *REVIEWS], ["pos", *LABELS]))
    data = load_examples(path, DataSettings(text_column="what we were told in the end", label_column="pos"))
    assert (len(data.examples), data.note) == (20, "")


def test_a_text_file_is_a_text_a_line_whatever_stands_in_it(opened: Open) -> None:
    written = ['"Great," she said', "one, two", 'he said "no', "a\ttab", "", "last"]
    rows = list(opened("\n".join(written), "a.txt").rows())
    assert [row.values.get("text") for row in rows] == [
        '"Great," she said',
        "one, two",
        'he said "no',
        "a\ttab",
        None,
        "last",
    ]
    assert [row.line for row in rows] == [1, 2, 3, 4, 5, 6]
    assert opened(lines(["text", *REVIEWS], ["label", *LABELS], delimiter="\t"), "b.txt").columns == ("text", "label")
    with pytest.raises(DataError, match=r"b\.txt is a text a line, without labels: predict, label, embed and pretrain"):
        opened("\n".join(REVIEWS), "b.txt", columns=2)


def test_a_flag_that_a_format_has_no_use_for_is_refused(opened: Open) -> None:
    with pytest.raises(
        DataError, match="is JSON, an object a line, where every column has a name: leave out --no-head"
    ):
        opened('{"text": "a"}\n', "a.jsonl", header=False)


def test_real_files_keep_their_headers() -> None:
    folder = Path(os.environ.get("TRIFOLD_DATA", "none"))
    if not folder.is_dir():
        pytest.skip("TRIFOLD_DATA names no folder")
    found = [*folder.rglob("*.csv"), *folder.rglob("*.tsv"), *folder.rglob("*.txt")]
    assert found
    for path in found:
        for columns in (1, 2):
            table = open_table(path, columns=columns)
            assert (table.columns[:2], table.note) == (("text", "label"), "")


def test_predicting_reads_the_only_column_of_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("\n".join(REVIEWS))
    table, columns, rows = open_rows(tmp_path / "a.txt", TextSettings())
    assert columns.texts == ("text",)
    assert len(list(rows)) == 20
    assert table.note


def test_a_comma_in_every_line_makes_no_table_of_a_list(opened: Open) -> None:
    reviews = [f"{text}, and that is that" for text in REVIEWS]
    assert texts_of(opened("\n".join(reviews))) == reviews
    table = opened("".join(f'"{text}", {label}\n' for text, label in zip(REVIEWS, LABELS, strict=True)), columns=1)
    assert table.columns == ("text", "label")
