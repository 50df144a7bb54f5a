"""`adapter-bottleneck`: small two-layer networks inside the frozen backbone's layers, and a head.

Each layer gets two, one after attention and one after the feed-forward, before the sum with the layer's input. They
start as the identity, so the first step starts from the backbone as it was published.

Source: Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", section 2.1.
"""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from trifold.artifact.arrays import read_state, write_state
from trifold.backbone.encoder import load_model, pool_tokens
from trifold.backbone.heads import in_full_precision, trained_on_means
from trifold.backbone.layers import encoder_layers, freeze, top_layers
from trifold.backbone.locate import BackboneFiles, describe_base, find_base
from trifold.backbone.settings import ComputeSettings
from trifold.backbone.tokens import Tokenizer
from trifold.errors import BackboneError
from trifold.methods.defaults import ADAPTER
from trifold.methods.tuned import Tuned, TunedPredictor
from trifold.progress import say
from trifold.runtime import Runtime, choose
from trifold.tasks.labels import LabelMap

_SIZE = 48
_HEAD_DROPOUT = 0.1
# Where a layer's attention and feed-forward end, in the names of the architectures.
_ATTENTION_ENDS = ("attention.output.dense", "attention.out_lin", "attn.Wo")
_FEED_FORWARD_ENDS = ("output.dense", "ffn.lin2", "mlp.Wo")


class Bottleneck(torch.nn.Module):
    """Down, a non-linearity, up, and the input again: `(…, width)` to the same.

    Args:
        width: Of the backbone.
        size: Of the narrow part.
    """

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.down = torch.nn.Linear(width, size)
        self.up = torch.nn.Linear(size, width)
        torch.nn.init.zeros_(self.up.weight)
        torch.nn.init.zeros_(self.up.bias)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """See the class."""
        result: torch.Tensor = states + self.up(torch.nn.functional.gelu(self.down(states)))
        return result


class AdaptedEncoder(torch.nn.Module):
    """A frozen encoder with adapters in its top layers and a linear head.

    Args:
        backbone: An encoder without a head; it is frozen, and its own parameters are never touched.
        classes: Of the head.
        size: Of each adapter's narrow part.
        layers: How many, from the top; all where `None`.
        by_mean: Whether the head reads the mean of the tokens or the first one.
    """

    def __init__(self, backbone: Any, classes: int, size: int, layers: int | None, *, by_mean: bool) -> None:
        super().__init__()
        # First, so that whoever looks for the layers finds them before the adapters.
        self.backbone, self.config = backbone, backbone.config
        freeze(backbone)
        width = backbone.config.hidden_size
        adapted = top_layers(encoder_layers(backbone), layers, "--adapter-layers")
        ends = [end for layer in adapted for end in _ends(layer)]
        self.adapters = torch.nn.ModuleList(Bottleneck(width, size) for _ in ends)
        for end, adapter in zip(ends, self.adapters, strict=True):
            end.register_forward_hook(lambda _module, _inputs, output, adapter=adapter: adapter(output))
        self.dropout = torch.nn.Dropout(_HEAD_DROPOUT)
        self.head = torch.nn.Linear(width, classes)
        self.size, self.by_mean = size, by_mean

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> SimpleNamespace:
        """`(batch, tokens)` ids and mask to an object with `logits`, `(batch, classes)`."""
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        pooled = pool_tokens(states, attention_mask, "mean" if self.by_mean else "first")
        return SimpleNamespace(logits=in_full_precision(self.head, self.dropout(pooled)))

    def own_state(self) -> dict[str, torch.Tensor]:
        """What training has changed: adapters and head, not the backbone."""
        return {name: t for name, t in self.state_dict().items() if not name.startswith("backbone.")}


def _ends(layer: torch.nn.Module) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The last matrix of a layer's attention, and that of its feed-forward."""
    modules = dict(layer.named_modules())
    attention = next((modules[name] for name in _ATTENTION_ENDS if name in modules), None)
    feed_forward = next((modules[name] for name in _FEED_FORWARD_ENDS if name in modules), None)
    if attention is None or feed_forward is None:
        raise BackboneError(f"the layers of this model ({type(layer).__name__}) are unknown: use adapter-lora")
    return attention, feed_forward


class BottleneckPredictor(TunedPredictor):
    """A frozen backbone with bottleneck adapters and a head; only those are saved."""

    def save(self, folder: Path) -> None:
        """Write adapters and head, and which backbone they stand in; the backbone itself is not copied."""
        settings = {
            **self.saved_settings(),
            **describe_base(self.base),
            "size": self.model.size,
            "layers": len(self.model.adapters) // 2,
            "by_mean": self.model.by_mean,
        }
        write_state(folder, settings, {name: t.cpu().numpy() for name, t in self.model.own_state().items()})

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings) -> "BottleneckPredictor":
        """See `Predictor.load`."""
        settings, arrays = read_state(folder)
        files = find_base(settings, folder, offline=compute.offline)
        labels = LabelMap.saved(settings)
        runtime = choose(compute.device, compute.precision)
        model = AdaptedEncoder(
            load_model("AutoModel", files),
            len(labels),
            int(str(settings["size"])),
            int(str(settings["layers"])),
            by_mean=bool(settings["by_mean"]),
        )
        model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()}, strict=False)
        tokenizer = Tokenizer.of(files, settings)
        return cls(lambda: model, tokenizer, labels, compute, runtime, files)

    def read(self) -> None:
        """See `TunedPredictor.read`: what stands inside the layers is not read there."""

    @torch.no_grad()
    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self.model.head.weight.div_(temperature)
        self.model.head.bias.div_(temperature)

    @torch.no_grad()
    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        self.model.head.bias.add_(torch.from_numpy(shift).to(self.model.head.bias))


class BottleneckAdapter(Tuned):
    """Adapters inside the layers, and a head."""

    name = "adapter-bottleneck"
    summary = "the backbone is frozen, small networks inside its layers are trained"
    predictor = BottleneckPredictor
    defaults = ADAPTER

    def build(self, files: BackboneFiles, labels: LabelMap) -> AdaptedEncoder:
        """See `Tuned.build`."""
        tuning = self.settings.tuning
        if tuning.merge_adapter:
            say("note: --merge-adapter is for adapter-lora; a bottleneck is not linear and stays apart")
        return AdaptedEncoder(
            load_model("AutoModel", files),
            len(labels),
            tuning.adapter_size or _SIZE,
            tuning.adapter_layers,
            by_mean=trained_on_means(files),
        )

    def wrap(
        self, model: Any, tokenizer: Tokenizer, labels: LabelMap, runtime: Runtime, files: BackboneFiles
    ) -> BottleneckPredictor:
        """See `Tuned.wrap`."""
        return BottleneckPredictor(lambda: model, tokenizer, labels, self.settings.backbone, runtime, files)
