"""A backbone with the classification head of transformers: how the head is found, initialised, scaled and shifted.

The saved folder loads in plain transformers and gives equal logits.
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
from trifold.statistics.calibration import prior_logits
from trifold.tasks.labels import LabelMap

# Names of the attention's dropout in the architectures. With it, PyTorch does not use its fused attention on a CPU;
# without it, accuracy is equal and training 1.4 times faster (benchmarks/LOG.md).
ATTENTION_DROPOUTS = ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop")


def new_classifier(
    files: BackboneFiles,
    labels: LabelMap,
    start: np.ndarray | None = None,
    *,
    may_grow: bool,
    shifts: bool = False,
    attention: str | None = None,
) -> Any:
    """Put a fresh head for `labels` on the backbone `files`.

    Args:
        files: The backbone.
        labels: The task's labels.
        start: Logits that the head starts at, as in `start_at`.
        may_grow: Whether a sentence encoder may get one more layer, which passes the mean of its tokens to the head.
            Adapters leave the backbone as it is, so there it may not.
        shifts: Whether `shift_logits` is going to be called after training.
        attention: Name of the attention implementation, as in `load_model`.

    Raises:
        BackboneError: If the architecture has no such head, or the head has no bias and `shifts` needs one.
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
    # A decoder's head reads the last token, which it finds by the padding token.
    if getattr(model.config, "pad_token_id", None) is None:
        model.config.pad_token_id = pad_id_of(files)
    if may_grow and trained_on_means(files) and model.config.model_type == "bert":
        _append_mean_layer(model)
    # Asked for now, since an unknown head would otherwise fail only after training.
    final = _last_linear(model)
    if shifts and final.bias is None:
        raise BackboneError(
            f"the head of a {model.config.model_type} model has no bias, which --class-weight balanced needs: leave it "
            "out, or take features or an encoder"
        )
    start_at(final, start)
    return model


def head_modules(model: Any) -> dict[str, torch.nn.Module]:
    """The modules above the backbone's layers that have parameters (pooler and classifier), by name."""
    found = {name: part for name, part in model.named_children() if part is not model.base_model}
    pooler = getattr(model.base_model, "pooler", None)
    if pooler is not None:
        found[f"{model.base_model_prefix}.pooler"] = pooler
    return {name: part for name, part in found.items() if any(True for _ in part.parameters())}


def head_parameters(model: Any) -> set[str]:
    """Names of a classifier's parameters outside its encoder; the pooler belongs to the encoder."""
    inside = f"{model.base_model_prefix}."
    return {name for name, _ in model.named_parameters() if not name.startswith(inside)}


@torch.no_grad()
def divide_logits(model: Any, temperature: float) -> None:
    """Divide all logits by `temperature` by scaling the last linear layer, so that the saved model includes it.

    Raises:
        BackboneError: If the architecture's last layer is unknown.
    """
    final = _last_linear(model)
    final.weight.div_(temperature)
    if final.bias is not None:
        final.bias.div_(temperature)


@torch.no_grad()
def shift_logits(model: Any, shift: np.ndarray) -> None:
    """Add `shift`, `(classes,)`, to all logits by changing the last linear layer's bias.

    Raises:
        BackboneError: If the architecture's last layer is unknown.
    """
    bias = _last_linear(model).bias
    bias.add_(torch.from_numpy(shift).to(bias))


def starting_logits(targets: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray | None:
    """Logits that a fresh head starts at, `(classes,)`: the class priors if rows may have several labels, else `None`.

    With several labels per row, most answers are no, and half an epoch would be spent on learning that. With one label
    per row the priors are learned quickly, and starting at them does harm with many classes (docs/decisions/0005).

    Args:
        targets: The rows' classes, as in `calibration.prior_logits`.
        weights: The rows' weights, as in `calibration.prior_logits`.
        classes: Number of classes.
    """
    return prior_logits(targets, weights, classes) if targets.ndim == 2 else None


@torch.no_grad()
def start_at(final: Any, logits: np.ndarray | None) -> None:
    """Set the bias of a fresh head's last layer, so that its logits are near `logits` for every text.

    Args:
        final: A linear layer; one without a bias is left as it is.
        logits: `(classes,)` as returned by `starting_logits`; `None` changes nothing.
    """
    if logits is not None and getattr(final, "bias", None) is not None:
        final.bias.copy_(torch.from_numpy(logits))


def head_name(model: Any) -> str:
    """The attribute that holds a classifier's head: decoders have another one than encoders."""
    return "score" if hasattr(model, "score") else "classifier"


def find_last_linear(model: Any) -> torch.nn.Linear | None:
    """The linear layer that computes the logits; `None` if the architecture is unknown."""
    head = getattr(model, head_name(model), None)
    final = getattr(head, "out_proj", head)
    return final if isinstance(final, torch.nn.Linear) else None


def _last_linear(model: Any) -> torch.nn.Linear:
    final = find_last_linear(model)
    if final is None:
        raise BackboneError(f"the head of a {model.config.model_type} model is unknown: take another --model")
    return final


def saved_classifier(files: BackboneFiles, attention: str | None = None) -> Any:
    """Load a classifier with the head that it was saved with.

    Args:
        files: A saved classifier.
        attention: Name of the attention implementation, as in `load_model`.

    Raises:
        BackboneError: If the files hold no classifier.
    """
    return load_model("AutoModelForSequenceClassification", files, attention=attention)


def in_full_precision(linear: torch.nn.Linear, hidden: torch.Tensor) -> torch.Tensor:
    """Apply the layer that computes the logits, without autocast.

    bfloat16 has three digits, with which many texts would get equal probabilities.

    Args:
        linear: From the backbone's width to the classes.
        hidden: `(…, width)`, in any precision.

    Returns:
        `(…, classes)` in the precision of the weights.
    """
    with torch.autocast(hidden.device.type, enabled=False):
        return torch.nn.functional.linear(hidden.to(linear.weight.dtype), linear.weight, linear.bias)


def trained_on_means(files: BackboneFiles) -> bool:
    """Whether the backbone is a sentence encoder trained on the mean of its tokens, as its `1_Pooling` folder says."""
    try:
        pooling = read_json(files.folder / "1_Pooling" / "config.json")
    except (OSError, ValueError):
        return False
    return bool(isinstance(pooling, dict) and pooling.get("pooling_mode_mean_tokens"))


@torch.no_grad()
def _append_mean_layer(model: Any) -> None:
    """Add a layer that passes the mean of all tokens to the head.

    A BERT head reads the first token, but a model trained on the mean of its tokens did not learn to represent the text
    there, and its pooler is untrained. The new layer is a BERT layer. Its queries start at zero, so that its first
    token attends to all tokens equally; values and output projection start as the identity, and the feed-forward adds
    zero.
    Its output at the first token is therefore the first token plus the mean, normalised. It is trained like any layer
    (docs/decisions/0005).
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
    # A normalised vector has entries beyond 1, where the pooler's tanh is nearly flat, so they are halved.
    model.base_model.pooler.dense.weight.mul_(0.5)
    encoder.layer.append(layer)
    config.num_hidden_layers = len(encoder.layer)
