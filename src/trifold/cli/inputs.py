"""The type of arguments that name a data file, or `-` for standard input."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token


def _as_file(_: Any, words: Sequence[Token]) -> Path:
    # `-` may be taken only if whatever begins so may; a flag that does not exist is still said to be none, while
    # `./-x.csv` names a file, which no path can tell from the flag.
    name = words[0].value
    if name.startswith("-") and name != "-":
        raise ValueError(f"Unknown option: {name.split('=')[0]}")
    return Path(name)


DataFile = Annotated[Path, Parameter(allow_leading_hyphen=True, converter=_as_file)]
OptionalDataFile = Annotated[Path | None, Parameter(allow_leading_hyphen=True, converter=_as_file)]
