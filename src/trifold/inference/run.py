"""Open a run folder: check its files and load its predictor."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trifold.artifact.manifest import verify_model
from trifold.artifact.run_folder import best_run, instead_of_best
from trifold.artifact.run_record import read_run_record
from trifold.errors import ArtifactError, SettingsError
from trifold.llm.contract import UnnamedServerError
from trifold.llm.settings import LlmSettings
from trifold.methods.catalogue import PROMPT, method_entry
from trifold.methods.contract import Predictor
from trifold.models.settings import ComputeSettings
from trifold.runtime import prepare_own, unchanged_process
from trifold.schema import damaged


@dataclass(frozen=True)
class Run:
    """A trained model, opened.

    Attributes:
        folder: The run folder.
        predictor: The model; several threads may use it at the same time.
        facts: Content of `run.json`.
    """

    folder: Path
    predictor: Predictor
    facts: dict[str, Any]


def load_run(path: Path | str, compute: ComputeSettings | None = None, llm: LlmSettings | None = None) -> Run:
    """Load a run folder, or the best run of a comparison's folder, after checking its hashes.

    The process is left as it was, unless it is a command's own (`runtime.own_process`).

    Args:
        path: The folder.
        compute: Where and how the model computes.
        llm: The server and its key, for a run that asks a server: the run folder names neither.

    Raises:
        ArtifactError: If the folder holds no run, or a file is missing or damaged; the message names the file.
        UnnamedServerError: If the run asks a server, and `llm` names none.
        SettingsError: If `llm` is given and the run asks no language model.
    """
    folder = Path(path)
    if not folder.is_dir():
        raise ArtifactError(
            f"there is no run folder {folder}: finetune or compare prints the right name as its last line"
        )
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


def require_labels(folder: Path, facts: Mapping[str, Any]) -> None:
    """Refuse a run that predicts no labels.

    Raises:
        ArtifactError: If the run is a language model.
    """
    if facts.get("task") == "generate" or facts["method"] == "pretrain":
        raise ArtifactError(
            f"{folder} holds a language model, which knows no labels: let it speak with trifold fill-mask or generate, "
            f"or train it on labels with trifold finetune DATA --model {folder}"
        )


def _load(folder: Path, compute: ComputeSettings, llm: LlmSettings | None) -> Run:
    facts = read_run_record(folder)
    require_labels(folder, facts)
    try:
        method = method_entry(str(facts["method"]))
    except SettingsError as error:
        raise damaged(facts.path, str(error)) from None
    verify_model(folder)
    if "exported" in facts:
        from trifold.methods.exported_predictor import ExportedPredictor

        return Run(folder, ExportedPredictor.load(folder / "model", compute), facts)
    if facts["method"] == PROMPT:
        from trifold.methods.prompt_predictor import PromptPredictor

        return Run(folder, PromptPredictor.load(folder / "model", compute, llm), facts)
    if llm is not None:
        raise SettingsError(
            f"{folder} is a run of {facts['method']}, which asks no language model: leave out its flags"
        )
    if method.needs_backbone:
        prepare_own()
    return Run(folder, method.load().predictor.load(folder / "model", compute), facts)
