"""What is read of a text that is longer than the maximum: its beginning, its beginning and its end, or all in windows.

`truncate` keeps the beginning. `head+tail` keeps a quarter of the maximum from the beginning and the rest from the end,
where reviews and reports tend to conclude. `window` reads all of it in overlapping windows of one length, each of which
fits (docs/decisions/0022).

Source: Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", section 5.3.1, for `head+tail`; section 5.3.2
for the mean over the parts of a text.
"""

from typing import Any

import numpy as np

from trifold.models.settings import MAX_WINDOWS

# A token is rarely longer than this. Texts are cut to this many characters per token before they are tokenised, so that
# a text of 1 MB costs no more than a page.
_CHARACTERS_PER_TOKEN = 40
# Share of a window that the next one reads again: what one breaks off, the other has with what stands around it.
_OVERLAP = 4


def relevant_characters(text: str, max_tokens: int, long_text: str, max_windows: int = MAX_WINDOWS) -> str:
    """The characters of a text that can be part of the tokens that are kept.

    Args:
        text: Of any length.
        max_tokens: Tokens that are kept of it, or of each window.
        long_text: `truncate`, `head+tail` or `window`.
        max_windows: Windows that are kept of it.
    """
    limit = max_tokens * _CHARACTERS_PER_TOKEN
    if long_text == "truncate":
        return text[:limit]
    parts = 2 if long_text == "head+tail" else max_windows
    if len(text) <= parts * limit + parts - 1:
        return text
    return " ".join(text[start : start + limit] for start in evenly(len(text) - limit, parts))


def characters_of(
    windows: list[tuple[int, int]], text: str, max_tokens: int, max_windows: int
) -> list[tuple[int, int]]:
    """Where windows of `relevant_characters` lie in the text itself.

    Args:
        windows: Start and end of each among the relevant characters, in their order.
        text: The whole text.
        max_tokens: As for `relevant_characters`.
        max_windows: As for `relevant_characters`.

    Returns:
        Start and end of each part of the text that is in a window, none overlapping another.
    """
    limit = max_tokens * _CHARACTERS_PER_TOKEN
    begins = [0]
    if len(text) > max_windows * limit + max_windows - 1:
        begins = evenly(len(text) - limit, max_windows)
    else:
        limit = len(text)
    found: list[tuple[int, int]] = []
    for number, begin in enumerate(begins):
        # Behind each piece of the text stands a space.
        first = number * (limit + 1)
        for start, end in windows:
            low, high = max(start - first, 0) + begin, min(end - first, limit) + begin
            if found and low <= found[-1][1]:
                found[-1] = (found[-1][0], max(high, found[-1][1]))
            elif low < high:
                found.append((low, high))
    return found


def head_and_tail(max_tokens: int, long_text: str) -> tuple[int, int]:
    """How many tokens are kept from the beginning and from the end of a longer text."""
    head = max_tokens if long_text == "truncate" else max_tokens // 4
    return head, max_tokens - head


def evenly(last: int, count: int) -> list[int]:
    """Whole numbers from 0 to `last` in steps that differ by one at most, `count` of them."""
    return [number * last // max(1, count - 1) for number in range(count)]


def window_places(tokens: int, room: int, max_windows: int) -> tuple[list[int], int, bool]:
    """Where the windows of a longer text begin, what they hold, and whether something lies in none of them.

    As few windows as cover the text with an overlap of at least a quarter, all of one length and no longer than needed:
    no last window holds just a few words and has as much say as a whole one. Where that takes too many, as many as are
    allowed lie evenly over the text, from its first token to its last.

    Args:
        tokens: Tokens of the text, more than `room`.
        room: The most tokens of the text in one window, at least 1.
        max_windows: The most windows.

    Returns:
        The positions of their first tokens, the tokens of each, and whether tokens of the text are in none.
    """
    overlap = room // _OVERLAP
    needed = -(-(tokens - overlap) // (room - overlap))
    count = min(needed, max_windows)
    size = min(room, -(-(tokens + (count - 1) * overlap) // count))
    return evenly(tokens - size, count), size, needed > count


def mean_over_windows(values: np.ndarray, windows: np.ndarray | None) -> np.ndarray:
    """What was computed of each window as one value of each text: their mean.

    Args:
        values: `(windows, …)`, those of a text one after the other.
        windows: `(texts,)`, how many each text has; `None` where each has one.

    Returns:
        `(texts, …)`.
    """
    if windows is None or not len(windows):
        return values
    counts = windows.reshape(-1, *(1,) * (values.ndim - 1))
    sums = np.add.reduceat(values, np.cumsum(windows) - windows, axis=0)
    means: np.ndarray = (sums / counts).astype(values.dtype)
    return means


def cut_text(tokenizer: Any, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
    """Cut a text to a number of tokens, as text; prompts are put together from texts.

    Args:
        tokenizer: A fast tokenizer of transformers, which knows each token's position in the text.
        text: Of any length.
        max_tokens: Tokens that are kept, at least 1.
        long_text: `truncate` or `head+tail`.

    Returns:
        The text, and whether anything was cut off.
    """
    known = relevant_characters(text, max_tokens, long_text)
    # A control token written in a text is plain text, and is counted by the tokens that it is read as.
    options = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
    spans = tokenizer(known, return_offsets_mapping=True, **options)["offset_mapping"]
    if len(spans) <= max_tokens:
        return known, len(known) < len(text)
    head, tail = head_and_tail(max_tokens, long_text)
    parts = [known[: spans[head - 1][1]]] if head else []
    parts += [known[spans[-tail][0] :]] if tail else []
    return " ".join(parts), True
