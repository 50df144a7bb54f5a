"""A saved model measured on a labelled file."""

from pathlib import Path

import pytest

from trifold import TextClassifier
from trifold.data.settings import LabelledSettings
from trifold.errors import DataError
from trifold.models.settings import ComputeSettings
from trifold.pipeline.evaluate import evaluate


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    texts = [f"the {word} film number {number}" for number, word in enumerate(["superb", "dull"] * 20)]
    folder: Path = tmp_path_factory.mktemp("runs") / "run"
    TextClassifier("tfidf").fit(texts, ["good", "bad"] * 20).save(folder)
    return folder


def test_accuracy_is_the_share_of_usable_rows_that_are_right(run: Path, tmp_path: Path) -> None:
    rows = ["superb,good", "dull,bad", "dull,good", "superb,good", ",good"]
    (tmp_path / "fresh.csv").write_text("text,label\n" + "\n".join(rows) + "\n")
    found = evaluate(run, tmp_path / "fresh.csv", LabelledSettings(), ComputeSettings(), reject_below=0.01)
    assert found.metrics.accuracy.value == 0.75
    assert found.metrics.rows == 4
    assert [row.line for row in found.bad_rows] == [6]
    assert found.answered is not None
    assert (found.answered.share, found.answered.accuracy) == (1, 0.75)


def test_a_file_without_a_usable_row_is_refused(run: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("text,label\n,good\n")
    with pytest.raises(DataError, match=r"no row of .*empty.csv can be used: the text is empty"):
        evaluate(run, tmp_path / "empty.csv", LabelledSettings(), ComputeSettings())
