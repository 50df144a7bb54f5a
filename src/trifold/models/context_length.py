"""How many tokens a model can read at once, from its configuration."""

from collections.abc import Mapping

# In these architectures the position numbers start behind the padding token's id, so the first positions are unused.
_START_BEHIND_PADDING = ("roberta", "xlm-roberta", "camembert", "mpnet", "longformer")


def first_position(config: Mapping[str, object]) -> int:
    """The position number of a text's first token.

    Args:
        config: Content of the model's `config.json`.
    """
    pad = config.get("pad_token_id")
    behind = config.get("model_type") in _START_BEHIND_PADDING
    return (pad if isinstance(pad, int) else 0) + 1 if behind else 0


def context_length(config: Mapping[str, object]) -> int | None:
    """The most tokens that a model can read at once; `None` if its configuration does not say.

    Args:
        config: Content of the model's `config.json`.
    """
    # GPT-2 calls it n_positions.
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    return positions - first_position(config) if isinstance(positions, int) else None
