"""How far a job is: what its process says, read as it comes, and again from the beginning by whoever comes later."""

import threading
from dataclasses import dataclass, field, replace
from pathlib import Path

from trifold.event_sinks import read_json_line
from trifold.events import Losses, Message, Progress

_MOST_MESSAGES, _MOST_CHARACTERS = 300, 2_000
_MOST_BYTES = 4_000_000
# How a command ends whose job tells the reason already.
_OWN = "trifold: "


@dataclass
class JobProgress:
    """What a process said so far.

    Each tab that shows the job updates it from a thread of its own: copy what you go through.

    Attributes:
        path: Lines of JSON.
        messages: The last of them.
        works: Pieces of work that are not done, the latest last.
        losses: Name of a run to what each of its epochs has come to.
    """

    path: Path
    messages: list[Message] = field(default_factory=list)
    works: dict[int, Progress] = field(default_factory=dict)
    losses: dict[str, list[Losses]] = field(default_factory=dict)
    _read: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def update(self) -> "JobProgress":
        """Read what has come since; a line that is not whole yet waits."""
        with self._lock:
            try:
                with self.path.open("rb") as file:
                    file.seek(self._read)
                    while piece := file.read(_MOST_BYTES):
                        whole = piece[: piece.rfind(b"\n") + 1] or (piece if len(piece) == _MOST_BYTES else b"")
                        for line in whole.splitlines():
                            self._take(line.decode("utf-8", "replace"))
                        self._read += len(whole)
                        file.seek(self._read)
                        if len(whole) < len(piece):
                            break
            except FileNotFoundError:
                pass
        return self

    def _take(self, line: str) -> None:
        event = read_json_line(line)
        if isinstance(event, Message):
            if event.text.strip() and not event.text.startswith(_OWN):
                self.messages.append(replace(event, text=event.text[:_MOST_CHARACTERS]))
                del self.messages[:-_MOST_MESSAGES]
        elif isinstance(event, Losses):
            self.losses.setdefault(event.run, []).append(event)
        elif event.ended:
            self.works.pop(event.work, None)
        else:
            self.works[event.work] = event
