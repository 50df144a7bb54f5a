"""Summaries of texts, files and folders, and their measure."""

import csv
import json
from pathlib import Path

import pytest

from trifold.data.settings import ResultSettings, TextSettings
from trifold.documents.summaries.settings import SummarySettings
from trifold.errors import BackboneError, DataError
from trifold.models.settings import EncodingSettings
from trifold.pipeline.evaluate_summaries import evaluate_summaries
from trifold.pipeline.summarize import Summarizer, document_text, summarize_file

TEXT = (
    "The film is superb. The cast is dull and the plot is dull. The score is awful. The plot is dull. A pace is boring."
)


@pytest.fixture(scope="module")
def summarizer(tiny_model: Path) -> Summarizer:
    settings = EncodingSettings(device="cpu", precision="float32", max_length=32)
    return Summarizer(str(tiny_model), settings, SummarySettings(sentences=2))


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_row_comes_back_with_a_summary_of_its_own_sentences(summarizer: Summarizer, tmp_path: Path) -> None:
    (tmp_path / "new.jsonl").write_text(
        "".join(json.dumps({"id": n, "text": t}) + "\n" for n, t in enumerate([TEXT, "", "…"]))
    )
    result = ResultSettings(output=tmp_path / "out.csv")
    counts = summarize_file(summarizer, tmp_path / "new.jsonl", TextSettings(), result, cited=True)
    first, empty, wordless = rows_of(tmp_path / "out.csv")
    assert [TEXT.split(". ").index(part.rstrip(".")) + 1 for part in first["summary"].split(". ")] == [
        int(number) for number in first["sources"].split()
    ]
    assert (empty["summary"], empty["error"]) == ("", "line 2: the text is empty")
    assert wordless["error"] == "the text has no sentence with a word"
    assert (counts.summarized, counts.failed, counts.unreadable) == (1, 1, 1)
    assert counts.in_words() == "1 row summarized, 1 failed, 1 unreadable"


def test_a_folder_gives_a_row_a_document_and_a_document_is_one_text(summarizer: Summarizer, tmp_path: Path) -> None:
    folder = tmp_path / "texts"
    folder.mkdir()
    (folder / "b.md").write_text(f"# On films\n\n{TEXT}")
    (folder / "a.txt").write_text(TEXT)
    (folder / "c.txt").write_bytes(bytes(range(32)) * 9)
    summarize_file(summarizer, folder, TextSettings(), ResultSettings(output=tmp_path / "out.csv"))
    found = rows_of(tmp_path / "out.csv")
    assert [(row["path"], row["title"], bool(row["summary"])) for row in found] == [
        ("a.txt", "a", True),
        ("b.md", "On films", True),
        ("c.txt", "", False),
    ]
    assert "binary" in found[2]["error"]
    assert document_text(folder / "a.txt", None) == TEXT
    assert document_text(folder, None) is document_text(tmp_path / "table.csv", None) is None


def test_summaries_are_measured_beside_the_first_sentences(summarizer: Summarizer, tmp_path: Path) -> None:
    lead = "The film is superb. The cast is dull and the plot is dull."
    rows = [
        {"document": TEXT, "highlights": lead},
        {"document": "The plot.", "highlights": "The plot."},
        {"document": TEXT, "highlights": ""},
    ]
    (tmp_path / "news.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = evaluate_summaries(summarizer, tmp_path / "news.jsonl", TextSettings(text_column="document"))
    assert [row.row for row in found.rows] == [1, 2]
    assert [row.lead.rouge_1 for row in found.rows] == [1, 1]
    assert found.rows[1].same
    assert found.unreadable == 1
    told = found.described()
    assert told["rows"] == 2
    assert found.interval("rouge_1", "lead").value == 1
    with pytest.raises(DataError, match=r"there is no column 'highlight' \(did you mean 'highlights'\?\)"):
        evaluate_summaries(summarizer, tmp_path / "news.jsonl", TextSettings(text_column="document"), "highlight")


def test_a_text_in_a_script_that_the_tokenizer_lacks_is_refused(tiny_model: Path) -> None:
    settings = EncodingSettings(device="cpu", precision="float32")
    text = ("\N{GREEK SMALL LETTER ALPHA} " * 200 + "\n\n") * 6
    with pytest.raises(BackboneError, match="knows 0 of the"):
        Summarizer(str(tiny_model), settings).summarize([text])
