"""Arrays as safetensors and settings as JSON: everything a predictor of ours needs to come back."""

import json
from pathlib import Path
from typing import Annotated, Literal, TypedDict

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from trifold.artifact.run_record import LabelNames, Share
from trifold.errors import ArtifactError
from trifold.schema import Amount, Count, Facts, Rule, Size, damaged, read_facts

_ARRAYS = "head.safetensors"
_SETTINGS = "head.json"


class ModelFacts(TypedDict, total=False):
    """`model/head.json`: what a predictor needs to come back, beside its arrays."""

    labels: LabelNames
    multi_label: bool
    thresholds: list[Share]
    max_length: Size
    long_text: Literal["truncate", "head+tail", "window"]
    max_windows: Size
    engine: Literal["torch", "torch-int8", "onnx", "onnx-int8"]
    base: str
    base_revision: str | None
    base_sha256: str
    head: Literal["logistic", "mlp"]
    places: Annotated[list[tuple[Count, Literal["first", "mean", "max"]]], Rule("a list of at least one place", bool)]
    size: Size
    layers: Size
    by_mean: bool
    behind_prompt: str
    analyzer: Literal["word", "char"]


class PromptingFacts(TypedDict, total=False):
    """`model/head.json` of a run that asks a language model; what it is asked with stands in `model/prompt.json`."""

    labels: LabelNames
    multi_label: bool
    thresholds: list[Share]
    llm: str
    llm_bytes: Count
    max_tokens: Size | None
    temperature: Amount
    stop: list[str]
    label_by: Literal["auto", "likelihoods", "answers"]
    score_by: Literal["words", "letters"]
    votes: Size
    option_orders: Size
    words: list[str]
    cloze: str
    hypothesis: str | None
    pairs: bool
    max_length: Size | None
    long_text: Literal["truncate", "head+tail"]
    base: str
    base_revision: str | None
    base_sha256: str


class Arrays(dict[str, np.ndarray]):
    """The arrays of a file: a dictionary that names the file where one is missing, or is not what it should be.

    Attributes:
        path: The file.
    """

    path: Path = Path()

    def __missing__(self, name: str) -> np.ndarray:
        """Refuse.

        Raises:
            ArtifactError: Always.
        """
        raise damaged(self.path, f"{name} is missing")

    def of_shape(self, name: str, *shape: int | None, positive: bool = False) -> np.ndarray:
        """An array, whose numbers are finite.

        Args:
            name: Its name.
            shape: What it must be; any size where `None`.
            positive: Whether all must be above 0: something is divided by them.

        Raises:
            ArtifactError: If it is missing or another one.
        """
        found = self[name]
        fits = found.ndim == len(shape) and all(
            want in (None, have) for want, have in zip(shape, found.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if size is None else str(size) for size in shape)
            raise damaged(self.path, f"{name} has the shape {found.shape} and should have ({wanted})")
        if found.dtype.kind != "f" or not np.isfinite(found).all():
            raise damaged(self.path, f"{name} holds something else than finite numbers")
        if positive and not (found > 0).all():
            raise damaged(self.path, f"{name} holds numbers that are not above 0")
        return found


def write_state(folder: Path, settings: dict[str, object], arrays: dict[str, np.ndarray]) -> None:
    """Write `settings` and `arrays` into `folder`, which is made where it is missing."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, folder / _ARRAYS)
    (folder / _SETTINGS).write_text(json.dumps(settings, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_state(folder: Path, shape: type = ModelFacts) -> tuple[Facts, Arrays]:
    """Read back what `write_state` wrote, checked against the shape that its kind has.

    Raises:
        ArtifactError: If a file is missing or damaged; the message names it.
    """
    settings = read_facts(folder / _SETTINGS, shape)
    try:
        arrays = Arrays(load_file(folder / _ARRAYS))
    except (OSError, SafetensorError, TypeError, KeyError, ValueError):
        # Besides its own error, safetensors lets through what NumPy says of kinds of numbers that it does not have.
        raise ArtifactError(
            f"{folder / _ARRAYS} is missing or damaged: train again or restore the run folder"
        ) from None
    arrays.path = folder / _ARRAYS
    return settings, arrays
