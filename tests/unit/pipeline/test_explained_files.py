"""Explaining many rows: what is held of them at once."""

from collections.abc import Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from conftest import write_reviews
from trifold.data.settings import LabelledSettings
from trifold.explanations.explanation import Word
from trifold.inference.run import Run, load_run
from trifold.models.settings import ComputeSettings
from trifold.pipeline import explain, nearest_rows
from trifold.pipeline.finetune import finetune
from trifold.pipeline.nearest_rows import TrainingRows
from trifold.pipeline.request import Request


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("linear")
    finetune(Request(write_reviews(folder / "some.csv")), "tfidf", folder / "run", announce=False)
    return load_run(folder / "run")


def test_the_nearest_rows_of_many_texts_are_found_some_texts_at_a_time(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, texts = TrainingRows(run, ComputeSettings()), ["The film is superb", "The end is dull", "A film", "An actor"]
    at_once = rows.nearest(texts, 3)
    sizes: list[int] = []
    vectors = run.predictor.vectors

    def counted(some: Sequence[str]) -> Any:
        sizes.append(len(some))
        return vectors(some)

    monkeypatch.setattr(run.predictor, "vectors", counted)
    monkeypatch.setattr(nearest_rows, "_QUERIES_AT_ONCE", 3)
    assert rows.nearest(texts, 3) == at_once
    assert sizes == [3, 1]
    assert rows.nearest([], 3) == []


def test_the_overview_of_a_linear_model_holds_one_row_at_a_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    read, weighed, texts_of, weigh = 0, 0, explain._texts, explain.weigh_text

    def texts(*given: Any) -> Iterator[Any]:
        nonlocal read
        for row in texts_of(*given):
            read += 1
            yield row

    def counted(*given: Any) -> tuple[int, list[Word]]:
        nonlocal weighed
        weighed += 1
        assert read == weighed
        return weigh(*given)

    monkeypatch.setattr(explain, "_texts", texts)
    monkeypatch.setattr(explain, "weigh_text", counted)
    found = explain.overview(run, run.folder.parent / "some.csv", LabelledSettings(), 3, None)
    assert (found.texts, found.of, weighed) == (240, 240, 240)
    assert sum(label.texts for label in found.labels) == 240


@pytest.mark.parametrize(("asks_llm", "most", "looked_at"), [(True, None, 20), (False, None, 200), (True, 30, 30)])
def test_of_a_file_a_language_model_reads_few_rows(
    asks_llm: bool, most: int | None, looked_at: int, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run.predictor, "contributions", lambda *_: None)
    monkeypatch.setattr(explain, "method_entry", lambda _: SimpleNamespace(asks_llm=asks_llm))
    monkeypatch.setattr(explain, "weigh_text", lambda *_: (0, []))
    found = explain.overview(run, run.folder.parent / "some.csv", LabelledSettings(), 3, most)
    assert (found.texts, found.of) == (looked_at, 240)
