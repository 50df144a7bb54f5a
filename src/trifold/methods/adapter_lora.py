"""`adapter-lora`: low-rank matrices beside the frozen backbone's own, trained through peft.

The saved folder is peft's own format, its base named by hub id and revision, so it loads in plain peft. Merged on
request, it is an ordinary sequence classifier instead.

Source: Hu et al. 2022, "LoRA: Low-Rank Adaptation of Large Language Models".
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError

from trifold.artifact.arrays import read_state, write_state
from trifold.backbone.heads import compute_first_token_only, divide_logits, head_modules, new_classifier
from trifold.backbone.layers import encoder_layers, freeze
from trifold.backbone.locate import BackboneFiles, describe_base, find_base
from trifold.backbone.settings import ComputeSettings
from trifold.backbone.tokens import Tokenizer
from trifold.errors import ArtifactError, SettingsError
from trifold.methods.defaults import ADAPTER
from trifold.methods.full import FullPredictor
from trifold.methods.tuned import Tuned, TunedPredictor
from trifold.runtime import Runtime, choose
from trifold.tasks.labels import LabelMap
from trifold.types import Label

_RANK = 8
_ADAPTER_CONFIG = "adapter_config.json"


class LoraPredictor(TunedPredictor):
    """A frozen backbone with low-rank adapters and a head, in peft's format."""

    def save(self, folder: Path) -> None:
        """Write the adapter, its head and the configuration with the labels; the backbone itself is not copied."""
        # Without the flag, peft asks the hub whether the vocabulary has grown.
        self.model.save_pretrained(folder, save_embedding_layers=False)
        (folder / "README.md").unlink(missing_ok=True)
        self.model.config.save_pretrained(folder)
        write_state(folder, {**self.saved_settings(), **describe_base(self.base)}, {})

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> TunedPredictor:
        """See `Predictor.load`."""
        settings, _ = read_state(folder)
        if not (folder / _ADAPTER_CONFIG).is_file():
            return FullPredictor.load(folder, compute)
        from peft import PeftModel

        labels: list[Label] = settings["labels"]  # type: ignore[assignment]
        files = find_base(settings, folder, offline=compute.offline)
        runtime = choose(compute.device, compute.precision)
        try:
            with _without_deprecations():
                model = PeftModel.from_pretrained(new_classifier(files, labels, may_grow=False), str(folder))
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise ArtifactError(
                f"the adapter in {folder} is missing or damaged ({str(error).splitlines()[0]}): train again"
            ) from None
        tokenizer = Tokenizer.of(files, settings)
        return cls(model.to(runtime.device), tokenizer, LabelMap(tuple(labels)), compute, runtime, files)

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`."""
        return sum(tensor.nbytes for tensor in self.model.state_dict().values())

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        wrapped = self.model.base_model.model
        plain, wrapped.classifier = wrapped.classifier, wrapped.classifier.modules_to_save["default"]
        divide_logits(wrapped, temperature)
        wrapped.classifier = plain

    def merged(self) -> FullPredictor:
        """The same model as an ordinary one, its adapters added into the backbone's own matrices."""
        model = compute_first_token_only(self.model.merge_and_unload())
        return FullPredictor(model, self._tokenizer, self.labels, self._settings, self._runtime, self.base)


class Lora(Tuned):
    """Low-rank adapters beside every matrix of the layers, with the pooler and a head."""

    name = "adapter-lora"
    summary = "the backbone is frozen, low-rank matrices beside its own are trained"
    predictor = LoraPredictor
    defaults = ADAPTER

    def build(self, files: BackboneFiles, labels: LabelMap) -> Any:
        """See `Tuned.build`."""
        from peft import LoraConfig, TaskType, get_peft_model

        model = new_classifier(files, labels.names, may_grow=False)
        layers = encoder_layers(model)
        adapted = adapted_layers(len(layers), self.settings.tuning.adapter_layers)
        names = {module: name for name, module in model.named_modules()}
        targets = [
            names[module] for i in adapted for module in layers[i].modules() if isinstance(module, torch.nn.Linear)
        ]
        heads = list(head_modules(model))
        freeze(model.base_model)
        rank = self.settings.tuning.adapter_size or _RANK
        config = LoraConfig(
            task_type=TaskType.SEQ_CLS, r=rank, lora_alpha=2 * rank, target_modules=targets, modules_to_save=heads
        )
        with _without_deprecations():
            wrapped = get_peft_model(model, config)
        # What loads the adapter must find the backbone by its public name, not by a path of this machine.
        chosen = wrapped.peft_config["default"]
        chosen.base_model_name_or_path, chosen.revision = files.name, files.revision
        return wrapped

    def wrap(
        self, model: Any, tokenizer: Tokenizer, labels: LabelMap, runtime: Runtime, files: BackboneFiles
    ) -> TunedPredictor:
        """See `Tuned.wrap`."""
        predictor = LoraPredictor(model, tokenizer, labels, self.settings.backbone, runtime, files)
        return predictor.merged() if self.settings.tuning.merge_adapter else predictor


@contextmanager
def _without_deprecations() -> Iterator[None]:
    """What peft and transformers have to settle with each other is nothing the user can mend."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        yield


def adapted_layers(depth: int, asked: int | None) -> range:
    """Numbers of the layers that get an adapter, counted from 0 at the bottom.

    Raises:
        SettingsError: If there are fewer layers than asked for.
    """
    if asked is not None and asked > depth:
        raise SettingsError(f"--adapter-layers {asked}: this backbone has {depth} layers, give {depth} or fewer")
    return range(depth - (asked or depth), depth)
