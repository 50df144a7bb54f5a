"""How methods are compared."""

from dataclasses import dataclass
from typing import Literal

from trifold.errors import require


@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """How methods are compared.

    Attributes:
        methods: Names of methods, with commas between; all by default.
        preset: Also run this well-known recipe, for comparison.
        time_limit: Minutes for all methods; those that would not fit are skipped, with a note.
        tolerance: Points of score that a cheaper method may lose against the best and still be the one to ship.
    """

    methods: str | None = None
    preset: Literal["classic"] | None = None
    time_limit: float | None = None
    tolerance: float = 1.0

    def __post_init__(self) -> None:
        limit = self.time_limit
        require(limit is None or limit > 0, f"--time-limit {limit}", "give minutes, such as 10")
        require(0 <= self.tolerance < 100, f"--tolerance {self.tolerance}", "give points of score, such as 1")
