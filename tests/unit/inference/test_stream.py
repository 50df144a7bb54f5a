"""The loop over a file's rows: order, bad rows, slices, progress of a file that fails."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from trifold import TextClassifier
from trifold.data.columns import Columns
from trifold.data.examples import open_rows
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.table import ResultTable
from trifold.errors import DataError, SettingsError
from trifold.inference.run import Run, load_run
from trifold.inference.stream import Counts, label_rows, predict_file, require_result, write_labelled
from trifold.types import BadRow, Record

ROWS = 2_500


def lengths(_: Sequence[Record], texts: Sequence[str]) -> Iterator[Mapping[str, object]]:
    for text in texts:
        yield {"length": len(text)}


def rows_of(path: Path) -> tuple[list[Record | BadRow], Columns]:
    _, columns, rows = open_rows(path, TextSettings())
    return list(rows), columns


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A file longer than two slices, every hundredth row of it without a text."""
    path = tmp_path / "texts.csv"
    lines = [f"{number},{'' if number % 100 == 0 else 'word ' * (number % 7) + 'end'}" for number in range(ROWS)]
    path.write_text("\n".join(["id,text", *lines]) + "\n")
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    texts = [f"the {word} film number {number}" for number, word in enumerate(["superb", "dull"] * 20)]
    folder: Path = tmp_path_factory.mktemp("runs") / "run"
    TextClassifier("tfidf").fit(texts, ["good", "bad"] * 20).save(folder)
    return load_run(folder)


def test_every_row_comes_out_in_its_order_and_bad_rows_say_why(source: Path) -> None:
    rows, columns = rows_of(source)
    found = list(label_rows(rows, columns, lengths))
    assert [row["id"] for row in found] == [str(number) for number in range(ROWS)]
    for number, row in enumerate(found):
        if number % 100 == 0:
            assert ("length" in row, str(row["error"]).startswith(f"line {number + 2}: ")) == (False, True)
        else:
            assert (row["length"], row.get("error")) == (5 * (number % 7) + 3, None)


def test_a_labeller_gets_usable_rows_in_slices_that_do_not_grow_with_the_file(source: Path) -> None:
    sizes = []

    def sized(rows: Sequence[Record], texts: Sequence[str]) -> Iterator[Mapping[str, object]]:
        sizes.append(len(texts))
        return lengths(rows, texts)

    rows, columns = rows_of(source)
    assert len(list(label_rows(rows, columns, sized))) == ROWS
    assert sum(sizes) == ROWS - ROWS // 100
    assert max(sizes) <= 1_024


def test_a_labeller_that_fails_leaves_no_file(source: Path, tmp_path: Path) -> None:
    def failing(_: Sequence[Record], texts: Sequence[str]) -> Iterator[Mapping[str, object]]:
        raise DataError("no more")
        yield {}

    table, columns, rows = open_rows(source, TextSettings())
    with pytest.raises(DataError, match="no more"):
        write_labelled(
            label_rows(rows, columns, failing), ResultTable(table, {}), ResultSettings(output=tmp_path / "out.csv")
        )
    assert not (tmp_path / "out.csv").exists()


def test_predictions_stand_beside_the_rows_of_the_file(run: Run, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("id,text\n1,a superb film\n2,\n3,a dull film\n")
    counts = predict_file(run, tmp_path / "new.csv", result=ResultSettings(output=tmp_path / "out.csv"))
    assert counts == Counts(labelled=2, unreadable=1)
    assert counts.in_words() == "2 rows labelled, 1 unreadable"
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert lines[0] == "id,text,prediction,probability,truncated,error"
    assert [line.split(",")[2] for line in lines[1:]] == ["good", "", "bad"]
    assert lines[2].startswith("2,,,,,line 3: ")


def test_a_column_that_predicting_adds_may_not_be_there(run: Run, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("text,error\na film,none\n")
    with pytest.raises(DataError, match="already has a column 'error', which the predictions would add: rename it"):
        predict_file(run, tmp_path / "new.csv")


@pytest.mark.parametrize("place", [0, 1])
def test_a_result_overwrites_none_of_the_files_that_it_is_made_of(place: int, source: Path, tmp_path: Path) -> None:
    files = (source, tmp_path / "others.csv")
    files[1].write_text("text\nan end\n")
    with pytest.raises(SettingsError, match="--output"):
        require_result(ResultSettings(output=files[place], force=True), *files)
    require_result(ResultSettings(output=tmp_path / "new.csv"), *files)
