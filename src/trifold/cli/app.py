"""The verb `app`: the whole work in a browser."""

from importlib.util import find_spec
from typing import Annotated

from cyclopts import Parameter

from trifold.app.settings import AppSettings
from trifold.cli.output import print_text as print
from trifold.errors import SettingsError

_NEEDED = ("fastapi", "uvicorn")


def app(*, settings: Annotated[AppSettings | None, Parameter(name="*")] = None) -> None:
    """Do all of it in the browser: from a file of texts to a model, and to files that it has labelled.

    The page is for this machine alone, and its address is printed. What runs goes on when the app is ended, and is
    found again by the next one that is opened on the same --folder.
    """
    missing = [name for name in _NEEDED if find_spec(name) is None]
    if missing:
        raise SettingsError(f"app needs {', '.join(missing)}: pip install 'trifold[serve]'")
    from trifold.app.command import run_app

    run_app(settings or AppSettings(), lambda address: print(address, flush=True))
