"""Settings of summaries."""

from dataclasses import dataclass

from trifold.errors import require


@dataclass(frozen=True, kw_only=True)
class SummarySettings:
    """What a summary is like.

    Attributes:
        sentences: Number of sentences of a summary.
        lead_bias: Prefer sentences at the beginning, as news tells the most important things first.
        language: ISO 639-1 code of the texts, by which they are split into sentences.
    """

    sentences: int = 3
    lead_bias: bool = False
    language: str = "en"

    def __post_init__(self) -> None:
        require(1 <= self.sentences <= 1_000, f"--sentences {self.sentences}", "give 1 to 1,000")
        known = self.language.isascii() and self.language.replace("-", "").isalpha() and len(self.language) <= 12
        require(known, f"--language {self.language!r}", "give an ISO 639-1 code, such as en, de or zh")
