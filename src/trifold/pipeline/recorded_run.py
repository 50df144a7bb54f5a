"""What a finished run was made from, found again by its own facts."""

from pathlib import Path

from trifold.artifact.data_record import DataRecord
from trifold.data.settings import DataSettings
from trifold.data.source import is_standard_input
from trifold.errors import DataError
from trifold.hashing import file_sha256
from trifold.inference.run import Run
from trifold.pipeline.request import Request, Task, open_task


def reopen_task(run: Run, way_out: str) -> Task:
    """The data that a run learned from, read and split as then.

    Args:
        run: The opened run.
        way_out: What to do where they are gone, for the message.

    Raises:
        DataError: If the data file is gone, or is another one by now.
    """
    data: DataRecord | None = run.record.get("data")
    if data is None:
        raise DataError(f"{run.folder} was not trained on a file: {way_out}")
    if data.get("reading") is None:
        raise DataError(f"{run.folder} does not say how its data were read: {way_out}")
    request = Request(Path(data.path), reading=_reading(data))
    # Whoever made the run names the files: none is read as data before it proves to be the one.
    _require_own(run, data, request, way_out)
    try:
        return open_task(request)
    except DataError as error:
        raise DataError(f"the run's own rows cannot be read ({error}): {way_out}") from None


def _require_own(run: Run, data: DataRecord, request: Request, way_out: str) -> None:
    """Refuse files that are gone, or are others by now.

    Raises:
        DataError: If one is.
    """
    hashes = {name: data.get("sha256" if name == "data" else f"{name}_sha256") for name in request.files}
    for name, path in request.files.items():
        if path is None:
            continue
        if str(path).startswith("hf:") or is_standard_input(path):
            raise DataError(f"{run.folder} was trained on {path}, which is not opened on the word of a run: {way_out}")
        try:
            if not path.is_file():
                raise FileNotFoundError(f"there is no file {path}")
            found = file_sha256(path)
        except (OSError, ValueError) as error:
            raise DataError(f"the run's own rows cannot be read ({error}): {way_out}") from None
        if found != hashes[name]:
            raise DataError(f"{path} is not the file any more that {run.folder} was trained on: {way_out}")


def _reading(data: DataRecord) -> DataSettings:
    """The settings as they were, of what `run.json` says of them, with the columns that they came to."""
    known = data.reading.as_json()
    paths = {name: Path(known[name]) for name in ("test_file", "validation_file") if known.get(name)}
    columns = {"text_column": data.text_column, "label_column": data.label_column}
    return DataSettings(**{**known, **paths, **columns})
