"""A backbone's tokenizer as the tokenizers library reads it, and copying its files beside a saved model."""

from pathlib import Path
from typing import Any

from trifold.errors import BackboneError
from trifold.models.backbone_files import BackboneFiles, reason_of

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
)
# A tokenizer can be made from any of these. Without one, transformers makes an empty tokenizer that knows no word.
_VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "*.model")


def fast_tokenizer(files: BackboneFiles) -> Any:
    """The backbone's tokenizer from the tokenizers library; converted from its vocabulary if it has no tokenizer.json.

    Raises:
        BackboneError: If it has none that can be read.
    """
    path = files.folder / "tokenizer.json"
    try:
        if path.exists():
            from tokenizers import Tokenizer

            found = Tokenizer.from_file(str(path))
        else:
            if not any(file for pattern in _VOCABULARIES for file in files.folder.glob(pattern)):
                raise ValueError(f"it has none of {', '.join(_VOCABULARIES)}")
            from transformers import AutoTokenizer

            found = AutoTokenizer.from_pretrained(
                files.folder, local_files_only=True, trust_remote_code=files.trust_remote_code
            ).backend_tokenizer
        require_vocabulary(found)
        return found
    except Exception as error:  # noqa: BLE001 - the libraries promise nothing about exceptions on damaged files
        raise BackboneError(
            f"{files.name} has no tokenizer that can be read ({reason_of(error)}): give a model saved with its fast "
            "tokenizer, tokenizer.json"
        ) from None


def require_vocabulary(tokenizer: Any) -> None:
    """Refuse a tokenizer of the tokenizers library that was made from no file.

    Raises:
        ValueError: If it knows special tokens alone.
    """
    if tokenizer.get_vocab_size() <= len(tokenizer.get_added_tokens_decoder()):
        raise ValueError("it knows no word")


def copy_tokenizer(files: BackboneFiles, folder: Path) -> None:
    """Copy a backbone's tokenizer into `folder`, so that the model saved there can be loaded without the backbone."""
    for name in TOKENIZER_FILES:
        source = files.folder / name
        if source.exists():
            (folder / name).write_bytes(source.read_bytes())
    if not (files.folder / "tokenizer.json").exists():
        fast_tokenizer(files).save(str(folder / "tokenizer.json"))
