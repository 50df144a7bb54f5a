"""Load and save models with transformers; what cannot be loaded is refused in one clear sentence."""

import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from trifold.errors import BackboneError
from trifold.events import say_once
from trifold.formatting import megabytes
from trifold.models.available_memory import count_weights, require_memory
from trifold.models.backbone_files import BackboneFiles, read_config, reason_of

_ENCODING_CLASSES = ("AutoModel", "AutoModelForSequenceClassification")
# From so many bytes on, loading takes seconds, in which something should be heard.
_LARGE_BYTES = 200e6
# What the head of a class of model is called, by the end of the class's name.
_HEADS = {"ForMaskedLM": "head for masked words", "ForSequenceClassification": "head of a classifier"}


def save_model(model: Any, folder: Path) -> None:
    """Save a model with transformers, without its progress bar and its messages."""
    from transformers import logging

    logging.disable_progress_bar()
    with without_advice():
        model.save_pretrained(folder)


def load_model(
    auto_class: str, files: BackboneFiles, *, whole: bool = False, attention: str | None = None, **options: Any
) -> Any:
    """Load a model with one of transformers' auto classes, in float32 unless `options` say otherwise.

    Messages of transformers (a report on new and unused weights, a progress bar) are suppressed: a new head is what was
    asked for, and warnings on a correct run would only alarm.

    Args:
        auto_class: Name of the auto class.
        files: The model.
        whole: Whether the head must be in the files as well; a new head would predict at random.
        attention: Name of the attention implementation in transformers; its own choice where `None`.
        options: Further options of `from_pretrained`.

    Raises:
        BackboneError: If the files do not fit the class, weights are missing, or they do not fit in memory.
    """
    import transformers

    read_config(files)
    # Checked first: without safetensors weights, the message of transformers would be about another file.
    files.shards()
    if files.size_bytes() >= _LARGE_BYTES:
        say_once(f"loading {files.name} ({megabytes(files.size_bytes())})")
    options = {"dtype": torch.float32, "attn_implementation": attention, **options}
    require_memory(files.name, count_weights(files), str(options["dtype"]).removeprefix("torch."))
    trusted = {"trust_remote_code": files.trust_remote_code, "use_safetensors": True, "local_files_only": True}
    transformers.logging.disable_progress_bar()
    try:
        with without_advice(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model, loading = getattr(transformers, auto_class).from_pretrained(
                files.folder, output_loading_info=True, **trusted, **options
            )
    except Exception as error:  # noqa: BLE001 - transformers promises nothing about exceptions on damaged models
        raise BackboneError(
            f"{files.name} cannot be loaded as {auto_class} ({reason_of(error)}): give another --model"
        ) from None
    if not getattr(model, "_supports_sdpa", False):
        # The architecture computes attention by itself, whatever is named, and reads no mask but the one made for that.
        model.config._attn_implementation = "eager"
    _require_weights(files, model, loading["missing_keys"], whole=whole)
    if getattr(model.config, "is_encoder_decoder", False) and auto_class in _ENCODING_CLASSES:
        raise BackboneError(
            f"{files.name} is a {model.config.model_type}, which reads with one half and writes with the other, and no "
            "method here learns from that: give --model an encoder or a decoder"
        )
    return model


@contextmanager
def without_advice() -> Iterator[None]:
    """Inside, transformers logs errors alone: its warnings are advice to programmers."""
    from transformers import logging

    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)


def load_config(files: BackboneFiles) -> Any:
    """A model's configuration as an object of transformers.

    Raises:
        BackboneError: If transformers cannot read it.
    """
    from transformers import AutoConfig

    read_config(files)
    try:
        return AutoConfig.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=files.trust_remote_code
        )
    except Exception as error:  # noqa: BLE001 - as above
        raise BackboneError(f"{files.name} cannot be loaded ({reason_of(error)}): give another --model") from None


def is_decoder(config: Any) -> bool:
    """Whether a model is a decoder, in which a token attends only to the tokens before it.

    Args:
        config: As returned by `load_config`.
    """
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING

    both_ways = type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False)
    return type(config) in MODEL_FOR_CAUSAL_LM_MAPPING and not both_ways


def _require_weights(files: BackboneFiles, model: Any, missing: Iterable[str], *, whole: bool) -> None:
    """Refuse a model with missing weights. Those of pooler and, unless `whole`, head may be missing."""
    body = "" if model.base_model is model else f"{model.base_model_prefix}."
    if whole and any(not name.startswith(body) for name in missing):
        kind = type(model).__name__
        head = next((head for end, head in _HEADS.items() if kind.endswith(end)), "head for next words")
        raise BackboneError(
            f"{files.name} has no {head} (its files lack {min(missing)}): give a model that was "
            "pretrained and saved with it"
        )
    lacking = sorted(name for name in missing if name.startswith(body) and "pooler" not in name.split("."))
    if lacking:
        raise BackboneError(
            f"{files.name} lacks {len(lacking)} of its weights ({lacking[0]} and on): give a model that is whole"
        )
