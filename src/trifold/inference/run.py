"""Open a run folder: check its files and load its predictor."""

from dataclasses import dataclass
from pathlib import Path

from trifold.artifact.hub_runs import run_folder
from trifold.artifact.manifest import verify_model
from trifold.artifact.run_folder import best_run, instead_of_best, require_folder
from trifold.artifact.run_record import RUN, FinetuneRecord, RunRecord, read_run_record
from trifold.errors import ArtifactError, SettingsError
from trifold.folder_kinds import wrong_kind
from trifold.llm.contract import UnnamedServerError
from trifold.llm.settings import LlmSettings
from trifold.methods.catalogue import method_entry
from trifold.methods.contract import Predictor
from trifold.models.settings import ComputeSettings
from trifold.runtime import prepare_own, unchanged_process
from trifold.schema import damaged
from trifold.types import Text, TextPair


@dataclass(frozen=True)
class Run:
    """A trained model, opened.

    Attributes:
        folder: The run folder.
        predictor: The model; several threads may use it at the same time.
        record: Content of `run.json`.
    """

    folder: Path
    predictor: Predictor
    record: FinetuneRecord

    @property
    def reads_pairs(self) -> bool:
        """Whether it reads pairs of texts."""
        return bool(self.record.get("pairs"))

    def require_single_texts(self, what: str) -> None:
        """Refuse a run that reads pairs of texts.

        Args:
            what: Which command reads single texts.

        Raises:
            SettingsError: If it reads pairs.
        """
        if self.reads_pairs:
            raise SettingsError(f"{self.folder} reads pairs of texts, and {what} is for single texts: name another run")

    def require_kind(self, text: Text) -> None:
        """Refuse a single text where pairs are read, and a pair where single texts are.

        Raises:
            SettingsError: If it is of the other kind.
        """
        pair = isinstance(text, TextPair)
        if pair != self.reads_pairs:
            reads, given = ("single texts", "a pair") if pair else ("pairs of texts", "a single text")
            way_out = "leave out --text-pair" if pair else "give the second with --text-pair"
            raise SettingsError(f"{self.folder} reads {reads}, and {given} was given: {way_out}")


def load_run(path: Path | str, compute: ComputeSettings | None = None, llm: LlmSettings | None = None) -> Run:
    """Load a run folder, or the best run of a comparison's folder, after checking its hashes.

    The process is left as it was, unless it is a command's own (`runtime.own_process`).

    Args:
        path: The folder, or the name of a run on the hub.
        compute: Where and how the model computes.
        llm: The server and its key, for a run that asks a server: the run folder names neither.

    Raises:
        ArtifactError: If the folder holds no run, or a file is missing or damaged; the message names the file.
        UnnamedServerError: If the run asks a server, and `llm` names none.
        SettingsError: If `llm` is given and the run asks no language model.
    """
    folder = run_folder(path, offline=compute is not None and compute.offline)
    require_folder(folder)
    run = best_run(folder)
    try:
        with unchanged_process():
            return _load(run, compute or ComputeSettings(), llm)
    except ArtifactError as error:
        if run == folder:
            raise
        raise ArtifactError(f"{error}; or {instead_of_best(folder)}") from None


def load_local_run(path: Path, compute: ComputeSettings) -> Run:
    """Load a run whose model is on this machine; measuring and exporting need one.

    Raises:
        SettingsError: If the run asks a server.
        ArtifactError: As `load_run`.
    """
    try:
        return load_run(path, compute)
    except UnnamedServerError:
        raise SettingsError(
            f"{path} asks a server for its answers, so there is no model here to measure or to export: name a run "
            "whose model is on this machine"
        ) from None


def require_labels(folder: Path, record: RunRecord) -> FinetuneRecord:
    """The record of a run that predicts labels.

    Raises:
        ArtifactError: If the run is a language model, or gives scores.
    """
    if not isinstance(record, FinetuneRecord):
        raise ArtifactError(wrong_kind(folder, "the run of a classifier") or f"{folder} is no run of a classifier")
    return record


def _load(folder: Path, compute: ComputeSettings, llm: LlmSettings | None) -> Run:
    record = require_labels(folder, read_run_record(folder))
    try:
        method = method_entry(record.method)
    except SettingsError as error:
        raise damaged(folder / RUN, str(error)) from None
    verify_model(folder)
    if record.exported:
        from trifold.methods.exported_predictor import ExportedPredictor, exported_files

        return Run(folder, ExportedPredictor.load(exported_files(folder), compute), record)
    if method.asks_llm:
        from trifold.methods.prompt_predictor import PromptPredictor

        return Run(folder, PromptPredictor.load(folder / "model", compute, llm), record)
    if llm is not None:
        raise SettingsError(f"{folder} is a run of {record.method}, which asks no language model: leave out its flags")
    if method.needs_backbone:
        prepare_own()
    return Run(folder, method.load().predictor.load(folder / "model", compute), record)
