"""`adapter-bottleneck`: small two-layer networks inside the frozen backbone's layers, and a head.

Each layer gets two, one after the attention and one after the feed-forward, before the residual sum. They start as the
identity, so training starts from the backbone as it was published.

Source: Houlsby et al. 2019, "Parameter-Efficient Transfer Learning for NLP", section 2.1.
"""

from collections.abc import Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from trifold.artifact.arrays import Arrays, read_state, write_state
from trifold.engines.catalogue import read_weights
from trifold.engines.classifier_weights import ClassifierWeights, Head, linear_of
from trifold.engines.matmul_attention import registered_attention
from trifold.engines.protocol import Weights
from trifold.errors import BackboneError
from trifold.methods.defaults import ADAPTER
from trifold.methods.fine_tuning import FineTunedPredictor, FineTuning
from trifold.models.backbone_files import BackboneFiles
from trifold.models.classification_head import in_full_precision, start_at, trained_on_means
from trifold.models.layers import encoder_layers, freeze, top_layers
from trifold.models.loading import is_decoder, load_model
from trifold.models.locate import describe_base, find_base
from trifold.models.pooling import pool_tokens
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime, choose
from trifold.schema import damaged
from trifold.tasks.labels import LabelMap

_SIZE = 48
_HEAD_DROPOUT = 0.1
# Names of the last matrix of a layer's attention and feed-forward in the architectures.
_ATTENTION_ENDS = (
    *("attention.output.dense", "attention.out_lin", "attention.attn.o"),
    *("attn.Wo", "attn.c_proj", "self_attn.o_proj"),
)
_FEED_FORWARD_ENDS = ("output.dense", "ffn.lin2", "mlp.Wo", "mlp.c_proj", "mlp.down_proj")


class Bottleneck(torch.nn.Module):
    """`states + up(gelu(down(states)))`, from `(…, width)` to `(…, width)`.

    Args:
        down: From the backbone's width to the bottleneck's.
        up: From the bottleneck's width to the backbone's.
    """

    def __init__(self, down: torch.nn.Linear, up: torch.nn.Linear) -> None:
        super().__init__()
        self.down, self.up = down, up

    @classmethod
    def identity(cls, width: int, size: int) -> "Bottleneck":
        """A bottleneck of `size` units that adds zero, for states of `width`."""
        found = cls(torch.nn.Linear(width, size), torch.nn.Linear(size, width))
        torch.nn.init.zeros_(found.up.weight)
        torch.nn.init.zeros_(found.up.bias)
        return found

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """See the class."""
        result: torch.Tensor = states + self.up(torch.nn.functional.gelu(self.down(states)))
        return result


class AdaptedEncoder(torch.nn.Module):
    """A frozen encoder with adapters in its top layers and a linear head.

    Args:
        backbone: An encoder without a head; it is frozen, and its parameters never change.
        classes: Number of classes of the head.
        size: Width of each bottleneck.
        layers: Layers with adapters, counted from the top; `None` for all.
        by_mean: Whether the head reads the mean of the tokens, else the first token.
    """

    def __init__(self, backbone: Any, classes: int, size: int, layers: int | None, *, by_mean: bool) -> None:
        super().__init__()
        # Set first, so that `encoder_layers` finds the layers before the list of adapters.
        self.backbone, self.config = backbone, backbone.config
        freeze(backbone)
        width = backbone.config.hidden_size
        adapted = top_layers(encoder_layers(backbone), layers, "--adapter-layers")
        ends = [end for layer in adapted for end in _ends(layer)]
        self.adapters = torch.nn.ModuleList(Bottleneck.identity(width, size) for _ in ends)
        for end, adapter in zip(ends, self.adapters, strict=True):
            end.register_forward_hook(lambda _module, _inputs, output, adapter=adapter: adapter(output))
        self.dropout = torch.nn.Dropout(_HEAD_DROPOUT)
        self.head = torch.nn.Linear(width, classes)
        self.size, self.by_mean = size, by_mean

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor, **types: torch.Tensor) -> SimpleNamespace:
        """`(batch, tokens)` ids, mask and, of pairs, token types to an object with `logits`, `(batch, classes)`."""
        states = self.backbone(input_ids=input_ids, attention_mask=attention_mask, **types).last_hidden_state
        pooled = pool_tokens(states, attention_mask, "mean" if self.by_mean else "first")
        return SimpleNamespace(logits=in_full_precision(self.head, self.dropout(pooled)))

    def own_state(self) -> dict[str, torch.Tensor]:
        """The trained tensors: those of adapters and head, not of the backbone."""
        return {name: t for name, t in self.state_dict().items() if not name.startswith("backbone.")}


def _ends(layer: torch.nn.Module) -> tuple[torch.nn.Module, torch.nn.Module]:
    """The last matrix of a layer's attention, and the last one of its feed-forward."""
    modules = dict(layer.named_modules())
    attention = next((modules[name] for name in _ATTENTION_ENDS if name in modules), None)
    feed_forward = next((modules[name] for name in _FEED_FORWARD_ENDS if name in modules), None)
    if attention is None or feed_forward is None:
        raise BackboneError(f"the layers of this model ({type(layer).__name__}) are unknown: use adapter-lora")
    return attention, feed_forward


class BottleneckPredictor(FineTunedPredictor):
    """A frozen backbone with bottleneck adapters and a head; only those are saved."""

    def save(self, folder: Path) -> None:
        """Write adapters, head and the name of their backbone; the backbone itself is not copied."""
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
        files = find_base(settings, folder, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
        labels = LabelMap.saved(settings)
        runtime = choose(compute.device, compute.precision)
        tokenizer = Tokenizer.of(files, settings)
        size, layers, by_mean = settings["size"], settings["layers"], settings["by_mean"]
        own = _own_arrays(arrays, size, layers, len(labels))

        def load() -> AdaptedEncoder:
            model = AdaptedEncoder(
                load_model("AutoModel", files, attention=registered_attention()),
                len(labels),
                size,
                layers,
                by_mean=by_mean,
            )
            try:
                model.load_state_dict(own, strict=False)
            except RuntimeError:
                raise damaged(arrays.path, f"its adapters do not fit {files.name}") from None
            return model

        if 2 * layers != sum(name.endswith(".down.weight") for name in arrays):
            raise damaged(arrays.path, f"it holds adapters for other layers than the {layers} of head.json")
        base = read_weights(files)
        saved = None if base is None else _weights_with(base, own, by_mean=by_mean)
        return cls(load, tokenizer, labels, compute, runtime, files, saved)

    def weights(self) -> ClassifierWeights:
        """See `FineTunedPredictor.weights`."""
        backbone = Weights(self.model.backbone.config.to_dict(), self.model.backbone.state_dict())
        return _weights_with(backbone, self.model.own_state(), by_mean=self.model.by_mean)

    @torch.no_grad()
    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        with self.changing() as model:
            model.head.weight.div_(temperature)
            model.head.bias.div_(temperature)

    @torch.no_grad()
    def shift_logits(self, shift: np.ndarray) -> None:
        """See `Predictor.shift_logits`."""
        with self.changing() as model:
            model.head.bias.add_(torch.from_numpy(shift).to(model.head.bias))


def _own_arrays(arrays: Arrays, size: int, layers: int, classes: int) -> dict[str, torch.Tensor]:
    """The tensors of adapters and head from a file.

    Raises:
        ArtifactError: If one is missing or has another shape.
    """
    width = arrays.of_shape("head.weight", classes, None).shape[1]
    shapes: dict[str, tuple[int, ...]] = {"head.weight": (classes, width), "head.bias": (classes,)}
    for number in range(min(2 * layers, len(arrays))):
        shapes[f"adapters.{number}.down.weight"] = (size, width)
        shapes[f"adapters.{number}.down.bias"] = (size,)
        shapes[f"adapters.{number}.up.weight"] = (width, size)
        shapes[f"adapters.{number}.up.bias"] = (width,)
    return {name: torch.from_numpy(arrays.of_shape(name, *shape)) for name, shape in shapes.items()}


def _weights_with(backbone: Weights, own: dict[str, torch.Tensor], *, by_mean: bool) -> ClassifierWeights:
    """A backbone's weights, with adapters and head.

    Args:
        backbone: By their names in its files.
        own: As returned by `AdaptedEncoder.own_state`.
        by_mean: Whether the head reads the mean of the tokens, else the first token.
    """
    numbers = range(sum(name.endswith(".down.weight") for name in own))
    adapters = [
        Bottleneck(*(linear_of(own, f"adapters.{number}.{part}") for part in ("down", "up"))) for number in numbers
    ]
    return ClassifierWeights(backbone, Head(linear_of(own, "head"), "mean" if by_mean else "first"), adapters)


class BottleneckAdapter(FineTuning):
    """Bottleneck adapters inside the layers, and a head."""

    name = "adapter-bottleneck"
    summary = "the backbone is frozen, small networks inside its layers are trained"
    predictor = BottleneckPredictor
    defaults = ADAPTER

    def build(self, files: BackboneFiles, labels: LabelMap, start: np.ndarray | None) -> AdaptedEncoder:
        """See `FineTuning.build`."""
        tuning = self.settings.tuning
        backbone = load_model("AutoModel", files, attention=registered_attention())
        model = AdaptedEncoder(
            backbone,
            len(labels),
            tuning.adapter_size or _SIZE,
            tuning.adapter_layers,
            # A decoder's first token attends to no other token.
            by_mean=trained_on_means(files) or is_decoder(backbone.config),
        )
        start_at(model.head, start)
        return model

    def head(self, model: AdaptedEncoder) -> Collection[str]:
        """See `FineTuning.head`."""
        return {f"head.{name}" for name, _ in model.head.named_parameters()}

    def wrap(
        self, model: Any, tokenizer: Tokenizer, labels: LabelMap, runtime: Runtime, files: BackboneFiles
    ) -> BottleneckPredictor:
        """See `FineTuning.wrap`."""
        return BottleneckPredictor(lambda: model, tokenizer, labels, self.settings.backbone, runtime, files)
