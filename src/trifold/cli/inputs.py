"""How the command line takes a file of data: by name, or `-` for standard input."""

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter


def _no_option(_: Any, path: Path | None) -> None:
    # `-` may be taken only if whatever begins so may; a flag that does not exist is still said to be none.
    if path is not None and str(path).startswith("-") and str(path) != "-":
        raise ValueError(f"Unknown option: {str(path).split('=')[0]}")


DataFile = Annotated[Path, Parameter(allow_leading_hyphen=True, validator=_no_option)]
OptionalDataFile = Annotated[Path | None, Parameter(allow_leading_hyphen=True, validator=_no_option)]
