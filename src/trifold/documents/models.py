"""Find the encoder that a MODEL argument names: a model name, a folder, a hub id, or a run folder."""

import os
from pathlib import Path

from trifold.artifact.arrays import read_state
from trifold.artifact.manifest import verify_model
from trifold.artifact.run_folder import best_run
from trifold.artifact.run_record import RUN, ClassifierRecord, ModelRecord, read_run_record
from trifold.data.recorded_columns import RecordedColumns
from trifold.engines.encoder import Encoder
from trifold.errors import BackboneError
from trifold.methods.catalogue import ALL_METHODS, method_entry
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import find_base, locate
from trifold.models.settings import EncodingSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import choose


def find_encoder(model: str, settings: EncodingSettings) -> tuple[Encoder, Tokenizer]:
    """Load an encoder and its tokenizer.

    Args:
        model: `minilm`, a folder, a hub id, or a run folder. Of a run, its encoder is loaded without the classifier.
        settings: How texts are read, and where the encoder computes.

    Raises:
        BackboneError: If there is no such model, or the run has no encoder that can be used without its adapters.
    """
    # os.path.isdir returns False for a name that cannot be a path, where Path.is_dir raises.
    run = best_run(Path(model)) if os.path.isdir(model) else None
    if run is not None and (run / RUN).is_file():
        files = _under_head(run, settings)
    else:
        files = locate(model, offline=settings.offline, trust_remote_code=settings.trust_remote_code)
    encoder = Encoder(files, choose(settings.device, settings.precision), engine=settings.engine)
    return encoder, Tokenizer.chosen(files, settings)


def own_reading(model: str) -> RecordedColumns | None:
    """The columns that a run read in training; `None` if `model` is no run that was trained on labels."""
    run = best_run(Path(model))
    if not (run / RUN).is_file():
        return None
    record = read_run_record(run)
    return RecordedColumns.recorded(record.as_json()) if isinstance(record, ClassifierRecord) else None


def _under_head(run: Path, settings: EncodingSettings) -> BackboneFiles:
    """The encoder of a run: its own fine-tuned one, or the frozen backbone that it names.

    Raises:
        BackboneError: If the run has neither, as with `tfidf` or adapters.
    """
    record = read_run_record(run)
    method = record.method if isinstance(record, ModelRecord) else "a comparison"
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
