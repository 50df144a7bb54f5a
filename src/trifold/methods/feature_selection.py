"""Which pooled vectors a linear head reads, chosen on validation, and remembered on disk."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from trifold.cache_folder import remembered
from trifold.methods.linear_head import HeadData, LinearHead
from trifold.methods.logistic import FittedHead, fit_path
from trifold.models.pooling import POOLINGS, LayerPooling, Pooled
from trifold.version import VERSION

# Values of C (inverse regularisation strength) for standardised vectors, strongest regularisation first.
_C_VALUES = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# One value is enough to rank single vectors by. The more vectors are joined the stronger the regularisation they need,
# so joined ones get the whole path.
_RANKING_C_VALUES = (0.01,)
# Comparing takes fewer rows and a coarser optimum than the final fit (benchmarks/LOG.md).
_COMPARED_ROWS = 4_000
_COMPARED_TOLERANCE, _TOLERANCE = 1e-3, 1e-4
_JOINED_COUNTS = (1, 2, 4, 8)
# A coarse optimum tells good candidates from bad ones, but not the best from the second best: both are fitted fully.
_FINALISTS = 2


@dataclass(frozen=True)
class FeatureSelection:
    """Which pooled vectors a head reads, and how they are standardised.

    Attributes:
        layer_poolings: The vectors, joined in this order.
        mean: `(features,)`, mean over the training rows.
        scale: `(features,)`, standard deviation over the training rows.
    """

    layer_poolings: tuple[LayerPooling, ...]
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, layer_poolings: Sequence[LayerPooling], pooled: Pooled) -> "FeatureSelection":
        """Standardise `layer_poolings` by the vectors of the training part.

        A feature that hardly varies is not scaled up to variance 1: what varies in it is rounding error.
        """
        joined = pooled.join(layer_poolings)
        deviations = joined.std(0)
        return cls(tuple(layer_poolings), joined.mean(0), np.maximum(deviations, max(0.05 * deviations.mean(), 1e-6)))

    def features(self, pooled: Pooled) -> np.ndarray:
        """The standardised features of some texts.

        Args:
            pooled: Vectors in half precision, of at least the selected layers.

        Returns:
            `(texts, features)` float32.
        """
        result = pooled.join(self.layer_poolings)
        # In place: the joined vectors of all layers are large.
        result -= self.mean
        result /= self.scale
        return result

    @property
    def layers(self) -> list[int]:
        """Layers that are read, ascending."""
        return sorted({layer for layer, _ in self.layer_poolings})


@dataclass(frozen=True)
class PooledData:
    """Pooled vectors and classes of the training and the validation part.

    Attributes:
        train: The vectors of the training rows.
        train_classes: As in `HeadData`.
        validation: The vectors of the validation rows.
        validation_classes: As in `HeadData`.
        classes: Number of classes of the task.
        class_weight: As in `row_weights`.
    """

    train: Pooled
    train_classes: np.ndarray
    validation: Pooled
    validation_classes: np.ndarray
    classes: int
    class_weight: str

    def sampled(self, rows: int) -> "PooledData":
        """At most about `rows` training rows drawn at random, with at least one row of every class."""
        if len(self.train_classes) <= rows:
            return self
        order = np.random.default_rng(0).permutation(len(self.train_classes))
        shuffled = self.train_classes[order]
        firsts = shuffled.argmax(axis=0) if shuffled.ndim == 2 else np.unique(shuffled, return_index=True)[1]
        chosen = np.union1d(order[:rows], order[firsts])
        train = Pooled(self.train.vectors[chosen], self.train.layers)
        return replace(self, train=train, train_classes=self.train_classes[chosen])

    def head_data(self, selection: FeatureSelection) -> HeadData:
        """The features that a head reads through a selection, with the classes."""
        return HeadData(
            selection.features(self.train),
            self.train_classes,
            selection.features(self.validation),
            self.validation_classes,
            self.classes,
            self.class_weight,
        )


def choose_through_cache(
    data: PooledData, layers: int, address: str | None
) -> tuple[FeatureSelection, FittedHead, float]:
    """`choose_selection`, remembered on disk.

    Args:
        data: What to choose on.
        layers: Layers of the backbone.
        address: A hash of everything that determines the vectors; `None` to remember nothing.

    Returns:
        The selection, its linear head, and the seconds that choosing once took if both came from the cache.
    """
    if address is None:
        return *choose_selection(data, layers), 0.0
    classes = hashlib.sha256(data.train_classes.tobytes() + data.validation_classes.tobytes()).hexdigest()
    about: dict[str, object] = {
        "what": "vectors for a linear head",
        "version": VERSION,
        "vectors": address,
        "rows": len(data.train_classes),
        "classes": [data.classes, classes],
        "class_weight": data.class_weight,
    }
    found, seconds = remembered(about, lambda: _as_arrays(*choose_selection(data, layers)))
    layer_poolings = tuple((int(layer), POOLINGS[pooling]) for layer, pooling in found["places"])
    selection = FeatureSelection(layer_poolings, found["mean"], found["scale"])
    return selection, FittedHead(LinearHead.of(found), float(found["strength"]), float(found["loss"])), seconds


def _as_arrays(selection: FeatureSelection, fitted: FittedHead) -> dict[str, np.ndarray]:
    """What is remembered; `places` and `strength` are the names on disk of the layer poolings and of C."""
    return {
        "places": np.array([(layer, POOLINGS.index(pooling)) for layer, pooling in selection.layer_poolings]),
        "mean": selection.mean,
        "scale": selection.scale,
        **fitted.head.arrays(),
        "strength": np.array(fitted.c),
        "loss": np.array(fitted.validation_loss),
    }


def choose_selection(
    data: PooledData, layers: int, compared_rows: int = _COMPARED_ROWS
) -> tuple[FeatureSelection, FittedHead]:
    """Choose pooled vectors and their linear head by validation loss.

    Every single vector is ranked first. The candidates are then joins of the best ones, and of one pooling of all
    layers.

    Args:
        data: What to choose on.
        layers: Layers of the backbone.
        compared_rows: Training rows that candidates are compared on; the best of them are fitted on all rows.
    """
    few = data.sampled(compared_rows)

    def compare(layer_poolings: Sequence[LayerPooling], c_values: Sequence[float]) -> FittedHead:
        return _fit(few, layer_poolings, c_values, _COMPARED_TOLERANCE)[1]

    singles: list[LayerPooling] = [(layer, pooling) for layer in range(layers + 1) for pooling in POOLINGS]
    ranked = sorted(singles, key=lambda single: compare([single], _RANKING_C_VALUES).validation_loss)
    candidates = [ranked[:count] for count in _JOINED_COUNTS]
    candidates += [[(layer, pooling) for layer in range(layers + 1)] for pooling in POOLINGS]
    compared = [(compare(layer_poolings, _C_VALUES), layer_poolings) for layer_poolings in candidates]
    finalists = sorted(compared, key=lambda one: one[0].validation_loss)[:_FINALISTS]
    fitted = [_fit(data, layer_poolings, _around(coarse.c), _TOLERANCE) for coarse, layer_poolings in finalists]
    return min(fitted, key=lambda one: one[1].validation_loss)


def _around(c: float) -> tuple[float, ...]:
    """A value of C and its neighbours on the path: those worth a full fit."""
    found = _C_VALUES.index(c)
    return _C_VALUES[max(0, found - 1) : found + 2]


def _fit(
    data: PooledData, layer_poolings: Sequence[LayerPooling], c_values: Sequence[float], tolerance: float
) -> tuple[FeatureSelection, FittedHead]:
    selection = FeatureSelection.of(layer_poolings, data.train)
    return selection, fit_path(data.head_data(selection), c_values, tolerance)


def describe_layer_poolings(layer_poolings: Sequence[LayerPooling]) -> str:
    """Layer poolings in words: `layer 5 mean`, or `layer 4 mean + layer 5 mean + 6 more`."""
    names = [f"layer {layer} {pooling}" for layer, pooling in layer_poolings]
    return " + ".join(names[:3]) + (f" + {len(names) - 3} more" if len(names) > 3 else "")
