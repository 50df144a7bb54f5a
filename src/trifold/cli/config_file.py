"""The flag `--config FILE`: a TOML file whose values stand in for flags that the command line does not give."""

import re
import tomllib
from pathlib import Path
from typing import Any

from cyclopts.config import Toml

from trifold.errors import SettingsError, TrifoldError

# As in `llm.settings`, which imports more than a completion may take.
_SERVERS = ("openai:", "systemone:", "decisions:")
# What no file of flags may say, in any spelling of its name.
_ONLY_A_PERSON = {"apikeyenv": "api-key-env", "trustremotecode": "trust-remote-code"}


def take_config_flag(arguments: list[str]) -> tuple[list[str], list[Toml]]:
    """Take `--config FILE` out of the arguments.

    Returns:
        The other arguments, and the files whose values stand in for flags that are not given.

    Raises:
        TrifoldError: If there is no such file.
        SettingsError: If it is no TOML, or sets what no file may set.
    """
    if "--config" not in arguments:
        return arguments, []
    place = arguments.index("--config")
    path = Path(arguments[place + 1]) if place + 1 < len(arguments) else None
    if path is None or not path.is_file():
        raise TrifoldError(f"there is no file {path}: give --config a TOML file")
    _require_harmless(path)
    file = Toml(path, must_exist=True, use_commands_as_keys=False, allow_unknown=False)
    return arguments[:place] + arguments[place + 2 :], [file]


def _require_harmless(path: Path) -> None:
    """Refuse a file that names a server or its key, or lets foreign code run: such files are passed on.

    Raises:
        SettingsError: If the file does, or is no TOML.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        named = _outward(values)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no TOML that can be read ({error}): correct it") from None
    if named:
        raise SettingsError(f"{path} sets {named}, which no file that can be passed on may: give --{named} itself")
    tables = [name for name, value in values.items() if isinstance(value, dict)]
    if tables:
        raise SettingsError(
            f"{path} has the table [{tables[0]}], which no command reads: write its flags without a table"
        )


def _outward(value: Any) -> str | None:
    """The flag among nested values that names a server or the variable with its key, or lets foreign code run."""
    if isinstance(value, list):
        return next(filter(None, map(_outward, value)), None)
    if not isinstance(value, dict):
        return None
    for name, inner in value.items():
        flag = re.sub("[-_]", "", name).lower()
        if flag in _ONLY_A_PERSON or (flag == "llm" and str(inner).startswith(_SERVERS)):
            return str(_ONLY_A_PERSON.get(flag, flag))
        if found := _outward(inner):
            return found
    return None
