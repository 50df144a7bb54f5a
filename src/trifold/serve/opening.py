"""Runs are opened to be served: each with the pass that computes its texts and the head that reads the states."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from trifold.artifact.hub_runs import run_folder
from trifold.artifact.manifest import MANIFEST
from trifold.artifact.metrics_file import read_metrics
from trifold.artifact.run_folder import best_run
from trifold.artifact.run_record import ClassifierRecord, read_run_record
from trifold.engines.token_model import LogitsModel
from trifold.errors import ArtifactError, BackboneError, TrifoldError
from trifold.inference.run import Run, load_run
from trifold.llm.settings import LlmSettings
from trifold.methods.catalogue import method_entry
from trifold.methods.contract import Predictor
from trifold.methods.token_predictor import TokenPredictor
from trifold.models.settings import ComputeSettings, EncodingSettings
from trifold.serve.heads import ArrayHead, LabelHead
from trifold.serve.passes import Pass, TextPass, TokenPass
from trifold.serve.served_run import ServedRun

if TYPE_CHECKING:
    from trifold.documents.embedding.embedder import TextEmbedder
    from trifold.serve.backbone_groups import BackboneGroups


@dataclass(frozen=True, eq=False)
class Vectors:
    """What gives a run's vectors.

    Attributes:
        embedder: Knows the prompts.
        work: Computes the texts.
        head: Gives the vectors.
    """

    embedder: "TextEmbedder"
    work: Pass
    head: ArrayHead


class Version:
    """An opened run with what computes its answers.

    Args:
        facts: What is known of it.
        work: Computes its texts.
        labels: Gives its predictions.
        logits: Gives its logits.
        opener: Opens its encoder when vectors are asked for.

    Attributes:
        reads_tokens: Whether it reads tokens, and not texts as they are.
    """

    def __init__(self, facts: ServedRun, work: Pass, labels: LabelHead, logits: ArrayHead, opener: "RunOpener") -> None:
        self.facts, self.work, self.labels, self.logits = facts, work, labels, logits
        self.reads_tokens = isinstance(work, TokenPass)
        self._opener = opener

    @property
    def predictor(self) -> Predictor:
        """The run's."""
        return self.facts.run.predictor

    @cached_property
    def vectors(self) -> Vectors:
        """What gives its vectors, opened when it is first asked for.

        Raises:
            BackboneError: If it has no encoder of its own.
        """
        return self._opener.open_vectors(self.facts)

    @property
    def opened_vectors(self) -> Vectors | None:
        """What gives its vectors, where that is open already: the thread that opens may be busy with a new version."""
        return self.__dict__.get("vectors")


class RunOpener:
    """Opens runs; those on one backbone get one copy of it. One thread uses it.

    Args:
        compute: How models run.
        llm: The server and its key, for runs that ask a language model's server.
    """

    def __init__(self, compute: ComputeSettings, llm: LlmSettings | None) -> None:
        self._compute, self._llm = compute, llm

    @cached_property
    def _groups(self) -> "BackboneGroups":
        from trifold.serve.backbone_groups import BackboneGroups

        return BackboneGroups()

    def open(self, name: str, folder: Path) -> Version:
        """Open a run folder, or the best run of a comparison's; or the run of that name on the hub.

        Raises:
            TrifoldError: As `load_run`.
        """
        folder = run_folder(folder, offline=self._compute.offline)
        run = load_run(folder, self._compute, self._llm if _asks_llm(folder) else None)
        predictor, facts = run.predictor, _facts(name, run)
        if isinstance(predictor, TokenPredictor):
            work, finish, layers = self._placed(predictor)
        else:
            work, finish, layers = TextPass(predictor, asks_llm=facts.asks_llm), _untouched, ()
        labels, logits = LabelHead(name, finish, layers, predictor), ArrayHead(name, finish, layers)
        for head in (labels, logits):
            work.add(head)
        return Version(facts, work, labels, logits, self)

    def _placed(self, predictor: TokenPredictor) -> tuple[Pass, Callable[[Any], np.ndarray], tuple[int, ...]]:
        """The pass for a predictor, what it makes of the states, and whose pooled states it reads."""
        model = predictor.token_model()
        if isinstance(model, LogitsModel):
            return TokenPass(model), model.finish, ()
        # Only now, since a graph and TF-IDF need no PyTorch.
        from trifold.engines.pooled_model import PooledModel, SharesEncoder

        assert isinstance(model, PooledModel)
        assert isinstance(predictor, SharesEncoder)
        return self._groups.place(predictor, model), model.head, model.layers

    def open_vectors(self, facts: ServedRun) -> Vectors:
        """Open the encoder of a run, or take the one that is in use already.

        Raises:
            BackboneError: If the run has no encoder of its own.
        """
        from trifold.documents.embedding.embedder import TextEmbedder

        if not _is_unchanged(facts):
            raise BackboneError(
                f"the folder of {facts.name} has changed since it was opened, and its encoder was not needed till now: "
                "have it opened again (POST /reload)"
            )
        asked = facts.record.settings
        settings = EncodingSettings(
            **vars(self._compute),
            long_text=asked.get("long_text", "truncate"),
            max_windows=asked.get("max_windows"),
            engine=asked.get("engine", "torch"),
        )
        try:
            embedder = TextEmbedder(str(facts.folder), settings=settings)
        except TrifoldError as error:
            # Where the folder lies is nobody's business.
            raise BackboneError(str(error).replace(str(facts.folder), facts.name)) from None
        model = embedder.token_model()
        work = self._groups.place(embedder, model)
        head = ArrayHead(facts.name, model.head, model.layers)
        work.add(head)
        return Vectors(embedder, work, head)


def _untouched(found: np.ndarray) -> np.ndarray:
    return found


def _asks_llm(folder: Path) -> bool:
    """Whether the run in a folder asks a language model; what is wrong with the folder is found when it is opened."""
    try:
        record = read_run_record(best_run(folder))
    except TrifoldError:
        return False
    return isinstance(record, ClassifierRecord) and not record.exported and method_entry(record.method).asks_llm


def _version_of(folder: Path) -> str:
    return hashlib.sha256((folder / MANIFEST).read_bytes()).hexdigest()[:12]


def _is_unchanged(facts: ServedRun) -> bool:
    try:
        return _version_of(facts.folder) == facts.version
    except OSError:
        return False


def _metrics_of(folder: Path) -> dict[str, Any] | None:
    """What was measured, which is read now, since the folder may be another run's by the time that it is asked for."""
    try:
        found = dict(read_metrics(folder))
    except ArtifactError:
        return None
    found.pop("classes", None)
    return found


def _facts(name: str, run: Run) -> ServedRun:
    predictor, record = run.predictor, run.record
    labels, entry, asked = predictor.labels, method_entry(record.method), record.as_json()
    # What Python saved does not say which backbone it stands on, but as a setting.
    backbone = (asked.get("backbone") or {}).get("name") or (
        record.settings.get("model") if entry.needs_backbone else None
    )
    return ServedRun(
        name=name,
        run=run,
        version=_version_of(run.folder),
        metrics=_metrics_of(run.folder),
        labels=tuple(map(str, labels.names)),
        multi_label=labels.multi_label,
        thresholds=labels.thresholds,
        max_length=predictor.max_length if isinstance(predictor, TokenPredictor) else None,
        backbone=backbone,
        asks_llm=entry.asks_llm and not record.exported,
    )
