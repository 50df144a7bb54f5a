"""`SearchIndex`: ask an index of documents by what they mean."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from trifold.documents.document import Documents, given_documents
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.documents.nearest import Nearest, nearest
from trifold.documents.search.approximate import NEEDS_FAISS, ApproximateIndex, has_faiss
from trifold.documents.search.build import Built, build_index
from trifold.documents.search.conditions import parse_condition
from trifold.documents.search.document_passages import DocumentPassages
from trifold.documents.search.encoding import open_embedder
from trifold.documents.search.generation import APPROXIMATE, KEYWORDS, Generation, with_current
from trifold.documents.search.hybrid import Hit, Reranker, first_passages, ranked_hits, usable_query
from trifold.documents.search.keywords import KeywordIndex
from trifold.documents.search.planning import identity_of
from trifold.documents.search.records import IndexRecord
from trifold.documents.search.settings import IndexSettings
from trifold.documents.search.snippets import Snippet, make_snippets
from trifold.documents.search.tables import FoundDocument
from trifold.documents.search.where import matching
from trifold.documents.search.words import NEEDS_SEARCH, has_keywords
from trifold.errors import ArtifactError, require
from trifold.events import say_once
from trifold.models.settings import ComputeSettings

# Passages that are looked at for each document that is wanted, at first: several of the best may be of one document.
_PASSAGES_PER_DOCUMENT = 3
# Where a condition leaves no more passages than this, those alone are looked at, exactly.
_FEW_ALLOWED = 20_000


@dataclass(frozen=True)
class Answer:
    """A document that answers a query.

    Attributes:
        rank: 1 for the best.
        score: How well its best passage matches, for the order of one query's answers alone: by keywords and vectors it
            is relative to the best of that query, and a reranker scores the first 50 alone.
        similarity: Cosine of the passage's and the query's vector, which can be compared between queries.
        document: What is known of it.
        start: Position of its best passage's first character in the document.
        end: Position after its last character.
        passage: Its best passage.
        snippet: What to show of that.
    """

    rank: int
    score: float
    similarity: float
    document: FoundDocument
    start: int
    end: int
    passage: str
    snippet: Snippet


class SearchIndex:
    """An index of documents, opened; any number of threads and processes may ask it.

    What it answers from stays as it was when it was opened, also while it is brought up to date.

    Args:
        folder: Where it is.
        compute: Where queries are encoded.
        model: The model it was built with, where that lies elsewhere now.
        reranker: Reads the best passages together with the query, and ranks them anew.

    Attributes:
        record: What it is made of.
        built: What the build did that made it, where `build` did.
        keywords: Its index of keywords; `None` where it has none.

    Raises:
        SettingsError: If there is no index.
        ArtifactError: If it is damaged.
    """

    def __init__(
        self,
        folder: Path | str,
        compute: ComputeSettings | None = None,
        model: str | None = None,
        reranker: Reranker | None = None,
    ) -> None:
        self.folder, self.reranker = Path(folder), reranker
        self._compute, self._model = compute or ComputeSettings(), model
        self._generation, self._approximate, self.keywords = with_current(self.folder, self._opened)
        self.record: IndexRecord = self._generation.record
        self.built: Built | None = None

    def _opened(self, path: Path) -> tuple[Generation, ApproximateIndex | None, KeywordIndex | None]:
        """A generation with its other indexes: all that is read later is opened here, since a build removes it."""
        generation = Generation(self.folder, path)
        approximate, keywords = None, None
        if generation.record.approximate and has_faiss():
            approximate = ApproximateIndex.read(path / APPROXIMATE, generation.segments, generation.record.approximate)
        elif generation.record.approximate:
            say_once(f"note: {NEEDS_FAISS}; all passages are looked at")
        if generation.record.keywords and has_keywords():
            keywords = KeywordIndex(path / KEYWORDS)
        elif generation.record.keywords:
            say_once(f"note: {NEEDS_SEARCH}; until then documents are found by their vectors alone")
        return generation, approximate, keywords

    @classmethod
    def build(
        cls,
        documents: Documents | Iterable[str | Mapping[str, object]],
        folder: Path | str,
        settings: IndexSettings | None = None,
        compute: ComputeSettings | None = None,
    ) -> "SearchIndex":
        """Make the index in a folder hold these documents and no others, and open it; `built` tells what was done.

        Args:
            documents: Texts, or mappings with a text under `text`, perhaps a name under `id`, and metadata; or what
                `table_documents` reads.
            folder: A new one, or one with an index, of which only what is new or changed is encoded.
            settings: What is not given is as in the index that is there.
            compute: Where texts are encoded.

        Raises:
            TrifoldError: As `build_index`.
        """
        given = documents if isinstance(documents, Documents) else given_documents(documents)
        built = build_index(given, Path(folder), settings or IndexSettings(), compute or ComputeSettings())
        index = cls(folder, compute)
        index.built = built
        return index

    @property
    def owners(self) -> np.ndarray:
        """The document of each passage, `(positions,)` int32; -1 for one that no document has any more."""
        return self._generation.owners

    @property
    def runs(self) -> DocumentPassages:
        """Which passages each document has."""
        return self._generation.runs

    def passage(self, position: int) -> str:
        """The text of a passage."""
        return self._generation.segments.passage(position).text

    def stored_vectors(self, positions: np.ndarray) -> np.ndarray:
        """The vectors of passages, `(positions, width)` float32."""
        return self._generation.segments.gather(positions).astype(np.float32)

    def document_ids(self) -> list[str]:
        """What all documents are called, in the order of their numbers."""
        return self._generation.documents.ids()

    @cached_property
    def embedder(self) -> TextEmbedder:
        """The encoder that the index was built with.

        Raises:
            BackboneError: If it is no longer there.
            ArtifactError: If it is another one by now.
        """
        model = self._model or self.record.model
        found = open_embedder(model, self.record.splitting.passage_tokens, self._compute)
        if identity_of(found) != self.record.encoder:
            raise ArtifactError(
                f"{model} is not the model that {self.folder} was built with: give that one as --model, or build again"
            )
        return found

    def search(
        self,
        query: str,
        top_k: int = 10,
        *,
        where: str | None = None,
        approximate: bool | None = None,
        hybrid: bool | None = None,
    ) -> list[Answer]:
        """The documents that answer a query best.

        Args:
            query: Of any length.
            top_k: How many; fewer where there are no more.
            where: Condition on the documents' columns, such as `year >= 2020 and label = 'good'`.
            approximate: Whether to search by the approximate index, where there is one; by default yes.
            hybrid: Whether to rank by keywords as well; by default yes, where the index has them.

        Raises:
            SettingsError: If the query is empty, the condition is none, or there is no such index.
        """
        return self.search_all([query], top_k, where=where, approximate=approximate, hybrid=hybrid)[0]

    def search_all(
        self,
        queries: Sequence[str],
        top_k: int = 10,
        *,
        where: str | None = None,
        approximate: bool | None = None,
        hybrid: bool | None = None,
    ) -> list[list[Answer]]:
        """`search` for several queries, which are encoded together."""
        queries = [usable_query(query) for query in queries]
        allowed = self.allowed(where)
        if not queries:
            return []
        hits = ranked_hits(
            self, queries, top_k, allowed, approximate=approximate, hybrid=hybrid, reranker=self.reranker
        )
        return [self.answers(query, found) for query, found in zip(queries, hits, strict=True)]

    def vectors(self, queries: Sequence[str]) -> np.ndarray:
        """The vectors of some queries, `(queries, width)` float32; that one is longer than the model reads is said."""
        found = self.embedder.encode_counting(queries, prompt=self.embedder.query_prompt)
        if found.truncated.any():
            say_once(f"note: of a query longer than {self.embedder.max_length} tokens only the beginning is read")
        return found.vectors

    def allowed(self, where: str | None) -> np.ndarray | None:
        """Which passages may be found, `(positions,)` bool; `None` for all of them.

        Raises:
            SettingsError: If the condition is none.
        """
        generation = self._generation
        if where is None:
            return None if generation.alive.all() else generation.alive
        documents = generation.documents
        found = matching(parse_condition(where), documents.column, documents.columns)
        chosen = np.asarray(found.to_numpy(zero_copy_only=False), dtype=bool)
        allowed: np.ndarray = generation.alive & chosen[generation.owners]
        return allowed

    def nearest(
        self, vectors: np.ndarray, count: int, allowed: np.ndarray | None = None, *, approximate: bool | None = None
    ) -> Nearest:
        """The passages nearest to some vectors, by position.

        Args:
            vectors: `(queries, width)` floats.
            count: How many for each.
            allowed: `(positions,)` bool, which may be found, as `allowed` returns it.
            approximate: As in `search`.

        Raises:
            SettingsError: If there is no approximate index, and it is asked for.
        """
        require(
            approximate is not True or self._approximate is not None,
            "--approximate",
            f"{self.folder} has no approximate index, build it with --approximate",
        )
        few = allowed is not None and np.count_nonzero(allowed) <= _FEW_ALLOWED
        if self._approximate is None or approximate is False or (few and approximate is None):
            segments = self._generation.segments
            return nearest(vectors, segments.vectors, count, allowed, segments.longest)
        return self._approximate.search(vectors, count, allowed)

    def hits(
        self, vectors: np.ndarray, top_k: int, allowed: np.ndarray | None = None, *, approximate: bool | None = None
    ) -> list[list[Hit]]:
        """The nearest documents to each of some vectors, each by its best passage; arguments as in `nearest`."""
        count, most = _PASSAGES_PER_DOCUMENT * top_k, len(self._generation.segments)
        while True:
            found = self.nearest(vectors, min(count, most), allowed, approximate=approximate)
            pairs = zip(found.positions, found.scores, strict=True)
            hits = [first_passages(self.owners, positions, scores, top_k) for positions, scores in pairs]
            ended = np.any(found.positions < 0, axis=1).tolist()
            if count >= most or all(len(one) == top_k or end for one, end in zip(hits, ended, strict=True)):
                return hits
            count *= 4

    def answers(self, query: str, hits: Sequence[Hit]) -> list[Answer]:
        """What is told of the documents that were found for a query."""
        passages = [self._generation.segments.passage(hit.position) for hit in hits]
        documents = self._generation.documents.rows([hit.document for hit in hits])
        language = self.record.splitting.language
        texts, starts = [one.text for one in passages], [one.start for one in passages]
        snippets = make_snippets(query, texts, starts, language)
        rows = zip(hits, documents, passages, snippets, strict=True)
        return [
            Answer(
                rank,
                round(hit.score, 6),
                round(hit.similarity, 6),
                document,
                passage.start,
                passage.end,
                passage.text,
                snippet,
            )
            for rank, (hit, document, passage, snippet) in enumerate(rows, start=1)
        ]
