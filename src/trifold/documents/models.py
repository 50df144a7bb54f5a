"""Which encoder a MODEL argument means: a name, a folder, a hub id, or what stands under a run's head."""

from pathlib import Path

from trifold.artifact.arrays import read_state
from trifold.artifact.folder import best_run
from trifold.artifact.manifest import verify_model
from trifold.artifact.records import RUN, read_run
from trifold.backbone.encoder import Encoder
from trifold.backbone.locate import BackboneFiles, find_base, locate
from trifold.backbone.settings import EncodingSettings
from trifold.backbone.tokens import Tokenizer
from trifold.errors import BackboneError
from trifold.runtime import choose


def find_encoder(model: str, settings: EncodingSettings) -> tuple[Encoder, Tokenizer]:
    """Load what `model` names, without a head.

    Args:
        model: `minilm`, a folder, a hub id, or a run folder.
        settings: How it reads texts, and where it computes.

    Raises:
        BackboneError: If it is nowhere, or its vectors are not to be had apart from its adapters.
    """
    run = best_run(Path(model))
    files = _under_head(run, settings) if (run / RUN).is_file() else locate(model, offline=settings.offline)
    encoder = Encoder(files, choose(settings.device, settings.precision), engine=settings.engine)
    return encoder, Tokenizer(files, settings.max_length, settings.long_text)


def _under_head(run: Path, settings: EncodingSettings) -> BackboneFiles:
    method = str(read_run(run)["method"])
    verify_model(run)
    saved = run / "model"
    if (saved / "config.json").is_file() and any(saved.glob("model*.safetensors")):
        return BackboneFiles(saved, str(saved.resolve()), None)
    if method in ("features", "classic", "zero-shot"):
        return find_base(read_state(saved)[0], saved, offline=settings.offline)
    raise BackboneError(
        f"{run} holds no encoder of its own ({method}): name the backbone, or a run of features, contrastive or full"
    )
