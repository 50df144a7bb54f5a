"""What is done with pooled vectors: normalise, project, cut. Each step is one of sentence-transformers' modules."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypedDict

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from trifold.errors import BackboneError
from trifold.hashing import short_digest
from trifold.models.backbone_files import BackboneFiles, quoted, reason_of
from trifold.schema import Size, read_facts

DENSE_CONFIG = "config.json"
ACTIVATIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Identity": lambda values: values,
    "Tanh": np.tanh,
    "ReLU": lambda values: np.maximum(values, 0),
    # By way of the tangent it cannot overflow.
    "Sigmoid": lambda values: 0.5 * (1 + np.tanh(values / 2)),
}


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """The rows of `(texts, width)` floats divided by their lengths; one of length 0 stays as it is."""
    lengths: np.ndarray = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-12))


def likeness(first: np.ndarray, second: np.ndarray, measure: str) -> np.ndarray:
    """How alike each vector is to each other one.

    Args:
        first: `(rows, width)`, or one vector.
        second: `(columns, width)`, or one vector.
        measure: `cosine`, `dot`, `euclidean` or `manhattan`.

    Returns:
        `(rows, columns)` float32, larger where more alike: distances are negative.
    """
    from scipy.spatial.distance import cdist

    a, b = (np.atleast_2d(np.asarray(one, dtype=np.float32)) for one in (first, second))
    if measure == "cosine":
        a, b = unit_length(a), unit_length(b)
    if measure in ("cosine", "dot"):
        products: np.ndarray = a @ b.T
        return products
    distances: np.ndarray = -cdist(a, b, "euclidean" if measure == "euclidean" else "cityblock")
    return distances.astype(np.float32)


class Step(Protocol):
    """A step."""

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """From `(texts, width)` float32 to `(texts, its own width)` float32."""
        ...

    def width(self, before: int) -> int:
        """Numbers of a vector after it, of so many before it."""
        ...

    def identity(self) -> list[object]:
        """Everything that its result depends on, as values that JSON can hold."""
        ...


@dataclass(frozen=True)
class Normalize:
    """Vectors of length 1."""

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """See `Step.apply`."""
        return unit_length(vectors)

    def width(self, before: int) -> int:
        """See `Step.width`."""
        return before

    def identity(self) -> list[object]:
        """See `Step.identity`."""
        return ["normalize"]


@dataclass(frozen=True)
class Truncate:
    """The first numbers of each vector.

    Source: Kusupati et al. 2022, "Matryoshka Representation Learning".
    """

    dimensions: int

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """See `Step.apply`."""
        return vectors[:, : self.dimensions]

    def width(self, before: int) -> int:  # noqa: ARG002 - as in `Step`
        """See `Step.width`."""
        return self.dimensions

    def identity(self) -> list[object]:
        """See `Step.identity`."""
        return ["truncate", self.dimensions]

    def as_dense(self, before: int) -> "Dense":
        """The same as a projection, for files that know no other way to say it."""
        return Dense(np.eye(self.dimensions, before, dtype=np.float32), None, "Identity")


@dataclass(frozen=True, eq=False)
class Dense:
    """A linear layer with an activation.

    Attributes:
        weight: `(width after, width before)` float32.
        bias: `(width after,)` float32; `None` for none.
        activation: One of `ACTIVATIONS`, as PyTorch calls it.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    activation: str

    def apply(self, vectors: np.ndarray) -> np.ndarray:
        """See `Step.apply`."""
        found = vectors @ self.weight.T
        result: np.ndarray = ACTIVATIONS[self.activation](found if self.bias is None else found + self.bias)
        return result

    def width(self, before: int) -> int:
        """See `Step.width`.

        Raises:
            BackboneError: If it takes vectors of another width.
        """
        if self.weight.shape[1] != before:
            raise BackboneError(
                f"the model's projection takes vectors of {self.weight.shape[1]} numbers, and this pooling gives "
                f"{before}: leave out --pooling, or give a model that is whole"
            )
        return int(self.weight.shape[0])

    def identity(self) -> list[object]:
        """See `Step.identity`."""
        parts = (self.weight,) if self.bias is None else (self.weight, self.bias)
        return ["dense", self.activation, *(short_digest(part.tobytes()).hex() for part in parts)]


class _Config(TypedDict):
    in_features: Size
    out_features: Size
    bias: bool
    activation_function: str
    module_input_name: str
    use_residual: bool


def read_dense(folder: Path, name: str) -> Dense:
    """Read a projection.

    Args:
        folder: Of the module.
        name: The model's, for messages.

    Raises:
        BackboneError: If it is of a kind that is not computed here, or its weights cannot be read.
        ArtifactError: If its settings are missing or damaged.
    """
    if not (folder / DENSE_CONFIG).is_file():
        raise BackboneError(f"{folder / DENSE_CONFIG} is missing: give a model that is whole")
    config = read_facts(folder / DENSE_CONFIG, _Config)
    # Without one named, sentence-transformers takes this one.
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh").rpartition(".")[2]
    if activation not in ACTIVATIONS:
        raise BackboneError(
            f"{name} has a Dense module with the activation {quoted(activation)}, which is not computed here: give a "
            f"model with one of {', '.join(ACTIVATIONS)}"
        )
    if (
        config.get("use_residual", False)
        or config.get("module_input_name", "sentence_embedding") != "sentence_embedding"
    ):
        raise BackboneError(
            f"{name} has a Dense module with a residual connection, or over tokens, which is not computed here: give "
            "another model"
        )
    path = BackboneFiles(folder, f"{name}/{folder.name}", None).weights()
    try:
        arrays = load_file(path)
        weight = arrays["linear.weight"].astype(np.float32)
        bias = arrays["linear.bias"].astype(np.float32) if config.get("bias", True) else None
        if weight.shape != (config["out_features"], config["in_features"]) or (
            bias is not None and bias.shape != weight.shape[:1]
        ):
            raise ValueError("its weights are of another size than it says")
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise BackboneError(f"{path} cannot be read ({reason_of(error)}): give a model that is whole") from None
    return Dense(weight, bias, activation)
