"""Names that a browser sends, made fit to name a file."""

import pytest

from trifold.errors import DataError
from trifold.web.names import safe_name


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
