"""The command `log`: the prompts that language models were sent, and their answers."""

from pathlib import Path
from typing import TYPE_CHECKING

from trifold.cli.output import print_json, print_table, say_next
from trifold.errors import SettingsError
from trifold.formatting import counted
from trifold.terminal import printable

if TYPE_CHECKING:
    from trifold.llm.call_log import Call

_TABLE_CHARACTERS = 48


def log(
    number: int | None = None,
    /,
    *,
    limit: int = 20,
    model: str | None = None,
    log: Path | None = None,
    json: bool = False,
) -> None:
    """Show what language models were sent and what they answered, the latest first.

    Args:
        number: Number of one call, which is then shown in full.
        limit: Most calls that are listed.
        model: Only calls of models whose name contains this.
        log: The SQLite file; prompts.sqlite in the cache folder by default.
        json: Print JSON instead.
    """
    from trifold.llm.call_log import count_calls, log_path, read_log

    path = log_path(log)
    if limit < 1:
        raise SettingsError(f"--limit {limit} is not allowed: give 1 or more")
    calls = read_log(path, limit, model, number)
    if number is not None and not calls:
        raise SettingsError(f"there is no call number {number} in {path}: trifold log lists them")
    if json:
        print_json({"log": str(path), "calls": [vars(call) for call in calls]})
        return
    if number is not None:
        _print_whole(calls[0])
    elif not calls:
        print(f"nothing is logged in {path}")
    else:
        print_table([_table_row(call) for call in calls], left_aligned=5)
        print(f"\n{counted(count_calls(path), 'call')} in {path}; trifold log NUMBER shows one whole")
    say_next("log", *([calls[0].id] if calls and number is None else []))


def _print_whole(call: "Call") -> None:
    """Print one call with all its messages and its answer."""
    from trifold.llm.prompt_template import conversation_from_json

    tokens = f"{call.prompt_tokens:,} + {call.answer_tokens:,} tokens"
    print(printable(f"{call.model}, {call.at}, {call.seconds:.2f} s, {tokens}"))
    try:
        turns = [f"[{message.role}]\n{message.content}" for message in conversation_from_json(call.prompt)]
    except ValueError:
        turns = [call.prompt]
    last = f"[answer]\n{call.answer}" if call.error is None else f"[error]\n{call.error}"
    print(printable("".join(f"\n{part}\n" for part in [*turns, last])), end="")


def _table_row(call: "Call") -> dict[str, str]:
    return {
        "number": str(call.id),
        "at (UTC)": printable(call.at[:19].replace("T", " ")),
        "model": printable(call.model)[-32:],
        "prompt": _end_of(call.prompt),
        "answer": _end_of(call.answer if call.error is None else f"failed: {call.error}"),
        "seconds": f"{call.seconds:.2f}",
    }


def _end_of(text: str | None) -> str:
    """The last characters of a text on one line: prompts differ at their end, and most answers are short."""
    line = " ".join(printable(text or "").split())
    return line if len(line) <= _TABLE_CHARACTERS else "…" + line[-_TABLE_CHARACTERS + 1 :]
