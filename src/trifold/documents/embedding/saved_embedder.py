"""Write an embedder as a folder that sentence-transformers loads."""

import shutil
from pathlib import Path

from trifold.artifact.run_folder import new_folder
from trifold.models.backbone_files import BackboneFiles
from trifold.models.sentence_folder import write_modules
from trifold.models.sentence_modules import SentenceModules
from trifold.models.tokenizer_files import copy_tokenizer


def save_embedder(folder: Path, files: BackboneFiles, modules: SentenceModules, width: int) -> None:
    """Write encoder, tokenizer, pooling, what is done with the pooled vectors, and prompts.

    Args:
        folder: A new one, or an empty one; it appears whole or not at all.
        files: The encoder.
        modules: What becomes of its states.
        width: Numbers of one state.

    Raises:
        SettingsError: If the folder is in use or cannot be written.
    """
    with new_folder(folder) as aside:
        _copy_encoder(files, aside)
        write_modules(aside, modules, width)


def _copy_encoder(files: BackboneFiles, folder: Path) -> None:
    """Copy configuration, weights and tokenizer as they are; and code of its own, which whoever loads it must trust."""
    copied = [files.folder / "config.json", *files.shards(), *files.folder.glob("*.safetensors.index.json")]
    for path in (*copied, *(files.folder.glob("*.py") if files.trust_remote_code else ())):
        shutil.copyfile(path, folder / path.name)
    copy_tokenizer(files, folder)
