"""`hf:NAME`: a data set of the hub, through the datasets library, as a local Parquet file read like any other."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from trifold.atomic import replaced_file
from trifold.data.source import is_standard_input, require_name, standard_input
from trifold.errors import DataError, first_line
from trifold.hashing import file_sha256

_PREFIX = "hf:"
_OFFLINE: ContextVar[bool] = ContextVar("offline", default=False)


@contextmanager
def offline_data(offline: bool) -> Iterator[None]:
    """Inside, if `offline`, data sets of the hub are read from the local cache and no connection is opened."""
    token = _OFFLINE.set(offline or _OFFLINE.get())
    try:
        yield
    finally:
        _OFFLINE.reset(token)


@cache
def local_file(path: Path) -> Path:
    """A file on this machine with the content of `path`.

    That is `path` itself for a file, a copy of standard input for `-`, and for `hf:NAME[:SPLIT[:CONFIG]]` a Parquet
    file with the rows of that split (`train` by default), with class names instead of class numbers.

    Raises:
        DataError: If the data set or its split cannot be loaded, or the datasets library is missing.
    """
    if is_standard_input(path):
        return standard_input()
    if not str(path).startswith(_PREFIX):
        return path
    require_name(path)
    name, split, config = [*str(path).removeprefix(_PREFIX).split(":", 2), "", ""][:3]
    if not any(character.isalnum() for character in name):
        raise DataError(f"{path} names no data set: give hf:NAME, hf:NAME:SPLIT or hf:NAME:SPLIT:CONFIG")
    try:
        import datasets
    except ImportError:
        raise DataError(f"{path} needs the datasets library: pip install 'trifold[hub]'") from None
    try:
        with _library_set_up(datasets):
            data = _named_classes(datasets.load_dataset(name, config or None, split=split or "train"))
            return _write(data, Path(datasets.config.HF_DATASETS_CACHE) / "trifold")
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, datasets.exceptions.DatasetsError) as error:
        reason = first_line(error)
        raise DataError(
            f"{path} cannot be loaded ({reason}): check the name, which is hf:NAME:SPLIT or hf:NAME:SPLIT:CONFIG, "
            "and the connection"
        ) from None


@contextmanager
def _library_set_up(datasets: Any) -> Iterator[None]:
    """Inside, the datasets library is offline if asked for, and shows progress bars only on a terminal.

    Both are settings of the whole process, so they are put back afterwards.
    """
    offline, shows = datasets.config.HF_HUB_OFFLINE, not datasets.are_progress_bars_disabled()
    datasets.config.HF_HUB_OFFLINE = offline or _OFFLINE.get()
    if shows and not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        yield
    finally:
        datasets.config.HF_HUB_OFFLINE = offline
        if shows:
            datasets.enable_progress_bars()


def _named_classes(data: Any) -> Any:
    """The data set with class names in the columns of class numbers and of lists of them."""
    for column, feature in data.features.items():
        one = getattr(feature, "feature", feature)
        if not hasattr(one, "int2str"):
            continue

        def name(value: Any, one: Any = one) -> Any:
            if isinstance(value, list):
                return [name(item) for item in value]
            # -1 stands for a row without label.
            return None if value is None or value < 0 else one.int2str(value)

        named = [name(value) for value in data[column]]
        data = data.remove_columns(column).add_column(column, named)
    return data


def _write(data: Any, folder: Path) -> Path:
    """Write a data set as a Parquet file named by its content, so that the same rows are always the same file."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=folder) as place:
        written = Path(place) / "rows.parquet"
        data.to_parquet(str(written))
        target = folder / f"{file_sha256(written)}.parquet"
        with replaced_file(target) as aside:
            written.rename(aside)
    return target
