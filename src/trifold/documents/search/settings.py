"""What an index is made of, and how it is asked."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from trifold.errors import require

# From so many passages on, an exact scan takes longer than people like to wait.
APPROXIMATE_FROM = 200_000


@dataclass(frozen=True, kw_only=True)
class IndexSettings:
    """What an index is made of.

    What is not given is as in the index that is there already; the defaults are those of a new one.

    Attributes:
        model: minilm (the default), a folder, a hub id, or a run folder, whose encoder turns passages into vectors.
        id_column: Column with the names of the documents, each different; by default one called _id, id, doc_id or the
            like, if its values are distinct; else, and with "", a document is called by its row.
        passage_tokens: Tokens of the longest passage, special tokens included; by default 250, or what the model reads.
        overlap_sentences: Sentences at the end of a passage with which the next one begins, 1 by default.
        language: Language of the texts as a code of two letters, such as en (the default), by which sentences and words
            are told apart.
        approximate: Whether to make an index for approximate search; by default from 200,000 passages on.
    """

    model: str | None = None
    id_column: str | None = None
    passage_tokens: int | None = None
    overlap_sentences: int | None = None
    language: str | None = None
    approximate: Annotated[bool | None, Parameter(negative="--exact")] = None

    def __post_init__(self) -> None:
        tokens, overlap = self.passage_tokens, self.overlap_sentences
        require(tokens is None or tokens >= 16, f"--passage-tokens {tokens}", "give 16 or more")
        require(overlap is None or 0 <= overlap <= 100, f"--overlap-sentences {overlap}", "give 0 to 100")


@dataclass(frozen=True, kw_only=True)
class QuerySettings:
    """How an index is asked.

    Attributes:
        top_k: How many documents to tell of each query.
        where: Condition on the documents' columns, such as "year >= 2020 and label = 'good'".
        approximate: Search by the approximate index, or exactly; by default approximately where there is such an index.
        hybrid: Rank by keywords as well as by vectors; by default where the index has keywords. The score is then
            relative to the best of the same query: 1 is best in both, however little that fits.
        rerank: A cross-encoder (run folder, folder or hub id) that ranks the best 50 documents anew; a run is trained
            by finetune --task pairs on queries and passages, labelled 1 where the passage is relevant and 0 where not.
    """

    top_k: int = 10
    where: str | None = None
    approximate: Annotated[bool | None, Parameter(negative="--exact")] = None
    hybrid: bool | None = None
    rerank: Path | None = None

    def __post_init__(self) -> None:
        require(1 <= self.top_k <= 10_000, f"--top-k {self.top_k}", "give 1 to 10,000")
