"""Typed questions about a text, answered by a trained run: which option fits, or whether a label applies.

A run knows its own labels and no others, so a question is answered where it asks about these.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from trifold.data.label_matching import known_labels
from trifold.serve.replies import TextAnswer
from trifold.serve.served_run import ServedRun
from trifold.web.refusals import Refusal

_SHOWN_LABELS = 20


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
    given = tuple(options) or run.labels
    if len(given) < 2:
        raise Refusal(422, f"question {name!r} has one option: send two or more, or none for all of the run's labels")
    numbers = tuple(_number(run, name, option) for option in given)
    if len(set(numbers)) < len(numbers):
        raise Refusal(422, f"question {name!r} has two options that are the same label of {run.name}: leave one out")
    return Choice(given, numbers)


def predicate_of(run: ServedRun, name: str, instructions: str) -> Predicate:
    """A question whether a label applies: its name is the label, or the instructions name one label and no other.

    Raises:
        Refusal: If neither does.
    """
    for number, label in enumerate(run.labels):
        if name == label:
            return Predicate(number)
    lines = instructions.strip().splitlines() or [""]
    # What stands before may be about all of the labels, as in a prompt that lists them.
    for part in (lines[-1], instructions):
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


def _number(run: ServedRun, name: str, option: str) -> int:
    if option in run.labels:
        return run.labels.index(option)
    same = known_labels([option], run.labels, merge=True)
    if option not in same:
        raise Refusal(
            422, f"question {name!r} has the option {option!r}, which is no label of {run.name}: it has {_listed(run)}"
        )
    return run.labels.index(str(same[option]))


def _named(text: str, labels: Sequence[str]) -> list[int]:
    """The labels that stand in a text as words of their own; of two that overlap the longer one alone."""
    found: list[tuple[int, int, int]] = []
    for number, label in enumerate(labels):
        pattern = rf"(?<!\w){re.escape(label)}(?!\w)"
        found += [(one.start(), one.end(), number) for one in re.finditer(pattern, text, re.IGNORECASE)]
    inside = [
        (start, end, number)
        for start, end, number in found
        if not any(s <= start and end <= e and e - s > end - start for s, e, _ in found)
    ]
    return sorted({number for _, _, number in inside})


def _listed(run: ServedRun) -> str:
    more = len(run.labels) - _SHOWN_LABELS
    return ", ".join(run.labels[:_SHOWN_LABELS]) + (f" and {more} more" if more > 0 else "")
