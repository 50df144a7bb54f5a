"""Find the encoder that a MODEL argument names: a model name, a folder, a hub id, or a run folder."""

import os
from dataclasses import dataclass, replace
from pathlib import Path

from trifold.artifact.arrays import read_state
from trifold.artifact.hub_runs import run_on_hub
from trifold.artifact.manifest import verify_model
from trifold.artifact.run_folder import best_run
from trifold.artifact.run_record import RUN, ClassifierRecord, ModelRecord, RunRecord, read_run_record
from trifold.data.recorded_columns import RecordedColumns
from trifold.errors import BackboneError
from trifold.methods.catalogue import ALL_METHODS, method_entry
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.context_length import context_length
from trifold.models.locate import MINILM, find_base, locate
from trifold.models.sentence_modules import SentenceModules, encoder_folder, read_modules
from trifold.models.settings import BackboneSettings, EncodingSettings

_USUAL_LENGTH = BackboneSettings().max_length


@dataclass(frozen=True)
class FoundModel:
    """A model that makes vectors of texts.

    Attributes:
        files: Its encoder.
        modules: What becomes of the encoder's states.
        max_length: Tokens of a text that are read.
    """

    files: BackboneFiles
    modules: SentenceModules
    max_length: int


def find_model(model: str, settings: EncodingSettings) -> FoundModel:
    """Find a model's files, and how they say that texts become vectors.

    Args:
        model: `minilm`, `mpnet`, a folder, a hub id, or a run folder or run on the hub, of which its encoder is taken
            alone.
        settings: How texts are read, and where the encoder computes.

    Raises:
        BackboneError: If there is no such model, its modules are not computed here, or the run has no encoder that can
            be used without its adapters.
        ArtifactError: If a run or a folder of sentence-transformers is damaged.
    """
    published = run_on_hub(model, offline=settings.offline)
    # os.path.isdir returns False for a name that cannot be a path, where Path.is_dir raises.
    run = published or (best_run(Path(model)) if os.path.isdir(model) else None)
    record = read_run_record(run) if run is not None and (run / RUN).is_file() else None
    if run is not None and record is not None:
        files = _under_head(run, record, settings)
        modules = read_modules(files.folder, files.name)
    else:
        files, modules = _published(model, settings)
    return FoundModel(files, modules, settings.max_length or _own_length(files, modules, record))


def own_reading(model: str, *, offline: bool = False) -> RecordedColumns | None:
    """The columns that a run read in training; `None` if `model` is no run that was trained on labels."""
    run = run_on_hub(model, offline=offline) or best_run(Path(model))
    if not (run / RUN).is_file():
        return None
    record = read_run_record(run)
    return RecordedColumns.recorded(record.as_json()) if isinstance(record, ClassifierRecord) else None


def _published(model: str, settings: EncodingSettings) -> tuple[BackboneFiles, SentenceModules]:
    """A model that is no run of ours."""
    folder, trusts = Path(model), settings.trust_remote_code
    inside = encoder_folder(folder) if model and os.path.isdir(folder) else folder
    if inside != folder:
        return BackboneFiles(inside, str(folder.resolve()), None, trusts), read_modules(folder, model)
    files = locate(model, offline=settings.offline, trust_remote_code=trusts)
    return replace(files, folder=encoder_folder(files.folder)), read_modules(files.folder, files.name)


def _own_length(files: BackboneFiles, modules: SentenceModules, record: RunRecord | None) -> int:
    """Tokens of a text that are read where nobody says how many: as in training, or as the model was saved.

    Of minilm so many as every method reads by default, so that a text has one vector in all of Trifold
    (docs/decisions/0021).
    """
    trained = record.settings.get("max_length") if isinstance(record, ClassifierRecord) else None
    own = None if files.name == MINILM else modules.max_length
    length = trained if isinstance(trained, int) else own or _USUAL_LENGTH
    context = context_length(read_config(files))
    return length if context is None else min(length, context)


def _under_head(run: Path, record: RunRecord, settings: EncodingSettings) -> BackboneFiles:
    """The encoder of a run: its own fine-tuned one, or the frozen backbone that it names.

    Raises:
        BackboneError: If the run has neither, as with `tfidf` or adapters.
    """
    method = record.method if isinstance(record, ModelRecord) else "a comparison"
    if isinstance(record, ClassifierRecord) and record.exported:
        raise BackboneError(
            f"{run} is an export, which gives labels and no vectors: name the run that it was made from"
        )
    verify_model(run)
    saved = run / "model"
    if (saved / "config.json").is_file() and any(saved.glob("model*.safetensors")):
        return BackboneFiles(saved, str(saved.resolve()), None, settings.trust_remote_code)
    if method in ALL_METHODS and method_entry(method).keeps_backbone:
        return find_base(
            read_state(saved)[0], saved, offline=settings.offline, trust_remote_code=settings.trust_remote_code
        )
    raise BackboneError(
        f"{run} holds no encoder of its own ({method}): name the backbone, or a run of features, contrastive or full"
    )
