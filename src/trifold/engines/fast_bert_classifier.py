"""A fine-tuned BERT computed without transformers: our own encoder, and a head (docs/decisions/0015).

Faster, because transformers need not be imported, and because a head that reads the first token alone lets the last
layer compute no other token. `classifier_engine` falls back to transformers' model for every other architecture.
"""

from collections.abc import Sequence
from typing import Any

import torch

from trifold.engines.classifier_weights import ClassifierWeights, Head, linear_of
from trifold.engines.fast_bert import FastBert
from trifold.engines.protocol import Weights
from trifold.models.layers import encoder_layers
from trifold.models.pooling import pool_tokens

# The two linear layers of the library's own head, by the names in the files: tanh stands between them.
_HEADS = {"bert": ("bert.pooler.dense", "classifier")}
_OTHER_HEADS = ("classifier.dense", "classifier.out_proj")


class FastBertClassifier(torch.nn.Module):
    """An encoder, and a head on its pooled states.

    Args:
        encoder: A `FastBert`, or a faster copy of one.
        head: `(batch, width)` to `(batch, classes)`, in single precision.
        pooling: What the head reads, one of `POOLINGS`.
    """

    def __init__(self, encoder: torch.nn.Module, head: torch.nn.Module, pooling: str) -> None:
        super().__init__()
        self.encoder, self.head, self.pooling = encoder, head, pooling

    @classmethod
    def of(cls, weights: ClassifierWeights) -> "FastBertClassifier | None":
        """The classifier with these weights, of which those in single precision are shared, in evaluation mode.

        Returns:
            The classifier; `None` where it has another architecture or head.
        """
        encoder = FastBert.of(weights.backbone)
        head = weights.head or _library_head(weights.backbone)
        if encoder is None or head is None or _linears(head.module)[0].in_features != encoder.config.hidden_size:
            return None
        if weights.inserted:
            _insert(encoder, weights.inserted)
        return cls(encoder, head.module, head.pooling).eval()

    @property
    def classes(self) -> int:
        """Of its logits."""
        return _linears(self.head)[-1].out_features

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None, types: torch.Tensor | None = None) -> torch.Tensor:
        """`(batch, tokens)` ids, mask and token types to logits `(batch, classes)` float32.

        The mask is `None` where no token is padding, the types where all are 0.
        """
        states = self.encoder(ids, mask, types, first_only=self.pooling == "first").last_hidden_state
        pooled = pool_tokens(states, mask, self.pooling)
        # With bfloat16's three digits many texts would come out equally probable.
        with torch.autocast(pooled.device.type, enabled=False):
            logits: torch.Tensor = self.head(pooled)
        return logits


def _library_head(backbone: Weights) -> Head | None:
    """The library's own classification head, which reads the first token; `None` where the weights hold none."""
    config, tensors = backbone
    try:
        dense, last = (linear_of(tensors, name) for name in _HEADS.get(str(config["model_type"]), _OTHER_HEADS))
    except KeyError:
        return None
    fits = dense.out_features == last.in_features
    return Head(torch.nn.Sequential(dense, torch.nn.Tanh(), last), "first") if fits else None


def _linears(head: torch.nn.Module) -> list[torch.nn.Linear]:
    return [part for part in head.modules() if isinstance(part, torch.nn.Linear)]


def _insert(encoder: FastBert, inserted: Sequence[torch.nn.Module]) -> None:
    """Put modules behind the last matrices of the top layers, as `ClassifierWeights.inserted` says."""
    top: list[Any] = list(encoder_layers(encoder))[-(len(inserted) // 2) :]
    ends = [end for layer in top for end in (layer.attention.output, layer.output)]
    for end, module in zip(ends, inserted, strict=True):
        end.dense = torch.nn.Sequential(end.dense, module)
