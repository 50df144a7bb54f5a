"""`adapter-lora`: low-rank matrices added to those of the frozen backbone, trained with peft.

The saved folder has peft's format and names its base by hub id and revision, so it loads in plain peft. With
--merge-adapter an ordinary sequence classifier is saved instead.

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

import copy
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trifold.artifact.arrays import read_state, write_state
from trifold.engines.catalogue import read_weights
from trifold.engines.classifier_weights import ClassifierWeights
from trifold.engines.matmul_attention import registered_attention
from trifold.engines.partial_layers import speed_up_classifier
from trifold.engines.protocol import Weights
from trifold.methods.contract import Exportable
from trifold.methods.defaults import LORA
from trifold.methods.fine_tuning import FineTunedPredictor, FineTuning
from trifold.methods.full import FullPredictor
from trifold.models.backbone_files import BackboneFiles
from trifold.models.classification_head import (
    divide_logits,
    head_modules,
    head_name,
    head_parameters,
    new_classifier,
    shift_logits,
)
from trifold.models.layers import encoder_layers, freeze, top_layers
from trifold.models.locate import describe_base, find_base
from trifold.models.lora import (
    ADAPTER_CONFIG,
    Adapter,
    adapter_of,
    add_adapter,
    load_adapter,
    read_adapter,
    save_adapter,
)
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.models.tokenizer_files import copy_tokenizer
from trifold.runtime import Runtime, choose
from trifold.tasks.labels import LabelMap


class LoraPredictor(FineTunedPredictor):
    """A frozen backbone with low-rank adapters and a head, in peft's format."""

    def save(self, folder: Path) -> None:
        """Write the adapter, its head, the tokenizer and the configuration with the labels; not the backbone itself."""
        save_adapter(self.model, folder)
        self.model.config.save_pretrained(folder)
        copy_tokenizer(self.base, folder)
        write_state(folder, {**self.saved_settings(), **describe_base(self.base)}, {})

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> FineTunedPredictor:
        """See `Predictor.load`."""
        settings, _ = read_state(folder)
        if not (folder / ADAPTER_CONFIG).is_file():
            return FullPredictor.load(folder, compute)
        labels = LabelMap.saved(settings)
        files = find_base(settings, folder, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
        runtime = choose(compute.device, compute.precision)
        tokenizer = Tokenizer.of(files, settings)

        def load() -> Any:
            return load_adapter(
                speed_up_classifier(new_classifier(files, labels, may_grow=False, attention=registered_attention())),
                folder,
            )

        return cls(load, tokenizer, labels, compute, runtime, files, _merged(files, read_adapter(folder)))

    def weights(self) -> ClassifierWeights | None:
        """See `FineTunedPredictor.weights`: to the bit those of the saved model."""
        return _merged(self.base, adapter_of(self.model))

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        with self.changing(), self._bare_head() as model:
            divide_logits(model, temperature)

    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        with self.changing(), self._bare_head() as model:
            shift_logits(model, shift)

    @contextmanager
    def _bare_head(self) -> Iterator[Any]:
        """The model without peft's wrapper; inside the block its trained head is without the wrapper as well."""
        wrapped = self.model.base_model.model
        name = head_name(wrapped)
        wrapper = getattr(wrapped, name)
        setattr(wrapped, name, wrapper.modules_to_save["default"])
        try:
            yield wrapped
        finally:
            setattr(wrapped, name, wrapper)

    def exportable(self) -> Exportable:
        """See `Predictor.exportable`. Merged, so that the graph computes no more than the backbone's would."""
        return self._merge(copy.deepcopy(self.model).requires_grad_(requires_grad=False)).exportable()

    def merged(self) -> FullPredictor:
        """An ordinary classifier with equal logits: the adapters are added to the backbone's matrices."""
        return self._merge(self.model)

    def _merge(self, adapted: Any) -> FullPredictor:
        model = adapted.merge_and_unload()
        return FullPredictor(lambda: model, self._tokenizer, self.labels, self._settings, self._runtime, self.base)


def _merged(files: BackboneFiles, adapter: Adapter | None) -> ClassifierWeights | None:
    """The backbone's weights with the adapter added; `None` where either is unknown, or the two do not fit."""
    base = None if adapter is None else read_weights(files)
    if adapter is None or base is None:
        return None
    merged = adapter.merged_into(base.tensors)
    return None if merged is None else ClassifierWeights(Weights(base.config, merged))


class Lora(FineTuning):
    """Low-rank adapters for every matrix of the layers; the pooler and a head are trained as well."""

    name = "adapter-lora"
    summary = "the backbone is frozen, low-rank matrices beside its own are trained"
    predictor = LoraPredictor
    defaults = LORA

    def build(self, files: BackboneFiles, labels: LabelMap, start: np.ndarray | None) -> Any:
        """See `FineTuning.build`."""
        from transformers.pytorch_utils import Conv1D

        model = speed_up_classifier(
            new_classifier(
                files, labels, start, may_grow=False, shifts=self.shifts(labels), attention=registered_attention()
            )
        )
        adapted = top_layers(encoder_layers(model), self.settings.tuning.adapter_layers, "--adapter-layers")
        names = {module: name for name, module in model.named_modules()}
        # GPT-2 has its matrices transposed, in Conv1D modules.
        kinds = (torch.nn.Linear, Conv1D)
        targets = [names[part] for layer in adapted for part in layer.modules() if isinstance(part, kinds)]
        heads = list(head_modules(model))
        freeze(model.base_model)
        rank = self.settings.tuning.adapter_size
        return add_adapter(model, files, rank, task_type="SEQ_CLS", target_modules=targets, modules_to_save=heads)

    def head(self, model: Any) -> Collection[str]:
        """See `FineTuning.head`."""
        return {f"base_model.model.{name}" for name in head_parameters(model.base_model.model)}

    def wrap(
        self, model: Any, tokenizer: Tokenizer, labels: LabelMap, runtime: Runtime, files: BackboneFiles
    ) -> FineTunedPredictor:
        """See `FineTuning.wrap`."""
        predictor = LoraPredictor(lambda: model, tokenizer, labels, self.settings.backbone, runtime, files)
        return predictor.merged() if self.settings.tuning.merge_adapter else predictor
