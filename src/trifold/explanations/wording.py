"""What is said of an explained text, in words that the terminal and the page share."""

from collections import Counter
from collections.abc import Iterable

from trifold.explanations.explanation import ExplainedRow, Word
from trifold.tasks.labels import as_text


def headline(found: ExplainedRow) -> str:
    """Where a text stands, what the model says of it and what the file does.

    Such as `Row 3 (line 4): the model says good (98.7 %), the file says bad. The model was trained on this text.`
    """
    row, one = found.row, found.explanation
    place = "" if row.row is None else f"Row {row.row:,} (line {row.line:,}): "
    probability = f"({100 * one.probability:.1f} %)"
    predicted = as_text(one.predicted) or "no label"
    said = f"the model says {predicted}"
    said += (
        f" {probability}" if predicted == as_text(one.label) else f"; what is explained is {one.label} {probability}"
    )
    if row.truth is not None:
        said += f", the file says {as_text(row.truth) or 'no label'}"
    if row.learned:
        said += ". The model was trained on this text."
    return place + (said if place else said[0].upper() + said[1:])


def named_words(words: Iterable[Word]) -> list[str]:
    """The words, each once however it is capitalised, with how often it is among them where that is more than once."""
    spelt: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for word in words:
        key = word.text.casefold()
        spelt.setdefault(key, word.text)
        counts[key] += 1
    return [text if counts[key] == 1 else f"{text} ({counts[key]} times)" for key, text in spelt.items()]
