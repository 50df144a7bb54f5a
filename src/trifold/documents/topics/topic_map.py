"""The map of topics: one page that needs nothing else, with what it shows escaped by the template."""

from collections import Counter
from collections.abc import Sequence

import numpy as np

from trifold.documents.topics.clustering import OTHER
from trifold.documents.topics.map_layout import MOST_POINTS, plane, sampled
from trifold.documents.topics.topics import Topics
from trifold.evaluate.html_page import make_page
from trifold.formatting import counted, shortened

_SHOWN_CHARACTERS, _EXAMPLE_CHARACTERS = 300, 240
_MOST_LABELS = 50
# Coordinates are whole numbers up to here: more digits than a screen has points would only make the page larger.
_FINEST = 10_000


def topic_page(
    title: str,
    texts: Sequence[str],
    lines: Sequence[int],
    topics: Topics,
    seed: int,
    labels: Sequence[str] | None = None,
    label_column: str = "",
) -> str:
    """The page as HTML; the same for the same arguments.

    Args:
        title: Its heading.
        texts: The texts.
        lines: `(texts,)`, the line of each in its file.
        topics: As `find_topics` gives them.
        seed: Of what is random in the layout, and in the choice of points where there are more than a map holds.
        labels: `(texts,)`, what points may also be coloured by.
        label_column: Where those are from.
    """
    rows = sampled(len(texts), seed)
    points = np.rint(plane(topics.reduced[rows], seed) * _FINEST).astype(int)
    groupings = [_of_topics(topics, rows, points)]
    if labels is not None:
        groupings.append(_of_labels([labels[row] for row in rows], points))
    shown = f"; the map shows {MOST_POINTS:,} of them, drawn at random" if len(rows) < len(texts) else ""
    return make_page(
        "topics.html",
        title=title,
        summary=f"{counted(len(texts), 'text')} in {counted(len(topics.topics), 'topic')}{shown}. "
        "Texts that say alike things lie beside each other; directions and distances far apart mean nothing.",
        colourings=["topic", label_column][: len(groupings)],
        topics=[
            {
                "name": topic.name,
                "words": topic.words,
                "size": topic.size,
                "texts": [shortened(texts[position], _EXAMPLE_CHARACTERS) for position in topic.examples],
            }
            for topic in topics.topics
        ],
        others=topics.others,
        points={
            "x": points[:, 0].tolist(),
            "y": points[:, 1].tolist(),
            "texts": [shortened(texts[row], _SHOWN_CHARACTERS) for row in rows],
            "lines": [lines[row] for row in rows],
            "groupings": groupings,
        },
    )


def _of_topics(topics: Topics, rows: np.ndarray, points: np.ndarray) -> dict[str, object]:
    names = [f"{number}. {topic.name}" for number, topic in enumerate(topics.topics, start=1)]
    sizes = [topic.size for topic in topics.topics]
    groups = topics.of_text[rows].copy()
    if topics.others:
        groups[groups == OTHER] = len(names)
        names, sizes = [*names, "other"], [*sizes, topics.others]
    return _grouping(names, sizes, groups, points, len(topics.topics) if topics.others else None)


def _of_labels(labels: Sequence[str], points: np.ndarray) -> dict[str, object]:
    counts = Counter(labels).most_common()
    names = [label for label, _ in counts[:_MOST_LABELS]]
    sizes = [count for _, count in counts[:_MOST_LABELS]]
    number = {label: place for place, label in enumerate(names)}
    groups = np.array([number.get(label, len(names)) for label in labels])
    rest = sum(count for _, count in counts[_MOST_LABELS:])
    if rest:
        names, sizes = [*names, "other"], [*sizes, rest]
    return _grouping(names, sizes, groups, points, len(names) - 1 if rest else None)


def _grouping(
    names: Sequence[str], sizes: Sequence[int], groups: np.ndarray, points: np.ndarray, other: int | None
) -> dict[str, object]:
    """What the page needs to know of one way to colour its points."""
    found = []
    for number, (name, size) in enumerate(zip(names, sizes, strict=True)):
        members = np.flatnonzero(groups == number)
        at = -1 if number == other or not len(members) else int(members[_middle(points[members])])
        short = shortened(name.split(". ", 1)[-1], 40)
        found.append({"name": shortened(name, 80), "short": short, "size": int(size), "at": at})
    return {"of": groups.tolist(), "groups": found, "other": other}


def _middle(points: np.ndarray) -> int:
    """The point nearest to the median of some points."""
    return int(np.argmin(((points - np.median(points, axis=0)) ** 2).sum(axis=1)))
