"""A fine-tuned BERT as it is read in use, without transformers: its encoder, and a head.

The library's own head reads the first token alone, so the last layer is computed for no other (docs/decisions/0015).
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from trifold.engines.fast_bert import FastBert, fast_bert_of, read_parts
from trifold.engines.prepacked import prepack, through_arrays
from trifold.models.backbone_files import BackboneFiles
from trifold.models.pooling import pool_tokens
from trifold.runtime import Runtime

# The two linear parts of the library's head, by the names in the files: tanh stands between them.
_HEADS = {"bert": ("bert.pooler.dense", "classifier")}
_OTHERS = ("classifier.dense", "classifier.out_proj")

# From padded ids and their mask, `(batch, tokens)` int64 each, to logits `(batch, classes)` float32.
Run = Callable[[np.ndarray, np.ndarray], np.ndarray]


class FastBertClassifier(torch.nn.Module):
    """An encoder, and a head on its pooled states.

    Args:
        encoder: It.
        head: `(batch, width)` to `(batch, classes)`, in single precision.
        by: What the head reads, one of `POOLINGS`.
    """

    def __init__(self, encoder: FastBert, head: torch.nn.Module, by: str) -> None:
        super().__init__()
        self.encoder, self.head, self.by = encoder, head, by

    @property
    def classes(self) -> int:
        """Of its logits."""
        return next(
            part.out_features for part in reversed(list(self.head.modules())) if isinstance(part, torch.nn.Linear)
        )

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`(batch, tokens)` ids and mask, `None` where all count, to logits `(batch, classes)` float32."""
        states = self.encoder(ids, mask, first_only=self.by == "first").last_hidden_state
        pooled = pool_tokens(states, mask, self.by)
        # With bfloat16's three digits many texts would come out equally probable.
        with torch.autocast(pooled.device.type, enabled=False):
            logits: torch.Tensor = self.head(pooled)
        return logits


def read_classifier(files: BackboneFiles) -> FastBertClassifier | None:
    """The classifier that `files` hold, in single precision and evaluation mode.

    Returns:
        It; `None` where it is another architecture or head, or lies in the files in another way.
    """
    found = read_parts(files)
    return None if found is None else classifier_of(*found)


def classifier_of(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> FastBertClassifier | None:
    """Likewise of a model by its configuration and its tensors, of which those in single precision are shared."""
    encoder = fast_bert_of(config, tensors)
    if encoder is None:
        return None
    try:
        dense, out = (linear_of(tensors, name) for name in _HEADS.get(str(config["model_type"]), _OTHERS))
    except KeyError:
        return None
    if (dense.in_features, dense.out_features) != (encoder.config.hidden_size, out.in_features):
        return None
    return FastBertClassifier(encoder, torch.nn.Sequential(dense, torch.nn.Tanh(), out), "first").eval()


def linear_of(tensors: dict[str, torch.Tensor], name: str) -> torch.nn.Linear:
    """The linear part `name`, its numbers shared with `tensors` where they are in single precision.

    Raises:
        KeyError: If there is none.
    """
    weight, bias = (tensors[f"{name}.{part}"].detach().float() for part in ("weight", "bias"))
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise KeyError(name)
    with torch.device("meta"):
        part = torch.nn.Linear(weight.shape[1], weight.shape[0])
    part.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    return part.requires_grad_(requires_grad=False)


def logits_by(classifier: FastBertClassifier, runtime: Runtime) -> Run:
    """Run it, with its encoder prepacked for the processor where it can be.

    Args:
        classifier: Its encoder is replaced.
        runtime: Where and in which precision.
    """
    classifier.to(runtime.device)
    one = prepack(classifier.encoder, runtime)
    if one is not None:
        classifier.encoder = one
    return through_arrays(classifier, runtime, runtime.autocast if one is None else nullcontext)
