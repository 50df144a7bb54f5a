"""The verb `serve`: trained runs behind an address."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trifold.cli.inputs import require_packages
from trifold.cli.output import print_json
from trifold.cli.output import print_text as print
from trifold.errors import SettingsError, require
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings
from trifold.serve.http.settings import HttpSettings
from trifold.serve.settings import QueueSettings

_NEEDED = ("fastapi", "httptools", "prometheus_client", "uvicorn")


def serve(
    run: str,
    /,
    *runs: str,
    http: Annotated[HttpSettings | None, Parameter(name="*")] = None,
    queue: Annotated[QueueSettings | None, Parameter(name="*")] = None,
    index: Path | None = None,
    shadow: Path | None = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Answer over HTTP: labels, vectors, explanations, and a page to try texts.

    POST /predict {"inputs": "a text"} gives the labels with their probabilities; /docs lists every endpoint. The
    address is printed once the server answers. SIGTERM and Ctrl-C end it after what is under way is answered, SIGHUP
    has it open the folders again, for what was trained since.

    Args:
        run: Run folder of finetune or compare, or NAME=FOLDER; requests name it by its folder's name otherwise.
        runs: More of them; requests that name none go to the first.
        index: Folder of an index of documents, for POST /search.
        shadow: Run folder that answers beside the first run without being seen; /metrics counts where they differ.
        json: Print the address and the runs as JSON.
    """
    require_packages("serve", _NEEDED, "serve")
    from trifold.serve.http.command import Served, serve_until_stopped

    def ready(address: str, names: Sequence[str]) -> None:
        if json:
            print_json({"address": address, "runs": list(names)}, flush=True)
        else:
            print(address, flush=True)

    served = Served(
        folders=named_folders((run, *runs)),
        http=http or HttpSettings(),
        queue=queue or QueueSettings(),
        compute=compute or ComputeSettings(),
        llm=llm,
        index=index,
        shadow=shadow,
    )
    serve_until_stopped(served, ready)


def named_folders(words: Sequence[str]) -> dict[str, Path]:
    """Name to folder, of words that are a folder, or NAME=FOLDER.

    Raises:
        SettingsError: If two have one name, or a name cannot stand in an address.
    """
    found: dict[str, Path] = {}
    for word in words:
        name, mark, folder = word.partition("=")
        if not mark or os.path.exists(word):
            name, folder = Path(os.path.abspath(word)).name, word
        require(bool(name) and bool(folder) and "/" not in name, word, "give a folder, or NAME=FOLDER")
        if name in found:
            raise SettingsError(f"two runs are called {name!r}: name one of them otherwise, as in {name}-2={folder}")
        found[name] = Path(folder)
    return found
