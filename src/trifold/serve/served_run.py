"""A run in use: what is known of it, and the version of it that answers."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifold.artifact.run_record import FinetuneRecord
from trifold.inference.run import Run


@dataclass(frozen=True)
class ServedRun:
    """One version of a run.

    Attributes:
        name: As requests name it.
        run: The opened run.
        version: Twelve hexadecimal digits of a hash of the run's files.
        labels: In the order of the probabilities.
        multi_label: Whether a text may have any number of labels.
        thresholds: Of each label, the probability from which on a text gets it; empty unless `multi_label`.
        max_length: Tokens of a text, or of each window, that are read; `None` where the run reads no tokens.
        backbone: Name of the model that it was trained from; `None` where there is none.
        asks_llm: Whether a language model is asked about each text.
        metrics: What was measured on its test rows; `None` where the folder does not tell, such as of an export.
        shares_with: Names of the runs whose texts take the same forward pass.
    """

    name: str
    run: Run
    version: str
    labels: tuple[str, ...]
    multi_label: bool
    thresholds: tuple[float, ...]
    max_length: int | None
    backbone: str | None
    asks_llm: bool
    metrics: dict[str, Any] | None = None
    shares_with: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder

    @property
    def record(self) -> FinetuneRecord:
        """Content of `run.json`."""
        return self.run.record

    @property
    def reads_pairs(self) -> bool:
        """Whether it reads pairs of texts."""
        return self.run.reads_pairs
