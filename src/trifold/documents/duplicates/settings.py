"""What counts as a duplicate."""

from dataclasses import dataclass

from trifold.errors import require

# Below it, texts are alike that no one would call the same.
_LOWEST_THRESHOLD = 0.5


@dataclass(frozen=True, kw_only=True)
class DuplicateSettings:
    """What counts as a duplicate.

    Attributes:
        threshold: Texts are near-duplicates where they share at least this part of their pieces of five characters
            (Jaccard similarity, 0.5 to 1); case, spaces and punctuation do not count.
        semantic: Also find texts that say the same in other words, by their vectors; that takes as long as `embed`.
        semantic_threshold: Cosine from which on two vectors count as saying the same.
    """

    threshold: float = 0.7
    semantic: bool = False
    semantic_threshold: float = 0.9

    def __post_init__(self) -> None:
        near, cosine = self.threshold, self.semantic_threshold
        require(
            _LOWEST_THRESHOLD <= near <= 1, f"--threshold {near:g}", f"give a number from {_LOWEST_THRESHOLD:g} to 1"
        )
        require(0 < cosine <= 1, f"--semantic-threshold {cosine:g}", "give a number above 0 and up to 1")
        default = type(self).semantic_threshold
        require(
            self.semantic or cosine == default,
            f"--semantic-threshold {cosine:g} without --semantic",
            "add --semantic, or leave it out",
        )
