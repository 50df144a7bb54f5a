"""Pickle a predictor as the files that it saves: neither modules nor a model's own classes are pickled."""

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trifold.runtime import unchanged_process

if TYPE_CHECKING:
    from trifold.methods.contract import Predictor


def saved_files(predictor: "Predictor") -> dict[str, bytes]:
    """The files that a predictor saves: path within their folder to content."""
    with tempfile.TemporaryDirectory(prefix="trifold-") as place, unchanged_process():
        folder = Path(place)
        predictor.save(folder)
        paths = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def load_files(kind: type["Predictor"], files: dict[str, bytes], how: tuple[Any, ...]) -> "Predictor":
    """The inverse of `saved_files`.

    The files lie in a temporary folder as long as the predictor exists, since parts of it are read from there when they
    are first needed.

    Args:
        kind: Class of the predictor.
        files: As `saved_files` gave them.
        how: What `kind.load` takes after the folder.
    """
    folder = Path(tempfile.mkdtemp(prefix="trifold-"))
    try:
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)
        with unchanged_process():
            predictor = kind.load(folder, *how)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    weakref.finalize(predictor, _remove, folder, os.getpid())
    return predictor


def _remove(folder: Path, owner: int) -> None:
    """Remove the files, unless this is a forked child: they are its parent's."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
