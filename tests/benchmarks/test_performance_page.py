"""docs/performance.md is what benchmarks/performance_page.py makes of the kept times."""

import performance_page


def test_the_page_is_made_from_the_kept_times() -> None:
    assert performance_page.PAGE.read_text(encoding="utf-8") == performance_page.page()


def test_a_ratio_is_of_medians() -> None:
    turns = {"a": [{"s": 1.0}, {"s": 9.0}, {"s": 2.0}], "b": [{"s": 4.0}]}
    assert performance_page.medians({"figure": "s", "turns": turns}) == {"a": 2.0, "b": 4.0}
