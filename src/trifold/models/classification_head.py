"""An encoder under the library's own classification head: how a head is found, started, scaled and shifted.

The folder that is saved loads in plain transformers, with equal logits.
"""

import copy
from typing import Any

import numpy as np
import torch

from trifold.errors import BackboneError
from trifold.json_reading import read_json
from trifold.models.backbone_files import BackboneFiles
from trifold.models.loading import load_config, load_model
from trifold.models.tokenizer import pad_id_of
from trifold.statistics.calibration import chance_logits
from trifold.tasks.labels import LabelMap

# Names of the attention's dropout across architectures. With it, PyTorch leaves its fused attention on a CPU;
# without it, accuracy is the same and training 1.4 times faster (benchmarks/LOG.md).
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")


def new_classifier(
    files: BackboneFiles,
    labels: LabelMap,
    start: np.ndarray | None = None,
    *,
    may_grow: bool,
    shifts: bool = False,
    attention: str = "sdpa",
) -> Any:
    """Put a fresh head for `labels` on the backbone `files`.

    Args:
        files: The backbone.
        labels: Of the task.
        start: As in `start_at`; a head whose last layer is unknown starts as it comes.
        may_grow: Whether a sentence encoder may get a layer of its own to hand its mean to the head; where the
            backbone is shared with others, as under adapters, it may not.
        shifts: Whether its logits are to be shifted in the end, as `shift_logits`.
        attention: Name of the attention implementation, as in `load_model`.

    Raises:
        BackboneError: If the files hold no model that takes such a head.
    """
    config = load_config(files)
    names = {number: str(label) for number, label in enumerate(labels.names)}
    off: dict[str, Any] = {name: 0.0 for name in ATTENTION_DROPOUTS if hasattr(config, name)}
    model = load_model(
        "AutoModelForSequenceClassification",
        files,
        num_labels=len(labels),
        id2label=names,
        label2id={name: number for number, name in names.items()},
        problem_type="multi_label_classification" if labels.multi_label else "single_label_classification",
        attention=attention,
        **off,
    )
    # A decoder's head reads the last token, and finds it by what is no padding.
    if getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = pad_id_of(files)
    if may_grow and trained_on_means(files) and model.config.model_type == "bert":
        _append_mean_layer(model)
    # What its logits come from is asked again once it is trained, when it would be too late.
    final = _last_linear(model)
    if shifts and final.bias is None:
        raise BackboneError(
            f"the head of a {model.config.model_type} model has no bias, which --class-weight balanced needs: leave it "
            "out, or take features or an encoder"
        )
    start_at(final, start)
    return model


def head_modules(model: Any) -> dict[str, torch.nn.Module]:
    """What stands above the backbone's layers, name to module: pooler and classifier."""
    found = {name: part for name, part in model.named_children() if part is not model.base_model}
    pooler = getattr(model.base_model, "pooler", None)
    if pooler is not None:
        found[f"{model.base_model_prefix}.pooler"] = pooler
    return {name: part for name, part in found.items() if any(True for _ in part.parameters())}


def head_parameters(model: Any) -> set[str]:
    """Names of what a classifier has above its encoder, whose pooler is the encoder's own."""
    inside = f"{model.base_model_prefix}."
    return {name for name, _ in model.named_parameters() if not name.startswith(inside)}


@torch.no_grad()
def divide_logits(model: Any, temperature: float) -> None:
    """Divide all logits by `temperature` through the last linear layer, so that whoever loads the model gets the same.

    Raises:
        BackboneError: If the architecture's last layer is unknown.
    """
    final = _last_linear(model)
    final.weight.div_(temperature)
    if final.bias is not None:
        final.bias.div_(temperature)


@torch.no_grad()
def shift_logits(model: Any, shift: np.ndarray) -> None:
    """Add `shift`, `(classes,)`, to the logits, likewise.

    Raises:
        BackboneError: If the architecture's last layer is unknown.
    """
    bias = _last_linear(model).bias
    bias.add_(torch.from_numpy(shift).to(bias))


def starting_logits(targets: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray | None:
    """Where a fresh head begins, `(classes,)`: at the labels' shares where rows may have several, else as it comes.

    Several are questions of their own, most of them answered no, and half an epoch would go into learning that alone.
    Of one label a row the shares are soon learned, and starting at them does harm where classes are many
    (docs/decisions/0005).

    Args:
        targets: As in `calibration.chance_logits`.
        weights: Likewise.
        classes: Likewise.
    """
    return chance_logits(targets, weights, classes) if targets.ndim == 2 else None


@torch.no_grad()
def start_at(final: Any, logits: np.ndarray | None) -> None:
    """Let `final`, the last layer of a fresh head, begin near `logits`, `(classes,)`, whatever the text.

    Args:
        final: A linear layer. Where it has no bias, or `logits` is `None`, nothing happens.
        logits: Of `starting_logits`.
    """
    if logits is not None and getattr(final, "bias", None) is not None:
        final.bias.copy_(torch.from_numpy(logits))


def head_name(model: Any) -> str:
    """What a classifier calls its head: decoders have a name of their own for it."""
    return "score" if hasattr(model, "score") else "classifier"


def find_last_linear(model: Any) -> torch.nn.Linear | None:
    """The layer that gives the logits; `None` where the architecture is unknown."""
    head = getattr(model, head_name(model), None)
    final = getattr(head, "out_proj", head)
    return final if isinstance(final, torch.nn.Linear) else None


def _last_linear(model: Any) -> torch.nn.Linear:
    final = find_last_linear(model)
    if final is None:
        raise BackboneError(f"the head of a {model.config.model_type} model is unknown: take another --model")
    return final


def saved_classifier(files: BackboneFiles, attention: str = "sdpa") -> Any:
    """Load a classifier with the head it was saved with.

    Raises:
        BackboneError: If the files hold none.
    """
    return load_model("AutoModelForSequenceClassification", files, attention=attention)


def in_full_precision(linear: torch.nn.Linear, hidden: torch.Tensor) -> torch.Tensor:
    """The layer that makes the logits: with bfloat16's three digits many texts would come out equally probable.

    Args:
        linear: From the backbone's width to the classes.
        hidden: `(…, width)`, in any precision.

    Returns:
        `(…, classes)` in the precision of the weights.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        return torch.nn.functional.linear(hidden.to(linear.weight.dtype), linear.weight, linear.bias)


def trained_on_means(files: BackboneFiles) -> bool:
    """Whether the backbone is a sentence encoder that was trained on the mean of its tokens (its own files say so)."""
    try:
        pooling = read_json(files.folder / "1_Pooling" / "config.json")
    except (OSError, ValueError):
        return False
    return bool(isinstance(pooling, dict) and pooling.get("pooling_mode_mean_tokens"))


@torch.no_grad()
def _append_mean_layer(model: Any) -> None:
    """Hand the mean of all tokens to the head, through a layer of the model's own kind that starts as a mean.

    A BERT head reads the first token, but a model trained on means never put its meaning there, and its pooler is
    untrained. The new layer's queries start at zero, so its first token attends to all tokens alike; values and
    output start as the identity and the feed-forward adds nothing: what comes out is the mean beside the
    first token, normalised. From there it learns like any layer (docs/decisions/0005).
    """
    encoder, config = model.base_model.encoder, model.config
    layer = copy.deepcopy(encoder.layer[-1])
    attention, mixed, output = layer.attention.self, layer.attention.output, layer.output
    attention.layer_idx = len(encoder.layer)
    for norm in (mixed.LayerNorm, output.LayerNorm):
        norm.reset_parameters()
    for linear in (attention.query, output.dense):
        torch.nn.init.zeros_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    for linear in (attention.value, mixed.dense, model.base_model.pooler.dense):
        torch.nn.init.eye_(linear.weight)
        torch.nn.init.zeros_(linear.bias)
    # A normalised vector has entries beyond 1, where the pooler's tanh flattens: halve them.
    model.base_model.pooler.dense.weight.mul_(0.5)
    encoder.layer.append(layer)
    config.num_hidden_layers = len(encoder.layer)
