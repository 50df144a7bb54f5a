"""Figures of vectors and similarity: what the page claims holds for the kept results."""

import pytest
from kept_results import RESULTS, facts

PAGE = (RESULTS.parents[1] / "docs" / "vectors.md").read_text()


def test_an_untouched_encoder_agrees_with_people_as_it_does_elsewhere() -> None:
    kept = facts("similarity_untouched/facts")
    ours, theirs = (kept["spearman"][library] for library in ("trifold", "sentence_transformers"))
    assert abs(ours - theirs) <= 1e-3
    assert f"**{ours:.3f}**" in PAGE
    assert kept["largest_difference"] < 2e-7


def test_memory_does_not_grow_with_the_number_of_texts() -> None:
    if not (RESULTS / "embed_memory.json").is_file():
        pytest.skip("benchmarks/embed_memory.py has not been run yet")
    peaks: dict[str, dict[int, list[int]]] = {}
    for one in facts("embed_memory")["peaks"]:
        peaks.setdefault(one["format"], {}).setdefault(one["rows"], []).append(one["peak_bytes"])
    assert set(peaks) == {"npy", "parquet"}
    for sizes in peaks.values():
        assert set(sizes) == {10_000, 1_000_000}
        assert max(sizes[1_000_000]) <= 1.1 * min(sizes[10_000])
