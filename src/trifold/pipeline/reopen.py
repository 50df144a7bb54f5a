"""What a finished run was made from, found again by its own facts."""

from pathlib import Path
from typing import Any

from trifold.backbone.locate import file_sha256
from trifold.data.hub import local_file
from trifold.data.settings import DataSettings
from trifold.errors import DataError
from trifold.pipeline.request import Request, Task, open_task
from trifold.predict import Run


def reopen_task(run: Run, way_out: str) -> Task:
    """The data that a run learned from, read and split as then.

    Args:
        run: It.
        way_out: What to do where they are gone, for the message.

    Raises:
        DataError: If the data file is gone, or is another one by now.
    """
    facts = run.facts.get("data") or {}
    if not facts:
        raise DataError(f"{run.folder} was not trained on a file: {way_out}")
    if "reading" not in facts:
        raise DataError(f"{run.folder} does not say how its data were read: {way_out}")
    source = Path(str(facts["path"]))
    try:
        task = open_task(Request(source, _reading(facts)))
    except DataError as error:
        raise DataError(f"the run's own rows cannot be read ({error}): {way_out}") from None
    if file_sha256(local_file(source)) != facts["sha256"]:
        raise DataError(f"{source} is not the file any more that {run.folder} was trained on: {way_out}")
    return task


def _reading(facts: dict[str, Any]) -> DataSettings:
    """The settings as they were, with the columns that they came to."""
    named: dict[str, Any] = facts["reading"]
    paths = {name: Path(str(named[name])) if named[name] else None for name in ("test_file", "validation_file")}
    columns = {name: facts[name] for name in ("text_column", "label_column")}
    return DataSettings(**{**named, **paths, **columns})
