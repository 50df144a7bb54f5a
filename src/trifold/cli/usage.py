"""How a command is typed: what stands behind its name, in words."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

if TYPE_CHECKING:
    from cyclopts import App, Argument


def usage_of(words: Sequence[str], part: "App") -> str:
    """A command with its arguments by their names, in brackets where they may be left out, and the flags it needs.

    Args:
        words: That it is typed as, such as `("trifold", "predict")`.
        part: Its part of the command line.
    """
    commands = [name for name in part if not name.startswith("-")]
    if part.default_command is None:
        return " ".join((*words, "COMMAND"))
    arguments = shown_arguments(part)
    return " ".join(
        (*words, *(["[COMMAND]"] if commands else []), "[OPTIONS]", *places(arguments), *needed_flags(arguments))
    )


def shown_arguments(part: "App") -> dict[str, "Argument"]:
    """What a command's `--help` shows, by name: flags, and in capital letters what stands without a name."""
    found = part.assemble_argument_collection(parse_docstring=True)
    return {argument.name: argument for argument in found if argument.show}


def places(arguments: Mapping[str, "Argument"]) -> list[str]:
    """What stands without a name, in its order; in brackets what may be left out."""
    found = [one for name, one in arguments.items() if not name.startswith("--")]
    return [_place(one) for one in sorted(found, key=lambda one: one.index or 0)]


def needed_flags(arguments: Mapping[str, "Argument"]) -> list[str]:
    """The flags that cannot be left out, with what follows them."""
    return [with_value(one) for name, one in arguments.items() if name.startswith("--") and one.required]


def _place(argument: "Argument") -> str:
    name = argument.name.upper()
    name = f"{name}…" if argument.is_var_positional() else name
    return name if argument.required else f"[{name}]"


def with_value(argument: "Argument") -> str:
    """A flag with what follows it: nothing, one of a few words, a path, a number, or any text."""
    kinds = {argument.hint, *get_args(argument.hint)}
    if bool in kinds:
        return argument.name
    if choices := argument.get_choices():
        return f"{argument.name} {'|'.join(choices)}"
    value = "PATH" if Path in kinds else "NUMBER" if kinds & {int, float} and str not in kinds else "TEXT"
    return f"{argument.name} {value}"
