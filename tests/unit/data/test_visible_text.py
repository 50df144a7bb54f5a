"""What can be seen of a text, and which labels only look alike."""

from pathlib import Path

import pytest

from trifold.classifier import TextClassifier
from trifold.data.check import summarise_data
from trifold.data.columns import unusable_text
from trifold.data.examples import label_variants, load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import DataError

UNSEEN = [
    "\u200b", "\u200c\u200d", "\ufeff", "\u2060", "\u00ad", "\ufe0f\ufe0e", "\x01\x7f\x9f", "\u3164", "\u2800", "\U000e0001",
    " \u200b\t\ufeff\n", "\u00a0\u3000",
]  # fmt: skip


@pytest.mark.parametrize("text", UNSEEN)
def test_a_text_of_which_nothing_can_be_seen_is_empty(text: str) -> None:
    assert unusable_text(text) == "the text is empty"


@pytest.mark.parametrize("text", ["a\u200b", "\u200b。", "❤\ufe0f", "é", "0", "\u0301", "\ue000"])
def test_a_text_of_which_something_can_be_seen_is_not(text: str) -> None:
    assert unusable_text(text) is None


def test_rows_without_a_visible_text_or_label_are_reported(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(
        "text,label\na long text,x\n\u200b\ufeff,y\nb,\u200b\n\x01,x\nanother long text,y\n", encoding="utf-8"
    )
    data = load_examples(tmp_path / "a.csv", DataSettings())
    assert [(row.line, row.reason) for row in data.bad_rows] == [
        (3, "the text is empty"),
        (4, "it has no label"),
        (5, "the text is empty"),
    ]
    assert data.examples.texts == ("a long text", "another long text")


def test_the_estimator_holds_the_same_texts_for_empty() -> None:
    with pytest.raises(DataError, match="the text is empty"):
        TextClassifier("tfidf").fit(["a", "\u200b"] * 10, [0, 1] * 10)


@pytest.mark.parametrize(
    "other",
    ["cafe\u0301", "caf\u200bé", "Café", "café\u00a0", "ｃａｆé", "\ufeffcafé", "ca\u00adfé", "CAFÉ\ufe0f"],
)
def test_labels_that_only_look_alike_are_variants(other: str) -> None:
    assert label_variants(["café", "café", other, "bar"]) == {other: "café"}


@pytest.mark.parametrize("other", ["cafe", "café²", "ca fé", "①", "½"])
def test_labels_that_say_something_else_are_none(other: str) -> None:
    assert label_variants(["café", "café", other, "1", "1\u20442"]) == {}


def test_variants_of_unicode_form_are_flagged_by_escapes_and_merged_when_asked(tmp_path: Path) -> None:
    labels = ["caf\u00e9", "cafe\u0301", "bar"] * 14 + ["caf\u00e9"]
    rows = "".join(f"text number {i},{label}\n" for i, label in enumerate(labels))
    (tmp_path / "a.csv").write_text("text,label\n" + rows, encoding="utf-8")
    data = load_examples(tmp_path / "a.csv", DataSettings())
    assert summarise_data(data, split_examples(data.examples)).warnings()[0] == (
        r"label 'cafe\u0301' (14 rows) looks like 'caf\xe9' (15 rows): --merge-labels makes them one"
    )
    merged = load_examples(tmp_path / "a.csv", DataSettings(merge_labels=True))
    assert set(merged.examples.labels) == {"caf\u00e9", "bar"}
