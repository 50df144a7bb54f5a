"""Which texts are compared with which."""

from dataclasses import dataclass

from trifold.errors import require


@dataclass(frozen=True, kw_only=True)
class SimilaritySettings:
    """Which texts are compared with which.

    Attributes:
        pairs: Compare two files row by row.
        top_k: How many of the nearest rows are told, of each row or of a text; of a text 10 by default.
        other_text_column: Column with the texts of the second file, where it is another than in the first.
    """

    pairs: bool = False
    top_k: int | None = None
    other_text_column: str | None = None

    def __post_init__(self) -> None:
        given = self.top_k
        require(given is None or given > 0, f"--top-k {given}", "give 1 or more")
        require(not self.pairs or given is None, "--pairs with --top-k", "leave out either")
