"""Whether a prompt and what is to be written fit a model, and what is said where they do not or nothing is written."""

from dataclasses import dataclass


@dataclass(frozen=True)
class NoRoom:
    """Why a prompt and what is to be written do not fit a model; as text, one sentence.

    Attributes:
        fact: How many tokens there are, and how many the model reads.
        way_out: What to do.
        left: Tokens that the prompt leaves free, if any.
    """

    fact: str
    way_out: str
    left: int

    def __str__(self) -> str:
        return f"{self.fact}: {self.way_out}"


def reason_against(name: str, prompt_tokens: int, asked: int | None, window: int | None, flag: str) -> NoRoom | None:
    """Why a prompt and what is to be written do not fit a model; `None` where they do.

    Args:
        name: Of the model.
        prompt_tokens: Tokens of the prompt.
        asked: Tokens to write that the user asked for; `None` for as many as fit, 0 where none is written.
        window: The most tokens that the model reads; `None` if that is not known.
        flag: By which the user asks for tokens.
    """
    if window is None or prompt_tokens + (1 if asked is None else asked) <= window:
        return None
    left = window - prompt_tokens
    more = f", {flag} asks for {asked:,} more," if asked else ""
    shorten = "shorten the prompt"
    way_out = (
        f"give {flag} {left:,} or less, or {shorten}" if left > 0 else f"{shorten}, or use a model that reads more"
    )
    return NoRoom(f"the prompt has {prompt_tokens:,} tokens{more} and {name} reads {window:,}", way_out, left)


def why_empty(text: str, tokens: int, max_tokens: int, flag: str, *, stopped: bool | None = False) -> str:
    """Why nothing that can be shown was written, as a sentence for the user.

    Args:
        text: What was written, nothing but white space.
        tokens: Tokens that were written.
        max_tokens: Tokens that might have been written.
        flag: By which the user asks for more.
        stopped: Whether a stop ended it; `None` where one may have, which is not known.
    """
    if stopped:
        why = "it begins with a text that --stop names"
    elif text:
        why = "the model wrote only white space, as one that has learned little does: try another prompt or model"
    elif tokens >= max_tokens:
        why = f"all {max_tokens:,} tokens that it may have went into what is not shown: give more with {flag}"
    elif stopped is None:
        why = "the model ended it at once, or began with a text that ends answers (--stop, output.stop): name another"
    else:
        why = "the model ended it at once: say more in the prompt, or give a higher --temperature"
    return f"note: the answer is empty, since {why}"
