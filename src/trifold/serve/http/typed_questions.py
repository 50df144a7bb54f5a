"""Typed questions about a text, answered by a trained run: which option fits, or whether a label applies.

A run knows its own labels and no others, so a question is answered where it asks about these.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from trifold.data.label_matching import plain_text, spelling
from trifold.formatting import shortened
from trifold.serve.replies import TextAnswer
from trifold.serve.served_run import ServedRun
from trifold.web.refusals import Refusal

_SHOWN_LABELS, _SHOWN_CHARACTERS = 20, 80
# What is looked up in labels is kept for so many versions of runs.
_KEPT_RUNS = 32
# Of all instructions of a request.
_MOST_CHARACTERS = 200_000
_PARTS = re.compile(r"\w+|[^\w\s]")


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


def require_short(instructions: Iterable[object]) -> None:
    """Refuse instructions that would take long to look through for labels.

    Raises:
        Refusal: If they are too long.
    """
    if sum(len(str(one)) for one in instructions) > _MOST_CHARACTERS:
        raise Refusal(413, f"the instructions have more than {_MOST_CHARACTERS:,} characters: ask fewer questions")


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
            f"{_called(name)} is for one choice, and {run.name} gives a text any number of labels: ask whether each "
            f"applies (noul, or predicate); its labels are {_listed(run)}",
        )
    if not options:
        return Choice(run.labels, tuple(range(len(run.labels))))
    given = tuple(options)
    if len(given) < 2:
        raise Refusal(422, f"{_called(name)} has one option: send two or more, or none for all of the run's labels")
    # Of more options than labels, one of the first is none or the same as another.
    numbers = tuple(_number(run, name, option) for option in given[: len(run.labels) + 1])
    if len(set(numbers)) < len(numbers):
        raise Refusal(422, f"{_called(name)} has two options that are the same label of {run.name}: leave one out")
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
            return Predicate(named.pop())
    raise Refusal(
        422,
        f"{_called(name)} is about no label of {run.name}: call it by a label, or name one label in the "
        f"instructions; its labels are {_listed(run)}",
    )


def unknown_kind(run: ServedRun, name: str, kind: str, known: Sequence[str]) -> Refusal:
    """Why a question of another kind gets no answer."""
    sentence = f"{_called(name)} is of type {kind!r}, which {run.name} cannot answer: it gives labels, so ask "
    return Refusal(422, f"{sentence}{' or '.join(known)}; its labels are {_listed(run)}")


def confidence(shares: Mapping[str, float]) -> float:
    """1 where one option has all of the probability, 0 where all have the same."""
    count, most = len(shares), max(shares.values())
    return max(0.0, (count * most - 1) / (count - 1))


def _number(run: ServedRun, name: str, option: str) -> int:
    same = _spellings(run.labels).get(_spelt(option), [])
    found = [number for number in same if run.labels[number] == option] or same
    if len(found) != 1:
        shown = shortened(option, _SHOWN_CHARACTERS)
        raise Refusal(
            422,
            f"{_called(name)} has the option {shown!r}, which is no label of {run.name}: it has {_listed(run)}",
        )
    return found[0]


@lru_cache(maxsize=_KEPT_RUNS)
def _spellings(labels: tuple[str, ...]) -> dict[str, list[int]]:
    """The labels by what is the same in all their spellings."""
    found: dict[str, list[int]] = {}
    for number, label in enumerate(labels):
        found.setdefault(_spelt(label), []).append(number)
    return found


def _spelt(label: str) -> str:
    return spelling(plain_text(label))


def _named(text: str, labels: tuple[str, ...]) -> set[int]:
    """The labels that stand in a text as words of their own; of two that overlap the longer one alone.

    It takes a time that grows with the text alone, however many labels there are.
    """
    table = _parts_of(labels)
    lengths = sorted({len(parts) for parts in table}, reverse=True)
    words, found, at = _PARTS.findall(text.casefold()), set[int](), 0
    while at < len(words):
        length = next((one for one in lengths if tuple(words[at : at + one]) in table), 0)
        if length:
            found.update(table[tuple(words[at : at + length])])
        at += length or 1
    return found


@lru_cache(maxsize=_KEPT_RUNS)
def _parts_of(labels: tuple[str, ...]) -> dict[tuple[str, ...], list[int]]:
    """The labels by their words and signs."""
    found: dict[tuple[str, ...], list[int]] = {}
    for number, label in enumerate(labels):
        found.setdefault(tuple(_PARTS.findall(label.casefold())), []).append(number)
    found.pop((), None)
    return found


def _called(name: str) -> str:
    return f"question {shortened(name, _SHOWN_CHARACTERS)!r}"


def _listed(run: ServedRun) -> str:
    more = len(run.labels) - _SHOWN_LABELS
    return ", ".join(run.labels[:_SHOWN_LABELS]) + (f" and {more} more" if more > 0 else "")
