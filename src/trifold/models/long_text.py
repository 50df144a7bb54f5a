"""What is read of a text that is longer than the maximum: its beginning, or its beginning and its end.

`truncate` keeps the beginning. `head+tail` keeps a quarter of the maximum from the beginning and the rest from the end,
where reviews and reports tend to conclude.

Source: Sun et al. 2019, "How to Fine-Tune BERT for Text Classification?", section 5.3.1, for `head+tail`.
"""

from typing import Any

# A token is rarely longer than this. Texts are cut to this many characters per token before they are tokenised, so that
# a text of 1 MB costs no more than a page.
_CHARACTERS_PER_TOKEN = 40


def relevant_characters(text: str, max_tokens: int, long_text: str) -> str:
    """The characters of a text that can be part of the tokens that are kept.

    Args:
        text: Of any length.
        max_tokens: Tokens that are kept of it.
        long_text: `truncate` or `head+tail`.
    """
    limit = max_tokens * _CHARACTERS_PER_TOKEN
    if long_text == "truncate":
        return text[:limit]
    return text if len(text) <= 2 * limit + 1 else f"{text[:limit]} {text[-limit:]}"


def head_and_tail(max_tokens: int, long_text: str) -> tuple[int, int]:
    """How many tokens are kept from the beginning and from the end of a longer text."""
    head = max_tokens if long_text == "truncate" else max_tokens // 4
    return head, max_tokens - head


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
