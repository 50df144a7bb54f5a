"""The majority baseline: what it is, and what a verdict says of methods beside it."""

import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest

from trifold.artifact.data_record import DataRecord
from trifold.artifact.run_record import FinetuneRecord
from trifold.evaluate.leaderboard import build_leaderboard, in_words
from trifold.evaluate.majority import MAJORITY, beside_majority, majority_run
from trifold.evaluate.results import RunResult
from trifold.evaluate.verdict import decide
from trifold.statistics.constant_answer import constant_answer
from trifold.tasks.labels import LabelMap

LABELS = LabelMap(("negative", "positive"))
POSITIVE = 62
TRUTH = (np.arange(100) < POSITIVE).astype(int)


def run(method: str, right: int, milliseconds: float = 1.0, **known: object) -> RunResult:
    """A run on 100 rows, 62 of them positive, of which it answers the first so many rightly."""
    predicted = np.where(np.arange(100) < right, TRUTH, 1 - TRUTH)
    record = {field.name: None for field in fields(FinetuneRecord)}
    data = {field.name: None for field in fields(DataRecord)} | {"parts": {"training": 320}}
    record |= {"method": method, "ms_per_text": milliseconds, "data": DataRecord(**data), "size_bytes": 10}
    record |= {
        "majority": {"labels": ["positive"], "label_rows": [122, 198]},
        "peak_memory_bytes": 1,
        "train_seconds": 2.0,
        "trainable_parameters": 3,
    }
    metrics = {"accuracy": {"value": right / 100, "low": 0.0, "high": 1.0}, "macro_f1": {"value": 0.5}}
    confidence = np.full(100, 0.9)
    return RunResult(
        folder=Path(method),
        name=method,
        method=method,
        labels=LABELS,
        rows=np.arange(100),
        truth=TRUTH,
        predicted=predicted,
        confidence=confidence,
        metrics=metrics,
        record=FinetuneRecord(**{**record, "ms_per_text_range": (milliseconds, milliseconds), **known}),
    )


def test_it_answers_the_commonest_training_label_and_costs_nothing() -> None:
    majority = majority_run(run("tfidf", 58))
    assert majority is not None
    assert majority.figure("accuracy").value == POSITIVE / 100
    assert majority.figure("roc_auc").value == 0.5
    rows = build_leaderboard([run("tfidf", 58)], "accuracy", majority)
    assert [row.method for row in rows] == [MAJORITY, "tfidf"]
    assert (rows[0].ms_per_text, rows[0].size_bytes, rows[0].train_seconds) == (0, 0, 0)
    assert in_words(rows[0])["training"] == "-"
    assert in_words(rows[1])["training"] == "2.0 s"


def test_a_run_of_an_earlier_version_has_none() -> None:
    assert majority_run(run("tfidf", 58, majority=None)) is None
    assert build_leaderboard([run("tfidf", 58)], "accuracy", None)[0].method == "tfidf"


def test_where_no_method_is_above_it_none_is_to_be_shipped() -> None:
    results = [run("tfidf", 58), run("features", 60, 5.0)]
    verdict = decide(results, "accuracy", 1.0, majority_run(results[0]))
    assert verdict.sentences[0] == (
        "Ship none of these: always answering positive (62.0 % accuracy) needs no model, and no method has a better "
        "score on these rows; the best of them is features."
    )
    assert not any(sentence.startswith(("Ship tfidf", "Ship features")) for sentence in verdict.sentences)
    assert verdict.ship in ("tfidf", "features")
    assert (verdict.guess, verdict.undecided) == (True, True)
    assert verdict.majority is not None
    assert verdict.majority.below == ("tfidf", "features")


def test_every_method_that_is_not_shown_to_be_above_it_is_named() -> None:
    results = [run("tfidf", 58), run("features", 66, 5.0), run("full", 95, 9.0)]
    verdict = decide(results, "accuracy", 1.0, majority_run(results[0]))
    assert verdict.ship == "full"
    said = verdict.sentences
    assert "Not shown to be above always answering positive (62.0 % accuracy): features (66.0 %)." in said
    assert "Below always answering positive (62.0 % accuracy) on these rows: tfidf (58.0 %)." in said


def test_a_method_that_is_shown_to_be_below_is_called_so() -> None:
    results = [run("tfidf", 20), run("full", 95, 9.0)]
    verdict = decide(results, "accuracy", 1.0, majority_run(results[0]))
    assert "Shown to be below always answering positive (62.0 % accuracy): tfidf (20.0 %)." in verdict.sentences


def test_a_method_to_ship_that_is_not_shown_to_be_above_it_is_a_best_guess_before_all_else() -> None:
    results = [run("tfidf", 65), run("zero-shot", 20, 5.0)]
    verdict = decide(results, "accuracy", 1.0, majority_run(results[0]), missing=True)
    assert (verdict.ship, verdict.guess, verdict.undecided) == ("tfidf", True, True)
    first, second, *rest = verdict.sentences
    assert re.fullmatch(
        r"Ship tfidf, as a best guess: it is not shown to be better than always answering positive \(62.0 % accuracy\); "
        r"about [\d,]+ more test rows would tell \(--test-file\)\.",
        first,
    )
    assert second == (
        "At 1 ms a text it is shown to be better in accuracy than the other method that was run (95 % sure)."
    )
    assert "Shown to be below always answering positive (62.0 % accuracy): zero-shot (20.0 %)." in rest
    assert not any("tfidf (65.0 %)" in sentence for sentence in rest)


def test_so_many_more_rows_show_it_to_be_above() -> None:
    few = run("tfidf", 65)
    majority = majority_run(few)
    found = beside_majority([few], majority, "accuracy")
    assert found is not None
    assert 100 < found.rows_to_tell["tfidf"] < 10_000
    assert beside_majority([run("tfidf", 95)], majority, "accuracy").rows_to_tell == {}  # type: ignore[union-attr]


def test_where_methods_are_missing_nothing_is_said_of_any_other_there_is() -> None:
    results = [run("tfidf", 20), run("features", 30, 3.0), run("full", 95, 9.0)]
    told = {
        missing: decide(results, "accuracy", 1.0, majority_run(results[0]), missing=missing).sentences[0]
        for missing in (False, True)
    }
    assert "than any other method (95 % sure, 2 comparisons counted)" in told[False]
    assert "than each of the 2 other methods that were run (95 % sure, 2 comparisons counted)" in told[True]


def test_methods_that_are_clearly_above_it_get_no_line() -> None:
    results = [run("features", 93, 5.0), run("full", 95, 9.0)]
    assert "always answering" not in " ".join(decide(results, "accuracy", 1.0, majority_run(results[0])).sentences)


def test_one_run_alone_is_held_against_it_too() -> None:
    only = run("tfidf", 58)
    assert decide([only], "accuracy", 1.0, majority_run(only)).sentences[-1] == (
        "Shown to be below always answering positive (62.0 % accuracy): tfidf (58.0 %)."
    )


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("macro_f1", [True, True, True]),
        ("micro_f1", [True, True, False]),
        ("accuracy", [True, False, False]),
        ("recall", [False, False, True]),
    ],
)
def test_of_several_labels_a_row_the_best_set_is_answered(kind: str, expected: list[bool]) -> None:
    truth = np.array([[1, 0, 0]] * 5 + [[1, 1, 0]] * 4 + [[0, 1, 0]] * 2 + [[0, 0, 1]], dtype=bool)
    assert constant_answer(kind, truth, 3, column=2).tolist() == expected
