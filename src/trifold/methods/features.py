"""`features`: the backbone stays frozen and is run once per text; layers, pooling and head are chosen on validation.

Early layers know words, late ones meaning, and which of them serves a task best is not known beforehand.
One pass yields them all, so trying them costs only small heads.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.cache_folder import remembered
from trifold.engines.encoder import Encoder
from trifold.events import say
from trifold.features.number_format import in_half_precision
from trifold.features.pooled_vectors import read_through_cache
from trifold.methods.contract import Exportable, Fitted, Method, Predictor, Scores
from trifold.methods.export_graph import HeadOnEncoder
from trifold.methods.logistic import Chosen, LinearHead, Sample, fit_path
from trifold.methods.mlp import MlpHead, fit_mlp, usual_plan
from trifold.models.locate import BackboneFiles, describe_base, find_backbone, find_base
from trifold.models.pooling import POOLINGS, LayerPooling, Pooled
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import choose, seed_everything
from trifold.schema import damaged
from trifold.statistics.calibration import calibrated_loss
from trifold.tasks.labels import LabelMap
from trifold.train.history import History
from trifold.types import Examples
from trifold.version import VERSION

# Inverse strengths for standardised vectors, weakest first (scikit-learn's C).
_STRENGTHS = (0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
# Enough to rank single vectors by. Joined ones want stronger regularisation the more there are, so each gets the path.
_SCREENING = (0.01,)
# Choosing takes fewer rows and a coarser optimum than the one fit that is kept (benchmarks/LOG.md).
_COMPARED_ROWS = 4_000
_COMPARED_TOLERANCE, _TOLERANCE = 1e-3, 1e-4
_JOINED_COUNTS = (1, 2, 4, 8)
# A coarse optimum tells the good from the bad, not the best from the next: so many are fitted to the end.
_FINALISTS = 2


@dataclass(frozen=True)
class FeatureSelection:
    """Which pooled vectors a head reads, standardised by the training part.

    Attributes:
        layer_poolings: Joined in this order.
        mean: `(features,)` of the training part.
        scale: `(features,)`, its standard deviation.
    """

    layer_poolings: tuple[LayerPooling, ...]
    mean: np.ndarray
    scale: np.ndarray

    @classmethod
    def of(cls, layer_poolings: Sequence[LayerPooling], pooled: Pooled) -> "FeatureSelection":
        """Standardise `layer_poolings` of the training part's vectors.

        What hardly varies is not blown up: its variation is rounding, and another text's rounding may differ.
        """
        joined = pooled.join(layer_poolings)
        deviations = joined.std(0)
        return cls(tuple(layer_poolings), joined.mean(0), np.maximum(deviations, max(0.05 * deviations.mean(), 1e-6)))

    def look(self, pooled: Pooled) -> np.ndarray:
        """Vectors that hold at least the layers in use, rounded as those were that it was learned from.

        Returns:
            `(texts, features)` float32.
        """
        result: np.ndarray = (pooled.join(self.layer_poolings) - self.mean) / self.scale
        return result

    @property
    def layers(self) -> list[int]:
        """Layers that are read, ascending."""
        return sorted({layer for layer, _ in self.layer_poolings})


class FeaturesPredictor(Predictor):
    """A frozen encoder, cut above the highest layer in use, with a small head."""

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        selection: FeatureSelection,
        head: LinearHead | MlpHead,
        labels: LabelMap,
        settings: ComputeSettings,
        files: BackboneFiles,
    ) -> None:
        self.labels = labels
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._selection = selection
        self._head = head
        self._settings = settings
        self._files = files

    def score(self, texts: Sequence[str]) -> Scores:
        """See `Predictor.score`."""
        tokens = self._tokenizer.encode(texts)
        pooled = self._encoder.pool(tokens, self._tokenizer.pad_id, self._settings.token_budget, self._selection.layers)
        return Scores(self._head.logits(self._selection.look(in_half_precision(pooled))), tokens.truncated)

    def save(self, folder: Path) -> None:
        """Write the head, and which backbone it stands on; the backbone itself is not copied."""
        settings: dict[str, object] = {
            **self.labels.described(),
            "head": "mlp" if isinstance(self._head, MlpHead) else "logistic",
            "places": [list(place) for place in self._selection.layer_poolings],
            "engine": self._encoder.backend,
            **self._tokenizer.described(),
            **describe_base(self._files),
        }
        write_state(
            folder, settings, {"mean": self._selection.mean, "scale": self._selection.scale, **self._head.arrays()}
        )

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "FeaturesPredictor":
        """See `Predictor.load`."""
        settings, arrays = read_state(folder)
        files = find_base(settings, folder, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
        layer_poolings: tuple[LayerPooling, ...] = tuple(settings["places"])
        labels = LabelMap.saved(settings)
        highest = max(layer for layer, _ in layer_poolings)
        encoder = Encoder(files, choose(compute.device, compute.precision), highest, settings.get("engine", "torch"))
        if highest > encoder.layers:
            raise damaged(settings.path, f"layer {highest} is read, and {files.name} has {encoder.layers}")
        features = len(layer_poolings) * encoder.width
        selection = FeatureSelection(
            layer_poolings, arrays.of_shape("mean", features), arrays.of_shape("scale", features, positive=True)
        )
        kind = MlpHead if settings["head"] == "mlp" else LinearHead
        head = kind.saved(arrays, features, len(labels))
        tokenizer = Tokenizer.of(files, settings)
        return cls(encoder, tokenizer, selection, head, labels, compute, files)

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self._head = self._head.cooled(temperature)

    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        self._head = replace(self._head, bias=self._head.bias + shift)

    def exportable(self) -> Exportable:
        """See `Predictor.exportable`: standardising is folded into the head's first step."""
        (weight, bias), *more = self._head.layers()
        first = weight / self._selection.scale[:, None]
        steps = [(first, bias - self._selection.mean @ first), *more]
        module = HeadOnEncoder(self._encoder, self._selection.layer_poolings, steps, halved=True)
        return Exportable(module.eval().cpu(), self._tokenizer, self._files)

    def load_arguments(self) -> tuple[ComputeSettings]:
        """See `Predictor.load_arguments`."""
        return (self._settings,)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return self._files.size_bytes() + sum(array.nbytes for array in self._head.arrays().values())


class Features(Method):
    """Feature extraction."""

    name = "features"
    summary = "the backbone is frozen and run once per text, a small head is trained"
    predictor = FeaturesPredictor

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.learn`."""
        chosen = self.settings.backbone
        seed_everything(self.settings.train.seed)
        runtime = choose(chosen.device, chosen.precision)
        files = find_backbone(chosen)
        tokenizer = Tokenizer(files, chosen.max_length, chosen.long_text)
        tokenizer.require_words(train.texts)
        encoder = Encoder(files, runtime, engine=chosen.engine)
        texts = [*train.texts, *validation.texts]
        say(f"features: {files.name} reads {len(texts):,} texts once, {encoder.precision} on {runtime.device}")
        read = read_through_cache(encoder, tokenizer, texts, files, chosen)
        parts = _Parts(
            read.pooled.rows(slice(0, len(train))),
            labels.encode(train.labels),
            read.pooled.rows(slice(len(train), None)),
            labels.encode(validation.labels),
            len(labels),
            self.settings.train.class_weight,
        )
        selection, chosen_head, chosen_seconds = _selection_through_cache(
            parts, encoder.layers, read.address if chosen.cache else None
        )
        data = parts.sample(selection)
        head, history, losses = self._choose_head(data, chosen_head.head)
        encoder.keep(max(selection.layers))
        kind = "mlp" if isinstance(head, MlpHead) else "logistic"
        say(f"features: {describe_layer_poolings(selection.layer_poolings)} with a {kind} head chosen on validation")
        return Fitted(
            predictor=FeaturesPredictor(encoder, tokenizer, selection, head, labels, chosen, files),
            history=history,
            trainable_parameters=head.parameters(),
            choices={
                "vectors": describe_layer_poolings(selection.layer_poolings),
                "head": kind,
                "strength": chosen_head.strength,
                "validation_calibrated_loss": losses,
                "precision": encoder.precision,
                "engine": encoder.backend,
            },
            validation_logits=head.logits(data.validation),
            cached_seconds=read.cached_seconds + chosen_seconds,
        )

    def _choose_head(
        self, data: Sample, linear: LinearHead
    ) -> tuple[LinearHead | MlpHead, History | None, dict[str, float]]:
        """The head with the lower validation loss once each is calibrated, as it will be, unless the user named one."""
        losses = {"logistic": _calibrated_loss(linear, data)}
        if self.settings.head.head == "logistic":
            return linear, None, losses
        plan = usual_plan(len(data.train_classes))
        # Heads learn on the processor, wherever the texts were read.
        precision = choose("cpu", self.settings.backbone.precision).precision
        head, history = fit_mlp(data, self.settings.train, plan, precision=precision)
        losses["mlp"] = _calibrated_loss(head, data)
        if self.settings.head.head == "mlp" or losses["mlp"] < losses["logistic"]:
            return head, history, losses
        return linear, history, losses


def _calibrated_loss(head: LinearHead | MlpHead, data: Sample) -> float:
    return calibrated_loss(head.logits(data.validation), data.validation_classes, data.validation_weights)


@dataclass(frozen=True)
class _Parts:
    """Pooled vectors and class numbers of the two parts."""

    train: Pooled
    train_classes: np.ndarray
    validation: Pooled
    validation_classes: np.ndarray
    classes: int
    class_weight: str

    def sampled(self, rows: int) -> "_Parts":
        """The same with fewer training rows, drawn at random whatever their order; no class goes missing."""
        if len(self.train_classes) <= rows:
            return self
        order = np.random.default_rng(0).permutation(len(self.train_classes))
        shuffled = self.train_classes[order]
        firsts = shuffled.argmax(axis=0) if shuffled.ndim == 2 else np.unique(shuffled, return_index=True)[1]
        chosen = np.union1d(order[:rows], order[firsts])
        train = Pooled(self.train.vectors[chosen], self.train.layers)
        return replace(self, train=train, train_classes=self.train_classes[chosen])

    def sample(self, selection: FeatureSelection) -> Sample:
        """What a head sees through a selection."""
        return Sample(
            selection.look(self.train),
            self.train_classes,
            selection.look(self.validation),
            self.validation_classes,
            self.classes,
            self.class_weight,
        )


def _selection_through_cache(parts: _Parts, layers: int, address: str | None) -> tuple[FeatureSelection, Chosen, float]:
    """As `_choose_selection`, remembered where the vectors have an address; and the seconds that choosing once took."""
    if address is None:
        return *_choose_selection(parts, layers), 0.0
    classes = hashlib.sha256(parts.train_classes.tobytes() + parts.validation_classes.tobytes()).hexdigest()
    about: dict[str, object] = {
        "what": "vectors for a linear head",
        "version": VERSION,
        "vectors": address,
        "rows": len(parts.train_classes),
        "classes": [parts.classes, classes],
        "class_weight": parts.class_weight,
    }
    found, seconds = remembered(about, lambda: _as_arrays(*_choose_selection(parts, layers)))
    layer_poolings = tuple((int(layer), POOLINGS[how]) for layer, how in found["places"])
    selection = FeatureSelection(layer_poolings, found["mean"], found["scale"])
    return selection, Chosen(LinearHead.of(found), float(found["strength"]), float(found["loss"])), seconds


def _as_arrays(selection: FeatureSelection, chosen: Chosen) -> dict[str, np.ndarray]:
    layer_poolings = np.array([(layer, POOLINGS.index(how)) for layer, how in selection.layer_poolings])
    numbers = {"strength": np.array(chosen.strength), "loss": np.array(chosen.validation_loss)}
    return {
        "places": layer_poolings,
        "mean": selection.mean,
        "scale": selection.scale,
        **chosen.head.arrays(),
        **numbers,
    }


def _choose_selection(parts: _Parts, layers: int) -> tuple[FeatureSelection, Chosen]:
    """Rank every single vector, then choose among joins of the best, and of all layers, by validation loss."""
    few = parts.sampled(_COMPARED_ROWS)

    def compare(layer_poolings: Sequence[LayerPooling], strengths: Sequence[float]) -> tuple[float, float]:
        chosen = _fit(few, layer_poolings, strengths, _COMPARED_TOLERANCE)[1]
        return chosen.validation_loss, chosen.strength

    singles: list[LayerPooling] = [(layer, how) for layer in range(layers + 1) for how in POOLINGS]
    ranked = sorted(singles, key=lambda place: compare([place], _SCREENING)[0])
    candidates = [ranked[:count] for count in _JOINED_COUNTS]
    candidates += [[(layer, how) for layer in range(layers + 1)] for how in POOLINGS]
    compared = [(*compare(layer_poolings, _STRENGTHS), layer_poolings) for layer_poolings in candidates]
    finalists = sorted(compared, key=lambda one: one[0])[:_FINALISTS]
    fitted = [_fit(parts, layer_poolings, _around(strength), _TOLERANCE) for _, strength, layer_poolings in finalists]
    return min(fitted, key=lambda one: one[1].validation_loss)


def _around(strength: float) -> tuple[float, ...]:
    """The strengths worth fitting to the end: one found coarsely, and its neighbours."""
    found = _STRENGTHS.index(strength)
    return _STRENGTHS[max(0, found - 1) : found + 2]


def _fit(
    parts: _Parts, layer_poolings: Sequence[LayerPooling], strengths: Sequence[float], tolerance: float
) -> tuple[FeatureSelection, Chosen]:
    selection = FeatureSelection.of(layer_poolings, parts.train)
    return selection, fit_path(parts.sample(selection), strengths, tolerance)


def describe_layer_poolings(layer_poolings: Sequence[LayerPooling]) -> str:
    """In words: `layer 5 mean`, or `layer 4 mean + layer 5 mean + 6 more`."""
    names = [f"layer {layer} {how}" for layer, how in layer_poolings]
    return " + ".join(names[:3]) + (f" + {len(names) - 3} more" if len(names) > 3 else "")
