"""Makes docs/rivals.md from the raw rows and facts in results/rivals.

    python benchmarks/rivals_page.py

A test checks that the page is what this makes of them.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from result_tables import Row, rows_by_run
from trifold.statistics.paired import lead_upper_bound

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "rivals"
PAGE = ROOT / "docs" / "rivals.md"
# Of each data set, what it is.
SETS = {
    "banking-like": "77 classes of short texts: TREC's fine types, GoEmotions' emotions, AG News' topics",
    "ag_news": "AG News, 4 topics",
    "trec": "TREC, 6 types of question",
    "imdb": "IMDB, the first 4,000 reviews",
    "sst2": "SST-2, 6,000 training phrases and the dev sentences",
}
RIVALS = {
    "autointent": "AutoIntent, `classic-light`",
    "pocketforge": "PocketForge",
    "embeddings": "sentence-transformers' vectors and logistic regression",
    "words": "scikit-learn's TF-IDF and logistic regression",
}
OURS = {
    "trifold-tfidf": "Trifold, `tfidf`",
    "trifold-features": "Trifold, `features`",
    "trifold-full": "Trifold, `full`",
}
_Z = 1.959964


@cache
def answers() -> dict[str, list[Row]]:
    """The raw rows by `DATA/TOOL`."""
    return rows_by_run(RESULTS / "rows.parquet")


@cache
def facts(data: str) -> dict[str, Any]:
    """What is known of each tool's run on a data set."""
    found: dict[str, Any] = json.loads((RESULTS / f"{data}.json").read_text())
    return found


def kept_sets() -> list[str]:
    """The data sets on which Trifold and a rival were measured, in the order of the page."""
    found = {data: facts(data) for data in SETS if (RESULTS / f"{data}.json").exists()}
    return [data for data, tools in found.items() if "trifold" in tools and tools.keys() & RIVALS]


def right(data: str, tool: str) -> np.ndarray:
    """`(rows,)` whether a tool's answer to each test row is its label."""
    return np.array([row["prediction"] == row["label"] for row in answers()[f"{data}/{tool}"]])


def percent(data: str, tool: str) -> str:
    """A tool's accuracy."""
    return f"{100 * right(data, tool).mean():.1f} %"


def shipped(data: str) -> str:
    """The name of the method that Trifold ships."""
    return f"trifold-{facts(data)['trifold']['ships']}"


def best_rival(data: str) -> str:
    """The rival with the highest accuracy on the test rows."""
    measured = [name for name in RIVALS if f"{data}/{name}" in answers()]
    return max(measured, key=lambda name: right(data, name).mean())


def lead(data: str) -> tuple[float, float, float]:
    """Points of accuracy that the shipped method leads the best rival by, with their 95 % interval (Tango 1998)."""
    ours, theirs = right(data, shipped(data)), right(data, best_rival(data))
    won, lost, rows = (ours & ~theirs).sum(), (theirs & ~ours).sum(), len(ours)
    high, low = (float(lead_upper_bound(*pair, rows, _Z)) for pair in ((won, lost), (lost, won)))
    return 100 * float(won - lost) / rows, -100 * low, 100 * high


def page() -> str:
    """The whole page."""
    lines = [
        *_HEAD.splitlines(),
        "",
        *_verdicts(),
        "",
        "## Every tool",
        "",
        *_scores(),
        "",
        "## Times",
        "",
        *_times(),
        "",
        *_TAIL.splitlines(),
    ]
    return "\n".join(lines) + "\n"


def _verdicts() -> list[str]:
    lines = [
        "| data | test rows | Trifold ships | accuracy | best rival | accuracy | difference, 95 % interval |",
        "|---|---|---|---|---|---|---|",
    ]
    for data in kept_sets():
        ours, theirs = shipped(data), best_rival(data)
        points, low, high = lead(data)
        cells = [
            *(SETS[data], f"{len(right(data, ours)):,}", OURS[ours].removeprefix("Trifold, "), percent(data, ours)),
            *(RIVALS[theirs], percent(data, theirs), f"{points:+.1f} ({low:+.1f} to {high:+.1f})"),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _scores() -> list[str]:
    return _table(
        lambda data, tool: percent(data, tool) if f"{data}/{tool}" in answers() else "not run",
        {**OURS, **RIVALS},
    )


def _times() -> list[str]:
    def seconds(data: str, tool: str) -> str:
        found = facts(data).get(tool)
        if found is None or found["seconds"] is None:
            return "not run" if found is None else "kept"
        return f"{found['seconds']:,.0f} s" + ("" if found["quiet"] else " (busy)")

    ours = {
        "trifold": "Trifold, one comparison of its three methods",
        "frozen": "Trifold, one comparison of `tfidf` and `features`",
    }
    return _table(seconds, {**ours, **RIVALS})


def _table(cell: Any, names: dict[str, str]) -> list[str]:
    lines = ["| | " + " | ".join(kept_sets()) + " |", "|---" * (len(kept_sets()) + 1) + "|"]
    return lines + [
        f"| {said} | " + " | ".join(cell(data, tool) for data in kept_sets()) + " |" for tool, said in names.items()
    ]


_HEAD = """# Beside other tools

What Trifold ships, beside tools that choose a text classifier for you and two plain baselines: the same backbone
(minilm, by its folder), the same training, validation and test rows. A difference is paired, row by row, with its 95 %
interval (Tango 1998). Trifold's method and the best rival are both chosen on the test rows, so both figures are a
little too good. Raw answers are in `benchmarks/results/rivals`, made by `benchmarks/rivals.py`; this page is made of
them by `benchmarks/rivals_page.py`."""
_TAIL = """Seconds are of a tool's whole process, from its start to its answers. "(busy)" marks what was measured while
other work ran beside, which stretches times several times over and not evenly: those say nothing of who is quicker, and
`python benchmarks/rivals.py all --machine-is-quiet` measures again. "kept" are answers of earlier trainings on the same
rows, whose commands stand in `benchmarks/results`: their time was not taken here, and what scores highest counts as
shipped."""

if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
