"""Which earlier tokens the layers of a decoder attend to: all of them, or those in a sliding window."""

from typing import Any

# Scaling of rotary positions that depends on the longest text of a batch.
_BY_LENGTH = ("dynamic", "longrope")


def layer_windows(config: Any) -> dict[str, int | None] | None:
    """The kinds of a decoder's attention layers, by transformers' names, and the window of each.

    In a layer with the window `w`, the token at position `p` attends to those from position `p - w + 1` on.

    Args:
        config: The configuration of transformers.

    Returns:
        Kind to window, `None` for a kind that attends to all earlier tokens; `None` if some layers attend otherwise, or
        have a state that depends on the order of the tokens.
    """
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    text = config.get_text_config(decoder=True)
    layers = DynamicCache(config=config).layers
    plain = [layer for layer in layers if type(layer) is DynamicLayer]
    sliding = [layer for layer in layers if type(layer) is DynamicSlidingWindowLayer]
    named = set(getattr(text, "layer_types", None) or ())
    known = named <= {"full_attention", "sliding_attention"} and not getattr(text, "attention_chunk_size", None)
    windows = {int(layer.sliding_window) for layer in sliding}
    if not known or len(windows) > 1 or len(plain) + len(sliding) < len(layers) or not layers:
        return None
    found: dict[str, int | None] = {"full_attention": None} if plain else {}
    if windows:
        found["sliding_attention"] = windows.pop()
    return found


def longest_of_one_kind(config: Any) -> int | None:
    """The longest text whose tokens' positions are encoded as those of any shorter text; `None` for no limit.

    Some models encode positions otherwise once a text is longer than those they were first trained on. Keys of a prefix
    and of a batch's shorter texts would then not be those of a forward pass by itself.
    """
    text = config.get_text_config(decoder=True)
    scaling = getattr(text, "rope_parameters", None) or {}
    kinds = [scaling, *(one for one in scaling.values() if isinstance(one, dict))]
    if not any(one.get("rope_type") in _BY_LENGTH for one in kinds):
        return None
    name = "original_max_position_embeddings"
    limits = [*(one.get(name) for one in kinds), getattr(text, name, None), text.max_position_embeddings]
    return next(limit for limit in limits if isinstance(limit, int))
