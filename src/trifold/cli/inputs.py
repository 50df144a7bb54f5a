"""The type of arguments that name a data file, or `-` for standard input."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

# How the message begins where something that looks like a flag stands in the place of a file.
NO_FLAG = "there is no flag "


def _as_file(_: Any, words: Sequence[Token]) -> Path:
    # `-` may be taken only if whatever begins so may; a flag that does not exist is still said to be none, while
    # `./-x.csv` names a file, which no path can tell from the flag.
    name = words[0].value
    if name.startswith("-") and name != "-":
        raise ValueError(f"{NO_FLAG}{name}")
    return Path(name)


def require_finite(_: Any, value: Any) -> None:
    """Refuse a number that is infinite or none at all, for any flag.

    Raises:
        ValueError: If it is.
    """
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("give a finite number")


DataFile = Annotated[Path, Parameter(allow_leading_hyphen=True, converter=_as_file)]
OptionalDataFile = Annotated[Path | None, Parameter(allow_leading_hyphen=True, converter=_as_file)]
