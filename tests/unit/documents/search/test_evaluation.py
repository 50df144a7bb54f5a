import pytest

from trifold.documents.search.evaluation import evaluate_rankings


def test_rankings_beside_each_other_with_what_the_later_ones_are_ahead() -> None:
    relevance = [{"a": 1.0}, {"b": 1.0}] * 10
    found = evaluate_rankings({"worse": [["x", "a"], ["b"]] * 10, "better": [["a"], ["b"]] * 10}, relevance)
    worse, better = found.rankings
    assert better.figures["ndcg@10"].value == 1
    assert worse.figures["mrr@10"].value == 0.75
    assert worse.figures["recall@10"].value == 1
    (lead,) = found.leads
    assert (lead.ahead, lead.behind) == ("better", "worse")
    assert lead.by.value == pytest.approx(1 - worse.figures["ndcg@10"].value)
    assert 0 < lead.by.low < lead.by.value < lead.by.high
