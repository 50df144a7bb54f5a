"""Labels as options with letters, so that a model answers by one token, whatever the labels are called."""

import string
from collections.abc import Sequence
from dataclasses import replace

from trifold.errors import PromptError, require
from trifold.llm.prompt_template import Example, Prompt, as_written

LETTERS = string.ascii_uppercase
_FORM = "Answer with the letter of one of these and nothing else:"


def letters_of(words: Sequence[str], listed: Sequence[str]) -> tuple[str, ...]:
    """The letter of each word.

    Args:
        words: The words for the labels.
        listed: The same in the order in which they are listed.
    """
    letter = dict(zip(listed, LETTERS, strict=False))
    return tuple(letter[word] for word in words)


def asking_for_letters(prompt: Prompt) -> Prompt:
    """A prompt for one label that lists its labels with letters and asks for one of those; its examples answer so."""
    listed = list(prompt.output.labels.values())
    options = "\n".join(f"{letter}) {word}" for letter, word in zip(LETTERS, listed, strict=False))
    form = as_written(f"{_FORM}\n{options}")
    return replace(
        prompt,
        output=replace(prompt.output, format=form),
        examples=tuple(_by_letter(example, listed) for example in prompt.examples),
    )


def require_letters(prompt: Prompt, words: Sequence[str], name: str) -> None:
    """Refuse a task that letters cannot stand for.

    Args:
        prompt: The instructions.
        words: The words for the labels.
        name: Of the model.

    Raises:
        SettingsError: If there are more labels than letters, rows have several labels, or the prompt lists no labels.
        PromptError: If an example of the prompt answers with no label.
    """
    flag = f"--score-by letters with {name}"
    require(len(words) <= len(LETTERS), flag, f"there are {len(LETTERS)} letters for {len(words)} labels: take words")
    require(not prompt.output.several, flag, "rows have several labels, each judged by itself: take words")
    require(
        not prompt.output.format,
        flag,
        "only a prompt without an output format of its own lists its labels: take words, or leave out output.format",
    )
    for example in prompt.examples:
        _by_letter(example, words)


def _by_letter(example: Example, listed: Sequence[str]) -> Example:
    said = example.output.strip().casefold()
    found = [letter for letter, word in zip(LETTERS, listed, strict=False) if word.strip().casefold() == said]
    if not found:
        raise PromptError(
            f"the prompt has an example with the output {example.output[:60]!r}, which is none of its labels "
            f"({', '.join(listed)}): correct it, or take --score-by words"
        )
    return replace(example, output=found[0])
