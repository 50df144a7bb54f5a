"""A fine-tuned BERT as it is read in use, without transformers: its encoder, and the library's own head above it.

That head reads the first token alone, so the last layer is computed for no other (docs/decisions/0015).
"""

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch

from trifold.backbone.bert import Bert, bert_of, read_parts
from trifold.backbone.locate import BackboneFiles
from trifold.backbone.packed import packed
from trifold.runtime import Runtime

# The two linear parts of a head, by the names in the files: tanh stands between them.
_HEADS = {"bert": ("bert.pooler.dense", "classifier")}
_OTHERS = ("classifier.dense", "classifier.out_proj")


# From padded ids and their mask, `(batch, tokens)` int64 each, to logits `(batch, classes)` float32.
Run = Callable[[np.ndarray, np.ndarray], np.ndarray]


class BertClassifier(torch.nn.Module):
    """An encoder, and two linear parts with tanh between them on its first token.

    Args:
        encoder: It.
        dense: `(width, width)`.
        out: `(width, classes)`.
    """

    def __init__(self, encoder: Bert, dense: torch.nn.Linear, out: torch.nn.Linear) -> None:
        super().__init__()
        self.encoder, self.dense, self.out = encoder, dense, out

    def forward(self, ids: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """`(batch, tokens)` ids and mask, `None` where all count, to logits `(batch, classes)` float32."""
        first = self.encoder(ids, mask, first_only=True).last_hidden_state[:, 0]
        # With bfloat16's three digits many texts would come out equally probable.
        with torch.autocast(first.device.type, enabled=False):
            logits: torch.Tensor = self.out(torch.tanh(self.dense(first.float())))
        return logits


def read_classifier(files: BackboneFiles) -> BertClassifier | None:
    """The classifier that `files` hold, in single precision and evaluation mode.

    Returns:
        It; `None` where it is another architecture or head, or lies in the files in another way.
    """
    found = read_parts(files)
    return None if found is None else classifier_of(*found)


def classifier_of(config: dict[str, Any], tensors: dict[str, torch.Tensor]) -> BertClassifier | None:
    """Likewise of a model by its configuration and its tensors, of which those in single precision are shared."""
    encoder = bert_of(config, tensors)
    if encoder is None:
        return None
    try:
        dense, out = (_linear(tensors, name) for name in _HEADS.get(str(config["model_type"]), _OTHERS))
    except KeyError:
        return None
    return BertClassifier(encoder, dense, out).eval()


def _linear(tensors: dict[str, torch.Tensor], name: str) -> torch.nn.Linear:
    weight, bias = (tensors[f"{name}.{part}"].detach().float() for part in ("weight", "bias"))
    with torch.device("meta"):
        part = torch.nn.Linear(weight.shape[1], weight.shape[0])
    part.load_state_dict({"weight": weight, "bias": bias}, assign=True)
    return part.requires_grad_(requires_grad=False)


def logits_by(classifier: BertClassifier, runtime: Runtime) -> Run:
    """Run it, with the encoder packed for the processor where it can be.

    Args:
        classifier: Its encoder is replaced.
        runtime: Where and in which precision.
    """
    classifier.to(runtime.device)
    one = packed(classifier.encoder, runtime)
    context = runtime.autocast if one is None else nullcontext
    if one is not None:
        classifier.encoder = one

    @torch.inference_mode()
    def run(ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        kept = None if mask.all() else torch.from_numpy(mask).to(runtime.device)
        with context():
            logits: np.ndarray = classifier(torch.from_numpy(ids).to(runtime.device), kept).cpu().numpy()
        return logits

    return run
