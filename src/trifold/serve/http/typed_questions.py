"""Typed questions about a text, answered by a trained run: which option fits, or whether a label applies.

A run knows its own labels and no others, so a question is answered where it asks about these.
"""

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from trifold.data.label_matching import known_labels, plain_text, spelling
from trifold.serve.replies import TextAnswer
from trifold.serve.served_run import ServedRun
from trifold.web.refusals import Refusal

_SHOWN_LABELS = 20
_WORD, _WORD_BEGINS = re.compile(r"\w"), re.compile(r"(?<!\w)(?=.)", re.DOTALL)


@dataclass(frozen=True)
class Choice:
    """Which of some options fits best.

    Attributes:
        options: As the request has them, at least two; the run's labels where it names none.
        labels: The run's label for each option.
    """

    options: tuple[str, ...]
    labels: tuple[int, ...]

    def probabilities(self, answer: TextAnswer) -> dict[str, float]:
        """Option to probability: those of the run, given that it is one of these."""
        found = [answer.probabilities[number] for number in self.labels]
        whole = sum(found)
        shares = [one / whole for one in found] if whole > 0 else [1 / len(found)] * len(found)
        return dict(zip(self.options, shares, strict=True))


@dataclass(frozen=True)
class Predicate:
    """Whether a label applies.

    Attributes:
        label: The run's label.
    """

    label: int

    def probability(self, answer: TextAnswer) -> float:
        """That it does."""
        return answer.probabilities[self.label]


def choice_of(run: ServedRun, name: str, options: Sequence[str]) -> Choice:
    """A question for one of several options.

    Args:
        run: That answers.
        name: Of the question, for messages.
        options: Labels of the run; all of them where there is none.

    Raises:
        Refusal: If an option is no label of the run, or the run gives several labels a text.
    """
    if run.multi_label:
        raise Refusal(
            422,
            f"question {name!r} is for one choice, and {run.name} gives a text any number of labels: ask whether each "
            f"applies (noul, or predicate); its labels are {_listed(run)}",
        )
    if not options:
        return Choice(run.labels, tuple(range(len(run.labels))))
    given = tuple(options)
    if len(given) < 2:
        raise Refusal(422, f"question {name!r} has one option: send two or more, or none for all of the run's labels")
    # Of more options than labels, one of the first is none or the same as another.
    numbers = tuple(_number(run, name, option) for option in given[: len(run.labels) + 1])
    if len(set(numbers)) < len(numbers):
        raise Refusal(422, f"question {name!r} has two options that are the same label of {run.name}: leave one out")
    return Choice(given, numbers)


def predicate_of(run: ServedRun, name: str, instructions: str) -> Predicate:
    """A question whether a label applies: its name is the label, or the instructions name one label and no other.

    Raises:
        Refusal: If neither does.
    """
    if name in _names(run.labels).numbers:
        return Predicate(_names(run.labels).numbers[name])
    last = instructions.strip().rpartition("\n")[2]
    # What stands before may be about all of the labels, as in a prompt that lists them.
    for part in dict.fromkeys((last, instructions)):
        named = _named(part, run.labels)
        if len(named) == 1:
            return Predicate(named[0])
    raise Refusal(
        422,
        f"question {name!r} is about no label of {run.name}: call it by a label, or name one label in the "
        f"instructions; its labels are {_listed(run)}",
    )


def unknown_kind(run: ServedRun, name: str, kind: str, known: Sequence[str]) -> Refusal:
    """Why a question of another kind gets no answer."""
    sentence = f"question {name!r} is of type {kind!r}, which {run.name} cannot answer: it gives labels, so ask "
    return Refusal(422, f"{sentence}{' or '.join(known)}; its labels are {_listed(run)}")


def confidence(shares: Mapping[str, float]) -> float:
    """1 where one option has all of the probability, 0 where all have the same."""
    count, most = len(shares), max(shares.values())
    return max(0.0, (count * most - 1) / (count - 1))


@dataclass(frozen=True)
class _Names:
    """The labels of a run, as questions may name them.

    Attributes:
        numbers: Label to its number.
        alike: A usual form of a label to those that have it.
        lengths: Of the labels in lower case, the longest first.
        lowered: Label in lower case to the numbers of those that it may be.
    """

    numbers: Mapping[str, int]
    alike: Mapping[str, Sequence[str]]
    lengths: Sequence[int]
    lowered: Mapping[str, Sequence[int]]


@lru_cache(maxsize=64)
def _names(labels: tuple[str, ...]) -> _Names:
    alike: dict[str, list[str]] = defaultdict(list)
    lowered: dict[str, list[int]] = defaultdict(list)
    for number, label in enumerate(labels):
        for form in {plain_text(label), spelling(label)}:
            alike[form].append(label)
        lowered[label.lower()].append(number)
    lengths = sorted({len(label) for label in lowered}, reverse=True)
    return _Names({label: number for number, label in enumerate(labels)}, alike, lengths, lowered)


def _number(run: ServedRun, name: str, option: str) -> int:
    names = _names(run.labels)
    if option in names.numbers:
        return names.numbers[option]
    near = [*names.alike.get(plain_text(option), ()), *names.alike.get(spelling(option), ())]
    same = known_labels([option], near, merge=True)
    if option not in same:
        raise Refusal(
            422, f"question {name!r} has the option {option!r}, which is no label of {run.name}: it has {_listed(run)}"
        )
    return names.numbers[str(same[option])]


def _named(text: str, labels: tuple[str, ...]) -> list[int]:
    """The labels that stand in a text as words of their own; of two that overlap the longer one alone.

    The time that it takes grows with the text, but not with the number of labels or of places where they stand.
    """
    names, text = _names(labels), text.lower()
    found: set[int] = set()
    # Until there, a label that began before stands in the text.
    covered = 0
    for begun in _WORD_BEGINS.finditer(text):
        start = begun.start()
        for length in names.lengths:
            end = start + length
            if covered < end <= len(text) and text[start:end] in names.lowered and not _is_inside_word(text, end):
                found.update(names.lowered[text[start:end]])
                covered = end
                break
    return sorted(found)


def _is_inside_word(text: str, place: int) -> bool:
    return place < len(text) and _WORD.match(text, place) is not None


def _listed(run: ServedRun) -> str:
    more = len(run.labels) - _SHOWN_LABELS
    return ", ".join(run.labels[:_SHOWN_LABELS]) + (f" and {more} more" if more > 0 else "")
