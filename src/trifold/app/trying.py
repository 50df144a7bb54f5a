"""The run that texts are tried on: it is opened once, and held until another one is tried."""

import threading
from dataclasses import dataclass, field
from pathlib import Path

from trifold.artifact.manifest import MANIFEST
from trifold.event_sinks import Silence
from trifold.events import sending_to
from trifold.explanations.explain import explain_texts
from trifold.explanations.explanation import Explanation
from trifold.explanations.marks import Piece, pieces
from trifold.inference.answers import given_labels, likeliest
from trifold.inference.predict import predict_texts
from trifold.inference.run import Run, load_run
from trifold.types import Text, TextPair

_MOST_CHARACTERS = 20_000


@dataclass(frozen=True)
class Answer:
    """What a run says of a text, as the pages of servers show it.

    Attributes:
        labels: That it gives.
        truncated: Whether the text was too long to be read whole.
        scores: Label and probability, the likeliest first.
        explanation: The words that decided; `None` for pairs of texts.
        declined: Whether the run was not sure enough, which it need not be here.
    """

    labels: tuple[str, ...]
    truncated: bool
    scores: list[tuple[str, float]]
    explanation: Explanation | None
    declined: bool = False

    @property
    def pieces(self) -> list[Piece]:
        """The text, marked."""
        return pieces(self.explanation, _MOST_CHARACTERS) if self.explanation else []


@dataclass
class TriedRun:
    """A run in memory; one text is answered at a time."""

    _opened: tuple[Path, tuple[int, int] | None] | None = None
    _run: Run | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def reads_pairs(self, folder: Path) -> bool:
        """Whether a run wants two texts.

        Raises:
            TrifoldError: If it cannot be opened.
        """
        with self._lock:
            return self._open(folder).reads_pairs

    def answer(self, folder: Path, first: str, second: str) -> Answer:
        """What a run says of a text, or of a pair.

        Raises:
            TrifoldError: If it cannot be opened, or a text is empty.
        """
        # Nothing of it takes long enough for a bar.
        with self._lock, sending_to(Silence()):
            run = self._open(folder)
            text: Text = TextPair(first, second) if run.reads_pairs else first
            (found,) = predict_texts(run.predictor, [text])
            explanation = None if isinstance(text, TextPair) else next(explain_texts(run.predictor, [text]))
            return Answer(given_labels(found), found.truncated, likeliest(found), explanation)

    def _open(self, folder: Path) -> Run:
        # A comparison that goes on may put another run into the same place.
        wanted = (folder, _identity(folder / MANIFEST))
        if self._run is None or self._opened != wanted:
            self._run, self._opened = None, None
            self._run, self._opened = load_run(folder), wanted
        return self._run


def _identity(path: Path) -> tuple[int, int] | None:
    """What tells a file from the one that is put into its place; `None` where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns
