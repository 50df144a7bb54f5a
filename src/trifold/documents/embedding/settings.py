"""What a text's vector is made of."""

from dataclasses import dataclass
from typing import Literal

from trifold.errors import require


@dataclass(frozen=True, kw_only=True)
class EmbeddingSettings:
    """What a text's vector is made of, where it is not to be as the model was saved.

    Attributes:
        pooling: How the states of a text's tokens become one vector; mean for a model that was saved without one.
        dimensions: Numbers of a vector that are kept, the first ones, made length 1 again: for models that were trained
            to be cut (Matryoshka).
        prompt: Text that stands before every text, such as "query: ".
        prompt_name: Name of a prompt that the model knows, such as query or passage, which stands before every text.
    """

    pooling: Literal["mean", "first", "max"] | None = None
    dimensions: int | None = None
    prompt: str | None = None
    prompt_name: str | None = None

    def __post_init__(self) -> None:
        given = self.dimensions
        require(given is None or given > 0, f"--dimensions {given}", "give a positive number, such as 128")
        both = self.prompt is not None and self.prompt_name is not None
        require(not both, "--prompt with --prompt-name", "leave out either")
