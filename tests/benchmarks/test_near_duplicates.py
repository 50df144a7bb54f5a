"""The figures on near-duplicates follow from the pairs and predictions that were kept."""

import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "benchmarks" / "results"
DECISION = (ROOT / "docs" / "decisions" / "0027-duplicates.md").read_text(encoding="utf-8")
PAGE = " ".join((ROOT / "docs" / "duplicates.md").read_text(encoding="utf-8").split())


def test_planted_copies_are_found_and_little_else() -> None:
    pairs = pq.read_table(RESULTS / "near_duplicates" / "pairs.parquet").to_pydict()
    found, planted = np.array(pairs["found"]), np.array(pairs["planted"])
    is_planted = planted != ""
    precision = (found & is_planted).sum() / found.sum()
    recall = (found & is_planted).sum() / is_planted.sum()
    kinds = {kind: found[planted == kind].mean() for kind in sorted(set(planted[is_planted]))}
    assert is_planted.sum() == 20_000
    assert set(kinds) == {"typos", "swaps", "typography", "added", "reworded"}
    assert precision >= 0.98
    assert recall >= 0.95
    said = re.search(
        r"precision is (0\.\d+) and recall (0\.\d+); the lowest recall is that of swapped words, (0\.\d+)", PAGE
    )
    assert said is not None
    assert [float(one) for one in said.groups()] == pytest.approx(
        [round(precision, 4), round(recall, 4), round(min(kinds.values()), 3)]
    )
    assert min(kinds, key=lambda kind: kinds[kind]) == "swaps"
    facts = json.loads((RESULTS / "near_duplicates" / "facts.json").read_text())
    assert facts["seconds"] <= 120
    assert f"{facts['seconds']:.1f} s" in PAGE


def test_accuracy_with_and_without_near_duplicates_is_that_of_the_predictions() -> None:
    rows = pq.read_table(RESULTS / "near_leakage" / "predictions.parquet").to_pydict()
    sets = json.loads((RESULTS / "near_leakage" / "facts.json").read_text())["sets"]
    data, label = np.array(rows["data"]), np.array(rows["label"])
    for name, facts in sets.items():
        mine = data == name
        shares = [100 * (np.array(rows[how])[mine] == label[mine]).mean() for how in ("with", "without")]
        assert f"| {facts['near_training']:,} | {shares[0]:.1f} | {shares[1]:.1f} |" in DECISION, name
