"""docs/rivals.md is what benchmarks/rivals_page.py makes of the kept answers, and what is shipped holds beside the rivals."""

import pytest

import rivals_page


def test_the_page_is_made_from_the_kept_answers() -> None:
    assert rivals_page.PAGE.read_text(encoding="utf-8") == rivals_page.page()


def test_every_tool_answered_the_same_rows() -> None:
    for data in rivals_page.kept_sets():
        labels = {
            name: [(row["row"], row["label"]) for row in rows]
            for name, rows in rivals_page.answers().items()
            if name.startswith(f"{data}/")
        }
        assert len(labels) >= 3
        assert len({tuple(found) for found in labels.values()}) == 1


@pytest.mark.parametrize("data", rivals_page.kept_sets())
def test_what_is_shipped_is_not_below_the_best_rival_by_more_than_the_noise(data: str) -> None:
    points, _, high = rivals_page.lead(data)
    assert points >= 0 or high >= 0
