"""Several labels of a text as lines, one for each label with yes or no behind it, which a decoder is scored by.

How much likelier `sport: yes` is than `sport: no` says whether the label applies, whatever holds for the others and
however many there are. What the label's own tokens cost is in both, and so makes no difference.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from trifold.llm.prompt_template import Prompt, as_written

_FORM = "Answer with a line for each of these, with yes or no behind it, as in"


def asking_for_lines(prompt: Prompt) -> Prompt:
    """A prompt for several labels that asks for lines, unless it says itself what answers are like."""
    words = list(prompt.output.labels.values())
    if not words or (prompt.output.format and prompt.output.json_schema() is None):
        return prompt
    form = f"{_FORM} `{words[0]}: yes`: {', '.join(words)}."
    return replace(prompt, output=replace(prompt.output, format=as_written(form), schema={}))


def lines_of(words: Sequence[str], chosen: Collection[str]) -> str:
    """The answer where some of the labels apply.

    Args:
        words: The words for the labels.
        chosen: Those that apply.
    """
    return "\n".join(f"{word}: {'yes' if word in chosen else 'no'}" for word in words)


def scored_lines(words: Sequence[str]) -> tuple[str, ...]:
    """The lines that are scored: each word with yes, and with no."""
    return tuple(f"{word}: {said}" for word in words for said in ("yes", "no"))


def line_odds(scores: np.ndarray) -> np.ndarray:
    """Log-odds that each label applies, `(texts, words)`, of the `(texts, 2 * words)` scores of `scored_lines`."""
    odds: np.ndarray = scores[:, ::2] - scores[:, 1::2]
    return odds
