"""`hf:NAME`: a data set of the hub, through the datasets library, as a local Parquet file read like any other."""

import os
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from trifold.data.source import is_standard_input, require_name, standard_input
from trifold.errors import DataError, first_line
from trifold.hashing import file_sha256

_PREFIX = "hf:"


def stay_offline() -> None:
    """Keep the datasets library from opening a connection; it must not have been imported yet."""
    os.environ["HF_DATASETS_OFFLINE"] = "1"


@cache
def local_file(path: Path) -> Path:
    """The file itself, or a copy: of standard input for `-`, for `hf:NAME[:SPLIT[:CONFIG]]` of that data set's split.

    The split is `train` by default.

    Class numbers become the class names that the data set gives them.

    Raises:
        DataError: If the data set, its split or the datasets library is not to be had.
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
    if not sys.stderr.isatty():
        datasets.disable_progress_bars()
    try:
        data = _named_classes(datasets.load_dataset(name, config or None, split=split or "train"))
        folder = Path(datasets.config.HF_DATASETS_CACHE) / "trifold"
        folder.mkdir(parents=True, exist_ok=True)
        return _written(data, folder)
    except (OSError, ValueError, RuntimeError, LookupError, TypeError, datasets.exceptions.DatasetsError) as error:
        reason = first_line(error)
        raise DataError(
            f"{path} cannot be loaded ({reason}): check the name, which is hf:NAME:SPLIT or hf:NAME:SPLIT:CONFIG, "
            "and the connection"
        ) from None


def _named_classes(data: Any) -> Any:
    """Columns of class numbers, or of lists of them, as class names."""
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


def _written(data: Any, folder: Path) -> Path:
    """A Parquet file named by its content, so that the same rows are the same file."""
    handle, aside = tempfile.mkstemp(suffix=".partial", dir=folder)
    os.close(handle)
    try:
        data.to_parquet(aside)
        target = folder / f"{file_sha256(Path(aside))}.parquet"
        os.replace(aside, target)
    finally:
        Path(aside).unlink(missing_ok=True)
    return target
