"""The layers of an encoder, and which of them are trained."""

from typing import Any

import torch

from trifold.errors import BackboneError, SettingsError


def encoder_layers(model: Any) -> torch.nn.ModuleList:
    """The encoder's layers, lowest first, whatever the architecture calls them.

    Raises:
        BackboneError: If the model has no list of modules that is as long as its configuration says.
    """
    depth = model.config.num_hidden_layers
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            return module
    raise BackboneError(f"the layers of a {model.config.model_type} model are unknown: train it whole, or take another")


def top_layers(layers: torch.nn.ModuleList, count: int | None, flag: str) -> list[torch.nn.Module]:
    """The top `count` layers, lowest first.

    Args:
        layers: All layers of an encoder.
        count: How many, counted from the top; `None` for all.
        flag: The flag that set `count`, for the message.

    Raises:
        SettingsError: If there are fewer layers.
    """
    depth = len(layers)
    if count is not None and count > depth:
        raise SettingsError(f"{flag} {count}: this backbone has {depth} layers, give {depth} or fewer")
    return list(layers)[depth - (depth if count is None else count) :]


def freeze(module: torch.nn.Module) -> None:
    """Exclude `module` from training: no gradient, and no dropout, so that its output for a text never changes."""
    module.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0


def freeze_below(model: Any, trained: int | None, flag: str) -> None:
    """Freeze the embeddings and all layers except the top `trained` ones.

    Args:
        model: With or without a head; everything above the layers stays trainable.
        trained: Layers to train, counted from the top; `None` freezes nothing.
        flag: The flag that set `trained`, for the message.

    Raises:
        SettingsError: If the model has fewer layers.
    """
    if trained is None:
        return
    layers = encoder_layers(model)
    kept = top_layers(layers, trained, flag)
    freeze_embeddings(model)
    for layer in layers[: len(layers) - len(kept)]:
        freeze(layer)


def freeze_embeddings(model: Any) -> None:
    """Freeze the embeddings: word, position and type vectors and their normalisation."""
    body = model.base_model
    embeddings = getattr(body, "embeddings", None)
    freeze(embeddings if embeddings is not None else model.get_input_embeddings())
