"""Which parts of an encoder are trained: the stack of layers, and freezing what lies below."""

from typing import Any

import torch

from trifold.errors import BackboneError, SettingsError


def encoder_layers(model: Any) -> torch.nn.ModuleList:
    """The encoder's layers, lowest first, whatever the architecture calls them.

    Raises:
        BackboneError: If there is no list of as many modules as the configuration has layers.
    """
    depth = model.config.num_hidden_layers
    for module in model.modules():
        if isinstance(module, torch.nn.ModuleList) and len(module) == depth:
            return module
    raise BackboneError(f"the layers of a {model.config.model_type} model are unknown: train it whole, or take another")


def top_layers(layers: torch.nn.ModuleList, count: int | None, flag: str) -> list[torch.nn.Module]:
    """The top `count` layers, lowest first; all where it is `None`.

    Args:
        layers: Of an encoder.
        count: Counted from the top.
        flag: That asked for it, for the message.

    Raises:
        SettingsError: If there are fewer.
    """
    depth = len(layers)
    if count is not None and count > depth:
        raise SettingsError(f"{flag} {count}: this backbone has {depth} layers, give {depth} or fewer")
    return list(layers)[depth - (depth if count is None else count) :]


def freeze(module: torch.nn.Module) -> None:
    """Take `module` out of training: no gradient, and no dropout, so that a text always gives the same."""
    module.requires_grad_(False)
    for part in module.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0


def freeze_below(model: Any, trained: int | None, flag: str) -> None:
    """Freeze the embeddings and all but the top `trained` layers; nothing where it is `None`.

    Args:
        model: A model with or without a head; what stands above the layers stays trained.
        trained: Layers to train, counted from the top.
        flag: That asked for it, for the message.

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
    """Freeze what comes before the first layer: word, position and type vectors and their normalisation."""
    body = model.base_model
    embeddings = getattr(body, "embeddings", None)
    freeze(embeddings if embeddings is not None else model.get_input_embeddings())
