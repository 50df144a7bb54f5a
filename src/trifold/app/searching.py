"""The index of documents that is asked: it is opened once, and held until another one is asked."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from trifold.documents.search.fitting import NOTHING_FITS, nothing_fits
from trifold.documents.search.query import Answer, SearchIndex
from trifold.documents.search.settings import QuerySettings
from trifold.documents.search.snippets import Snippet
from trifold.event_sinks import Silence
from trifold.events import sending_to
from trifold.models.settings import ComputeSettings
from trifold.pipeline.search import NO_ANSWER, answer_text, open_search


@dataclass(frozen=True)
class FoundDocuments:
    """What an index answers.

    Attributes:
        answers: The best first.
        note: What should be known of them; empty where nothing.
    """

    answers: list[Answer]
    note: str


@dataclass
class AskedIndex:
    """An index in memory; one query is answered at a time."""

    _folder: Path | None = None
    _index: SearchIndex | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, folder: Path, query: str) -> FoundDocuments:
        """The documents that answer a query best.

        Raises:
            TrifoldError: If the index cannot be opened, or the query is empty.
        """
        settings = QuerySettings()
        with self._lock, sending_to(Silence()):
            if self._index is None or self._folder != folder:
                self._index, self._folder = None, None
                self._index, self._folder = open_search(folder, settings, ComputeSettings(), None), folder
            answers = answer_text(self._index, query, settings)
            unfit = answers and nothing_fits(self._index, query, answers)
        return FoundDocuments(answers, NOTHING_FITS if unfit else "" if answers else NO_ANSWER)


def marked(snippet: Snippet) -> list[tuple[str, bool]]:
    """A snippet in pieces, each with whether it matches."""
    found, at = [], 0
    for mark in snippet.marks:
        found += [(snippet.text[at : mark.start], False), (snippet.text[mark.start : mark.end], True)]
        at = mark.end
    return [piece for piece in (*found, (snippet.text[at:], False)) if piece[0]]
