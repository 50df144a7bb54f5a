"""What a folder is (a run, a comparison, an index, a model, …), told from the files that it holds.

A command that is given a folder of the wrong kind says so in the words of this file, with the command that takes it.
"""

import os
from pathlib import Path
from typing import NamedTuple

from trifold.json_reading import read_json


class FolderKind(NamedTuple):
    """A kind of folder.

    Attributes:
        name: What it is.
        use: Which commands take it; `FOLDER` stands for its path.
    """

    name: str
    use: str


INDEX = FolderKind("an index of documents", "trifold search query FOLDER TEXT asks it")
UNFINISHED = FolderKind("an unfinished training", "go on with the same command and --resume")
COMPARISON = FolderKind(
    "a comparison", "trifold predict FOLDER --text TEXT asks its best run, which lies in FOLDER/best"
)
EXPORT = FolderKind("an export of a run", "trifold predict FOLDER --text TEXT labels by it")
SIMILARITY = FolderKind(
    "a run of --task similarity, which gives pairs of texts a score and knows no labels",
    "trifold predict, evaluate, embed and search take it",
)
LANGUAGE_MODEL = FolderKind(
    "a run of a language model, which knows no labels",
    "let it speak with trifold fill-mask or generate, or train it on labels with trifold finetune DATA --model FOLDER",
)
RUN = FolderKind("a run of a classifier", "trifold predict FOLDER --text TEXT labels by it")
MODEL = FolderKind(
    "a pretrained model",
    "trifold embed FOLDER --text TEXT makes vectors by it, and trifold finetune DATA --model FOLDER trains it",
)


def kind_of(folder: Path) -> FolderKind | None:
    """What a folder is; `None` for no folder, and for one that holds nothing of Trifold's and no model.

    It is looked at and not checked: that every file is whole is seen where it is opened.
    """
    if not os.path.isdir(folder):
        return None
    names = set(os.listdir(folder))
    if names & {"current.json", "unfinished"} and "segments" in names:
        return INDEX
    if "run.json" in names:
        return _kind_of_run(folder / "run.json")
    if names & {"config.json", "modules.json", "adapter_config.json"}:
        return MODEL
    return UNFINISHED if "state" in names else None


def wrong_kind(folder: Path, wanted: str) -> str | None:
    """A sentence on a folder of another kind than is needed, with what takes it; `None` where it is of no known kind.

    Args:
        folder: As the user named it.
        wanted: What is needed, such as `a run folder`.
    """
    kind = kind_of(folder)
    return kind and f"{folder} is {kind.name}, not {wanted}: {kind.use.replace('FOLDER', str(folder))}"


def _kind_of_run(path: Path) -> FolderKind:
    try:
        found = read_json(path)
    except (OSError, ValueError):
        found = None
    record = found if isinstance(found, dict) else {}
    if "verdict" in record:
        return COMPARISON
    if record.get("method") == "pretrain" or record.get("task") == "generate":
        return LANGUAGE_MODEL
    if record.get("task") == "similarity":
        return SIMILARITY
    return EXPORT if record.get("exported") else RUN
