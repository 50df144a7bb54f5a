"""The types of arguments that name a data file, or `-` for standard input; or that may be a text as well."""

import math
import os
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, get_args

from cyclopts import App, ArgumentCollection, Parameter, Token

from trifold.data.source import StandardInput
from trifold.errors import SettingsError, require
from trifold.formatting import shortened

# Characters of a text that stands in the place of a file, in the message.
_SHOWN = 40
_FINITE = "give a finite number"
# What ends so, or is one word that begins as a path does, names a file, even where there is none.
_ENDINGS = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx", ".xlsm", ".gz", ".bz2", ".xz")
_BEGINNINGS = ("/", "./", "../", "~/", "hf:")
# How the message begins where something that looks like a flag stands in the place of a file.
NO_FLAG = "there is no flag "


def require_packages(verb: str, names: Sequence[str], extra: str) -> None:
    """Refuse a verb whose packages are missing.

    Raises:
        SettingsError: If one is; the message names each, and what brings them.
    """
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        raise SettingsError(f"{verb} needs {', '.join(missing)}: pip install 'trifold[{extra}]'")


def _as_file(_: Any, words: Sequence[Token]) -> Path:
    # `-` may be taken only if whatever begins so may; a flag that does not exist is still said to be none, while
    # `./-x.csv` names a file, which no path can tell from the flag.
    name = words[0].value
    if name.startswith("-") and name != "-":
        raise ValueError(f"{NO_FLAG}{name}")
    return StandardInput(name) if name == "-" else Path(name)


def _as_text_or_file(_: Any, words: Sequence[Token]) -> str | Path:
    word = words[0].value
    if word.startswith("-") and not _is_one_word(word):
        return word
    return _as_file(_, words) if word.startswith("-") or _names_file(word) else word


def _is_one_word(word: str) -> bool:
    return len(word.split()) < 2


def _names_file(word: str) -> bool:
    """Whether a word is the name of a file, be it there or not, and no text."""
    names_one = word.lower().endswith(_ENDINGS) or (_is_one_word(word) and word.startswith(_BEGINNINGS))
    # os.path.exists returns False for a name that cannot be a path, where Path.exists raises.
    return names_one or os.path.exists(word)


def require_finite(_: Any, value: Any) -> None:
    """Refuse a number that is infinite or none at all, for any flag, be it of a group of settings or by itself.

    Raises:
        SettingsError: If a field of a group is.
        ValueError: If a flag by itself is; its name is not known here.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(_FINITE)
    for field in fields(value) if is_dataclass(value) else ():
        one = getattr(value, field.name)
        finite = not isinstance(one, float) or math.isfinite(one)
        require(finite, f"--{field.name.replace('_', '-')} {one}", _FINITE)


def require_one(needs: str, usage: str, *given: object) -> None:
    """Refuse both of two ways to say what a command is to work on, and neither.

    Args:
        needs: Which two, such as `predict needs a file or a text`.
        usage: How to give one.
        given: Both values, `None` where not given.

    Raises:
        SettingsError: If not exactly one is given, or a text in the place of a file.
    """
    for value in given:
        # A text of one word is not known from the name of a file that is missing.
        if (
            isinstance(value, Path)
            and "--text" in usage
            and not _is_one_word(str(value))
            and not _names_file(str(value))
        ):
            raise SettingsError(
                f"there is no file {shortened(str(value), _SHOWN)!r}; if it is the text itself, give it with --text: "
                f"{usage}"
            )
    count = sum(value is not None for value in given)
    if count != 1:
        raise SettingsError(f"{needs}{', not both' if count else ''}: {usage}")


def require_plain_values(_app: App, _commands: tuple[str, ...], arguments: ArgumentCollection) -> None:
    """Refuse fractions for whole numbers, which cyclopts would round, and empty names, which are a folder to Path.

    It is called as the last of the sources of values, and so sees those of the command line and of a TOML file.

    Raises:
        SettingsError: If there is one.
    """
    for argument in arguments:
        types = (argument.hint, *get_args(argument.hint))
        for token in argument.tokens:
            require(
                int not in types or not _is_fraction(token.value),
                f"{argument.name} {token.value}",
                "give a whole number",
            )
            empty = (
                "the text is empty, give one with at least one word" if str in types else "the name is empty, give one"
            )
            require(Path not in types or bool(token.value), f"{argument.name} ''", empty)
            text = Path in types or _is_text(token.value)
            require(text, f"{argument.name} {token.value!a}", "it holds bytes that are no UTF-8 text, write it anew")


def _is_text(word: str) -> bool:
    """Whether a word of the command line is text: bytes that are not come as halves of pairs."""
    return not any("\ud800" <= character <= "\udfff" for character in word)


def _is_fraction(word: str) -> bool:
    try:
        return "." in word and not float(word).is_integer()
    except ValueError:
        return False


DataFile = Annotated[Path, Parameter(allow_leading_hyphen=True, converter=_as_file)]
OptionalDataFile = Annotated[Path | None, Parameter(allow_leading_hyphen=True, converter=_as_file)]
TextOrFile = Annotated[str | Path, Parameter(allow_leading_hyphen=True, converter=_as_text_or_file)]
OptionalTextOrFile = Annotated[str | Path | None, Parameter(allow_leading_hyphen=True, converter=_as_text_or_file)]
