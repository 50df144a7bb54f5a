"""The verb `app`: the whole work in a browser."""

from typing import Annotated

from cyclopts import Parameter

from trifold.app.settings import AppSettings
from trifold.cli.inputs import require_packages
from trifold.cli.output import print_json
from trifold.cli.output import print_text as print

_NEEDED = ("fastapi", "httptools", "uvicorn")


def app(*, settings: Annotated[AppSettings | None, Parameter(name="*")] = None, json: bool = False) -> None:
    """Do all of it in the browser: from a file of texts to a model, and to files that it has labelled.

    The page is for this machine alone, and its address is printed. What runs goes on when the app is ended, and is
    found again by the next one that is opened on the same --folder.

    Args:
        json: Print the address and the folder as JSON.
    """
    require_packages("app", _NEEDED, "serve")
    from trifold.app.command import run_app

    chosen = settings or AppSettings()

    def ready(address: str) -> None:
        if json:
            print_json({"address": address, "folder": str(chosen.folder.absolute())}, flush=True)
        else:
            print(address, flush=True)

    run_app(chosen, ready)
