"""Figures of vectors and similarity: what the page claims holds for the kept results."""

from kept_results import RESULTS, facts

PAGE = (RESULTS.parents[1] / "docs" / "vectors.md").read_text()


def test_an_untouched_encoder_agrees_with_people_as_it_does_elsewhere() -> None:
    kept = facts("similarity_untouched/facts")
    ours, theirs = (kept["spearman"][library] for library in ("trifold", "sentence_transformers"))
    assert abs(ours - theirs) <= 1e-3
    assert f"**{ours:.3f}**" in PAGE
    assert kept["largest_difference"] < 2e-7
