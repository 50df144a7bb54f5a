"""`full`: the whole backbone is trained, with the classification head of transformers.

The saved model is an ordinary Hugging Face folder and loads in plain transformers.
"""

from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from trifold.artifact.arrays import read_state, write_state
from trifold.engines.catalogue import read_weights
from trifold.engines.classifier_weights import ClassifierWeights
from trifold.engines.matmul_attention import registered_attention
from trifold.engines.partial_layers import speed_up_classifier
from trifold.methods.defaults import FULL
from trifold.methods.fine_tuning import FineTunedPredictor, FineTuning, require_classes
from trifold.models.backbone_files import BackboneFiles
from trifold.models.classification_head import (
    divide_logits,
    head_parameters,
    new_classifier,
    saved_classifier,
    shift_logits,
)
from trifold.models.layers import freeze_below, freeze_embeddings
from trifold.models.loading import save_model
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.runtime import Runtime, choose
from trifold.tasks.labels import LabelMap


class FullPredictor(FineTunedPredictor):
    """A fine-tuned encoder with the sequence-classification head of transformers."""

    def save(self, folder: Path) -> None:
        """Write the model, its tokenizer, and the labels with their types in the data."""
        save_model(self.model, folder)
        copy_tokenizer(self.base, folder)
        write_state(folder, self.saved_settings(), {})

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "FullPredictor":
        """See `Predictor.load`."""
        settings, _ = read_state(folder)
        files = BackboneFiles(folder, str(settings["base"]), None, compute.trust_remote_code)
        runtime = choose(compute.device, compute.precision)
        labels = LabelMap.saved(settings)
        tokenizer = Tokenizer.of(files, settings)

        def load() -> Any:
            model = speed_up_classifier(saved_classifier(files, attention=registered_attention()))
            require_classes(model.config.num_labels, labels, files)
            return model

        saved = read_weights(files)
        weights = None if saved is None else ClassifierWeights(saved)
        return cls(load, tokenizer, labels, compute, runtime, files, weights)

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        with self.changing() as model:
            divide_logits(model, temperature)

    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        with self.changing() as model:
            shift_logits(model, shift)


class Full(FineTuning):
    """Full fine-tuning, of all parameters or, where asked, of the top layers only."""

    name = "full"
    summary = "the whole backbone is trained"
    predictor = FullPredictor
    defaults = FULL

    def build(self, files: BackboneFiles, labels: LabelMap, start: np.ndarray | None) -> Any:
        """See `FineTuning.build`."""
        model = speed_up_classifier(
            new_classifier(
                files, labels, start, may_grow=True, shifts=self.shifts(labels), attention=registered_attention()
            )
        )
        freeze_below(model, self.settings.tuning.train_layers, "--train-layers")
        if self.settings.tuning.freeze_embeddings:
            freeze_embeddings(model)
        return model

    def head(self, model: Any) -> Collection[str]:
        """See `FineTuning.head`."""
        return head_parameters(model)

    def wrap(
        self, model: Any, tokenizer: Tokenizer, labels: LabelMap, runtime: Runtime, files: BackboneFiles
    ) -> FullPredictor:
        """See `FineTuning.wrap`."""
        return FullPredictor(lambda: model, tokenizer, labels, self.settings.backbone, runtime, files)
