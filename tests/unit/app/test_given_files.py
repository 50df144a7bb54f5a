"""Files that were given: names, folders, and what is left of one that did not arrive."""

from pathlib import Path

import pytest

from trifold.app.files import GivenFiles
from trifold.app.names import safe_name
from trifold.errors import DataError


@pytest.mark.parametrize(
    ("given", "safe"),
    [
        ("reviews.csv", "reviews.csv"),
        ("../../etc/reviews.csv", "reviews.csv"),
        ("C:\\data\\reviews.CSV", "reviews.csv"),
        ("a\x00b.csv", "ab.csv"),
        ("con.csv", "file-con.csv"),
        ("LPT1.old.csv", "file-LPT1.old.csv"),
        ("-rf.csv", "rf.csv"),
        (".hidden.csv", "hidden.csv"),
        ("..csv", "file.csv"),
        ("<script>alert(1)</script>.csv", "script_.csv"),
        ("=cmd().xlsx", "_cmd().xlsx"),
        ("$HOME `id`.csv", "_HOME _id_.csv"),
        ("日本語 レビュー.csv", "日本語 レビュー.csv"),
        ("x" * 5_000 + ".csv", "x" * 100 + ".csv"),
        ("レ" * 500 + ".csv", "レ" * 33 + ".csv"),
        ("reviews .csv", "reviews.csv"),
    ],
)
def test_names_are_made_safe(given: str, safe: str) -> None:
    assert safe_name(given) == safe


@pytest.mark.parametrize(
    "given", ["", "/", "..", "reviews", "reviews.exe", "reviews.csv/", "reviews.csv\x00.exe", ".csv/.."]
)
def test_what_is_no_data_file_is_refused(given: str) -> None:
    with pytest.raises(DataError, match=r"choose one that ends in \.csv"):
        safe_name(given)


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
