"""`check` reads, splits and tokenises as training would, and trains nothing."""

import json
from pathlib import Path

from conftest import write_reviews
from trifold.models.settings import BackboneSettings
from trifold.pipeline.check import check
from trifold.pipeline.request import Request


def test_texts_that_are_too_long_are_counted(tmp_path: Path, tiny_model: Path) -> None:
    data = write_reviews(tmp_path / "some.csv")
    reports = [
        check(Request(data, backbone=BackboneSettings(model=str(tiny_model), max_length=length))) for length in (3, 60)
    ]
    assert reports[0].truncated == reports[0].facts.rows_used
    assert reports[1].truncated < reports[0].truncated
    assert reports[0].tokens == (3, 3, 3)


def test_its_figures_are_plain_json(tmp_path: Path, tiny_model: Path) -> None:
    report = check(Request(write_reviews(tmp_path / "some.csv"), backbone=BackboneSettings(model=str(tiny_model))))
    figures = json.loads(json.dumps(report.as_dict()))
    assert figures["max_length"] == 250
    assert sum(figures["labels"].values()) == figures["rows_used"]


def test_nearly_the_same_text_with_another_label_is_the_first_thing_to_look_at(
    tmp_path: Path, tiny_model: Path
) -> None:
    data = write_reviews(tmp_path / "some.csv")
    text = "nobody in the audience made a sound until the very last scene of this quiet film was over"
    data.write_text(f"{data.read_text()}{text},good\n{text} now,bad\n", encoding="utf-8")
    report = check(Request(data, backbone=BackboneSettings(model=str(tiny_model))))
    assert (242, 243) in report.near_conflicts
    assert "of nearly the same text with different labels (lines" in report.warnings()[0]
    assert report.as_dict()["near_duplicates"] >= 1


def test_a_label_that_may_be_another_name_of_one_is_told_with_what_to_do(tmp_path: Path, tiny_model: Path) -> None:
    rows = [("negative", 60), ("positive", 60), ("neg", 4)]
    lines = [f"film number {count} was {label},{label}" for label, rows_of in rows for count in range(rows_of)]
    data = tmp_path / "some.csv"
    data.write_text("\n".join(["text,label", *lines, ""]), encoding="utf-8")
    report = check(Request(data, backbone=BackboneSettings(model=str(tiny_model))))
    (told,) = [one for one in report.warnings() if "may be the same" in one]
    assert told == (
        "label 'neg' (4 rows) may be the same as 'negative' (60 rows): if so, write one name for both in the file, "
        "since --merge-labels joins spellings alone"
    )
    assert report.as_dict()["similar"] == {"neg": "negative"}
