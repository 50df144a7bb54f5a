"""Encode the passages of a build: those that an earlier build has computed, and no others, come from the journal."""

import time
from array import array
from collections.abc import Sequence
from dataclasses import fields

import numpy as np

from trifold.documents.embedding.embedder import TextEmbedder
from trifold.documents.search.journal import Journal
from trifold.events import say
from trifold.formatting import counted, speed
from trifold.models.settings import ComputeSettings, EncodingSettings

# What is encoded at once. A build that is killed loses no more than that; texts of similar length go together in it.
_PASSAGES, _CHARACTERS = 2_048, 250_000
_SAY_EVERY_SECONDS = 20.0


def open_embedder(model: str, passage_tokens: int | None, compute: ComputeSettings) -> TextEmbedder:
    """The encoder of an index.

    Args:
        model: As in `IndexSettings`.
        passage_tokens: Tokens of a text that it reads; what it was saved with where `None`.
        compute: Where it computes.

    Raises:
        BackboneError: If there is no such model, or it reads fewer tokens.
    """
    how = {field.name: getattr(compute, field.name) for field in fields(ComputeSettings)}
    return TextEmbedder(model, normalize=True, settings=EncodingSettings(max_length=passage_tokens, **how))


class Encoding:
    """Takes passages one after the other and sees that each has a vector in the journal.

    Args:
        embedder: Computes them.
        journal: Keeps them.
        is_first: Whether there is no index to go on from: whether the model knows the texts' words is to be seen then.

    Attributes:
        rows: Of each passage, the row of its vector in the journal, once `flush` was called.
        computed: Passages that were encoded.
        recovered: Passages that an earlier build had encoded.
    """

    def __init__(self, embedder: TextEmbedder, journal: Journal, *, is_first: bool) -> None:
        self._embedder, self._journal = embedder, journal
        # What a build adds to others may be a single emoji, which says nothing of the model.
        self._words_are_known = not is_first or journal.recovered > 0
        self.rows = array("q")
        self.computed = self.recovered = 0
        self._waiting: list[str] = []
        self._characters = 0
        self._begun = self._said = time.monotonic()

    def add(self, texts: Sequence[str]) -> None:
        """Take the texts of some passages."""
        for text in texts:
            self._waiting.append(text)
            self._characters += len(text)
            if len(self._waiting) == _PASSAGES or self._characters >= _CHARACTERS:
                self.flush()

    def flush(self) -> None:
        """Encode what waits."""
        known = {text: self._journal.find(text) for text in dict.fromkeys(self._waiting)}
        new = [text for text, row in known.items() if row is None]
        if new:
            if not self._words_are_known:
                self._embedder.require_words(new)
                self._words_are_known = True
            first = self._journal.append(new, self._embedder.encode_document(new))
            known |= {text: first + number for number, text in enumerate(new)}
            self.computed += len(new)
            self._tell()
        rows = [row for text in self._waiting if (row := known[text]) is not None]
        self.recovered += sum(row < self._journal.recovered for row in rows)
        self.rows.extend(rows)
        self._waiting, self._characters = [], 0

    def journal_rows(self) -> np.ndarray:
        """Rows of the journal, in the order of the passages, `(passages,)` int64."""
        return np.frombuffer(self.rows, dtype=np.int64) if self.rows else np.zeros(0, dtype=np.int64)

    def _tell(self) -> None:
        now = time.monotonic()
        if now - self._said >= _SAY_EVERY_SECONDS:
            self._said = now
            say(f"{counted(self.computed, 'passage')} encoded, {speed(self.computed, now - self._begun)}")
