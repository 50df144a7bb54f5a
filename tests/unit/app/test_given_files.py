"""Files that were given: folders, and what is left of one that did not arrive."""

from pathlib import Path

import pytest

from trifold.app.files import GivenFiles
from trifold.errors import DataError


def test_a_file_is_there_once_it_is_whole(tmp_path: Path) -> None:
    files = GivenFiles(tmp_path / "files")
    with files.arriving("../reviews.csv") as (number, path):
        path.write_text("text,label\na,b\n")
        assert files.all() == []
    assert GivenFiles(tmp_path / "files").path(number).read_text() == "text,label\na,b\n"
    assert [record.name for _, record in files.all()] == ["reviews.csv"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["files"]


def test_nothing_is_left_of_a_file_that_fails_to_arrive(tmp_path: Path) -> None:
    files = GivenFiles(tmp_path)
    with pytest.raises(DataError, match="the file is empty"), files.arriving("reviews.csv") as (_, path):
        path.touch()
    with pytest.raises(KeyError), files.arriving("reviews.csv") as (_, path):
        {}[path.write_text("text")]
    assert list(tmp_path.iterdir()) == []


def test_what_was_arriving_as_the_app_was_killed_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "0123456789ab"
    left.mkdir()
    (left / "reviews.csv").write_text("te")
    assert GivenFiles(tmp_path).all() == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "number", ["", "..", "../files", "0123456789ab", "0123456789ab/../x", "0123456789AB", "a" * 5_000]
)
def test_a_number_that_is_none_finds_nothing(number: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no such file"):
        GivenFiles(tmp_path).path(number)
