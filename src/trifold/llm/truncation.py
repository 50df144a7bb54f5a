"""Cut a text to a number of tokens and get text back, since prompts are put together from texts."""

from typing import Any

# A token is rarely longer than this; what cannot matter is dropped before tokenising.
_CHARACTERS_PER_TOKEN = 40


def cut_text(tokenizer: Any, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
    """The text without what is beyond `max_tokens`.

    Args:
        tokenizer: A fast one, which knows where its tokens stand in the text.
        text: Any.
        max_tokens: Tokens that are kept.
        long_text: `truncate` keeps the beginning, `head+tail` a quarter from there and the rest from the end.

    Returns:
        The text, and whether anything was cut off.
    """
    limit = max_tokens * _CHARACTERS_PER_TOKEN
    if long_text == "truncate":
        head, tail = text[:limit], ""
    else:
        head, tail = (text, "") if len(text) <= 2 * limit else (text[:limit], text[-limit:])
    known = f"{head} {tail}" if tail else head
    # What looks like a control token in a text is only text, and counted as what it is read as.
    options = {"add_special_tokens": False, "split_special_tokens": True, "verbose": False}
    spans = tokenizer(known, return_offsets_mapping=True, **options)["offset_mapping"]
    if len(spans) <= max_tokens:
        return known, len(known) < len(text)
    if long_text == "truncate":
        return known[: spans[max_tokens - 1][1]], True
    from_start = max(1, max_tokens // 4)
    return f"{known[: spans[from_start - 1][1]]} {known[spans[from_start - max_tokens][0] :]}", True
