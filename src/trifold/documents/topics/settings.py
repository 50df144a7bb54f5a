"""How texts are sorted into topics."""

from dataclasses import dataclass

from trifold.errors import require


@dataclass(frozen=True, kw_only=True)
class TopicSettings:
    """How texts are sorted into topics.

    Attributes:
        topics: Number of topics; chosen by default, as the number that parts the texts best.
        seed: Seed of everything random: the same seed gives the same topics and the same map.
    """

    topics: int | None = None
    seed: int = 42

    def __post_init__(self) -> None:
        given = self.topics
        require(given is None or given >= 2, f"--topics {given}", "give 2 or more")
        require(0 <= self.seed < 2**32, f"--seed {self.seed}", "give a whole number from 0 to 4294967295")
