"""`features`: the backbone stays frozen and is run once per text; layers, pooling and head are chosen on validation.

Early layers represent words and late ones meaning, and which layer suits a task is not known beforehand. One pass
computes them all, so trying each costs no more than fitting a small linear head.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.engines.encoder import Encoder
from trifold.engines.pooled_model import PooledModel
from trifold.events import say
from trifold.features.half_precision import in_half_precision
from trifold.features.pooled_vectors import pool_through_cache
from trifold.methods.contract import Exportable, Fitted, Method
from trifold.methods.export_graph import HeadOnEncoder
from trifold.methods.feature_selection import (
    FeatureSelection,
    PooledData,
    choose_through_cache,
    describe_layer_poolings,
)
from trifold.methods.linear_head import HeadData, LinearHead
from trifold.methods.mlp import MlpHead, default_training_config, fit_mlp
from trifold.methods.pair_features import pooled_pairs
from trifold.methods.token_predictor import TokenPredictor
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import describe_base, find_backbone, find_base
from trifold.models.pooling import POOLINGS, LayerPooling, Pooled
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import choose, seed_everything
from trifold.schema import damaged
from trifold.statistics.calibration import calibrated_loss
from trifold.tasks.labels import LabelMap
from trifold.train.history import History
from trifold.types import Examples, Text, single_texts, two_sides


class FeaturesPredictor(TokenPredictor):
    """A frozen encoder, without the layers above the highest one that is read, and a small head.

    Args:
        encoder: Holds at least the layers that `selection` reads.
        tokenizer: The encoder's.
        selection: Which pooled vectors the head reads.
        head: From their features to logits.
        labels: Labels of the task, in class order.
        settings: How the encoder is run.
        files: The backbone.
        pairs: Whether a row is a pair of texts, which are encoded apart.
    """

    def __init__(
        self,
        encoder: Encoder,
        tokenizer: Tokenizer,
        selection: FeatureSelection,
        head: LinearHead | MlpHead,
        labels: LabelMap,
        settings: ComputeSettings,
        files: BackboneFiles,
        *,
        pairs: bool = False,
    ) -> None:
        self.labels = labels
        self._encoder = encoder
        self._tokenizer = tokenizer
        self._selection = selection
        self._head = head
        self._settings = settings
        self._files = files
        self._pairs = pairs

    def token_model(self) -> PooledModel:
        """See `TokenPredictor.token_model`."""
        return PooledModel(
            tokenizer=self._tokenizer,
            token_budget=self._settings.token_budget or self._encoder.engine.token_budget,
            apart=self._pairs,
            encoder=self._encoder,
            layers=tuple(self._selection.layers),
            head=self._logits,
        )

    def share(self, encoder: Encoder) -> None:
        """See `SharesEncoder.share`."""
        self._encoder = encoder

    def _logits(self, found: Pooled) -> np.ndarray:
        pooled = in_half_precision(found)
        return self._head.logits(self._selection.features(pooled_pairs(pooled) if self._pairs else pooled))

    def save(self, folder: Path) -> None:
        """Write the head and the name of its backbone; the backbone itself is not copied."""
        settings: dict[str, object] = {
            **self.labels.described(),
            "head": _kind(self._head),
            # The name on disk of the layer poolings.
            "places": [list(layer_pooling) for layer_pooling in self._selection.layer_poolings],
            "engine": self._encoder.backend,
            "pairs": self._pairs,
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
        pairs = settings.get("pairs") is True
        features = len(layer_poolings) * encoder.width * (1 + pairs)
        selection = FeatureSelection(
            layer_poolings, arrays.of_shape("mean", features), arrays.of_shape("scale", features, positive=True)
        )
        kind = MlpHead if settings["head"] == "mlp" else LinearHead
        head = kind.saved(arrays, features, len(labels))
        tokenizer = Tokenizer.of(files, settings)
        return cls(encoder, tokenizer, selection, head, labels, compute, files, pairs=pairs)

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self._head = self._head.cooled(temperature)

    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        self._head = replace(self._head, bias=self._head.bias + shift)

    def exportable(self) -> Exportable | None:
        """See `Predictor.exportable`. Standardising is folded into the head's first layer.

        What encodes the texts of a pair apart is no single pass through a module.
        """
        if self._pairs:
            return None
        (weight, bias), *upper = self._head.layers()
        first = weight / self._selection.scale[:, None]
        layers = [(first, bias - self._selection.mean @ first), *upper]
        windows = self._tokenizer.reads_windows
        module = HeadOnEncoder(
            self._encoder, self._selection.layer_poolings, layers, in_half_precision=True, windows=windows
        )
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
        tokenizer = Tokenizer.chosen(files, chosen)
        tokenizer.require_words(train.texts)
        encoder = Encoder(files, runtime, engine=chosen.engine)
        texts = _each([*train.texts, *validation.texts], pairs=train.pairs)
        say(f"features: {files.name} encodes {len(texts):,} texts once, {encoder.precision} on {runtime.device}")
        # Choosing joins one pooling of all layers in float32, and standardising needs a copy for a moment.
        joined_bytes = 2 * 4 * (encoder.layers + 1) * encoder.width
        if train.pairs:
            # The pairs' own vectors, each twice as wide as a text's.
            joined_bytes += 2 * len(POOLINGS) * (encoder.layers + 1) * encoder.width
        found = pool_through_cache(encoder, tokenizer, texts, files, chosen, joined_bytes)
        vectors = pooled_pairs(found.pooled) if train.pairs else found.pooled
        pooled = PooledData(
            vectors.rows(slice(0, len(train))),
            labels.encode(train.labels),
            vectors.rows(slice(len(train), None)),
            labels.encode(validation.labels),
            len(labels),
            self.settings.train.class_weight,
        )
        address = found.address + (" as pairs" if train.pairs else "") if chosen.cache else None
        selection, linear, chosen_seconds = choose_through_cache(pooled, encoder.layers, address)
        data = pooled.head_data(selection)
        head, history, losses = self._choose_head(data, linear.head)
        encoder.keep(max(selection.layers))
        described = describe_layer_poolings(selection.layer_poolings)
        say(f"features: {described} with a {_kind(head)} head chosen on validation")
        return Fitted(
            predictor=FeaturesPredictor(encoder, tokenizer, selection, head, labels, chosen, files, pairs=train.pairs),
            history=history,
            trainable_parameters=head.parameters(),
            choices={
                "vectors": described,
                "head": _kind(head),
                "strength": linear.c,
                "validation_calibrated_loss": losses,
                "precision": encoder.precision,
                "engine": encoder.backend,
            },
            validation_logits=head.logits(data.validation),
            cached_seconds=found.cached_seconds + chosen_seconds,
        )

    def _choose_head(
        self, data: HeadData, linear: LinearHead
    ) -> tuple[LinearHead | MlpHead, History | None, dict[str, float]]:
        """The head that the user named, or else the one with the lower validation loss.

        Losses are compared after calibration, since the chosen head is going to be calibrated.

        Returns:
            The head, the history of the MLP's training if one was trained, and each head's calibrated loss.
        """
        named = self.settings.head.head
        heads: dict[str, LinearHead | MlpHead] = {"logistic": linear}
        history = None
        if named != "logistic":
            config = default_training_config(len(data.train_classes))
            # Heads are trained on the CPU, wherever the texts were encoded.
            precision = choose("cpu", self.settings.backbone.precision).precision
            heads["mlp"], history = fit_mlp(data, self.settings.train, config, precision=precision)
        losses = calibrated_losses(heads, data)
        return heads[min(losses, key=losses.__getitem__) if named == "auto" else named], history, losses


def calibrated_losses(heads: Mapping[str, LinearHead | MlpHead], data: HeadData) -> dict[str, float]:
    """Each head's loss on the validation rows after calibration, by the head's name."""
    return {
        name: calibrated_loss(head.logits(data.validation), data.validation_classes, data.validation_weights)
        for name, head in heads.items()
    }


def _each(texts: Sequence[Text], *, pairs: bool) -> list[str]:
    """What is encoded: the texts, or the first texts of all pairs and then the second ones."""
    return list(chain(*two_sides(texts))) if pairs else single_texts(texts)


def _kind(head: LinearHead | MlpHead) -> str:
    return "mlp" if isinstance(head, MlpHead) else "logistic"
