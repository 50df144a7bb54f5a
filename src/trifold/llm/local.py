"""Open a language model whose weights are on this machine: one that writes, or one that fills gaps."""

import os
from functools import lru_cache
from typing import Any

from trifold.backbone.encoder import load_model
from trifold.backbone.locate import BackboneFiles, locate
from trifold.backbone.settings import ComputeSettings
from trifold.errors import BackboneError, LlmError
from trifold.llm.causal import CausalModel
from trifold.llm.masked import MaskedModel
from trifold.runtime import Runtime, choose, prepare


def open_local(name: str, compute: ComputeSettings) -> CausalModel | MaskedModel:
    """The model that `hf:NAME-OR-FOLDER` names.

    Args:
        name: What stands behind `hf:`.
        compute: How it is run.

    Raises:
        LlmError: If it is nowhere, or neither writes nor fills gaps.
    """
    try:
        files = locate(name, offline=compute.offline)
    except BackboneError as error:
        raise LlmError(str(error).replace("--model", "--llm hf:")) from None
    prepare()
    # Loading takes seconds; a command that saves what it trained loads it again to prove it.
    runtime = choose(compute.device, compute.precision)
    return _open(files, runtime, compute.token_budget or runtime.token_budget)


@lru_cache(maxsize=1)
def _open(files: BackboneFiles, runtime: Runtime, token_budget: int) -> CausalModel | MaskedModel:
    from transformers import AutoTokenizer

    masked = _fills_gaps(files)
    model = _load("AutoModelForMaskedLM" if masked else "AutoModelForCausalLM", files, runtime)
    try:
        tokenizer = AutoTokenizer.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
        if not tokenizer.is_fast:
            raise ValueError("it has only a slow tokenizer")
    except (OSError, ValueError, KeyError, ImportError, AttributeError) as error:
        reason = (str(error).strip().splitlines() or ["unknown"])[0]
        raise LlmError(f"{files.name} has no tokenizer that can be used ({reason}): give another --llm") from None
    kind = MaskedModel if masked else CausalModel
    return kind(f"hf:{files.name}", files, model, tokenizer, runtime, token_budget)


def _fills_gaps(files: BackboneFiles) -> bool:
    """Whether the architecture reads in both directions, so that it fills gaps rather than writes."""
    from transformers import MODEL_FOR_CAUSAL_LM_MAPPING, MODEL_FOR_MASKED_LM_MAPPING, AutoConfig

    try:
        config: Any = AutoConfig.from_pretrained(files.folder, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = (str(error).strip().splitlines() or ["unknown"])[0]
        raise LlmError(f"{files.name} cannot be loaded ({reason}): give another --llm") from None
    if type(config) in MODEL_FOR_MASKED_LM_MAPPING and not getattr(config, "is_decoder", False):
        return True
    if type(config) in MODEL_FOR_CAUSAL_LM_MAPPING:
        return False
    raise LlmError(f"{files.name} is a {config.model_type}, which neither writes nor fills gaps: give another --llm")


def _load(auto_class: str, files: BackboneFiles, runtime: Runtime) -> Any:
    """The model in evaluation mode; a head that is not in the files is refused, since it would say random things."""
    import torch

    # Some libraries warn of their own threads when a process that has used them forks; nothing here does.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    dtype = torch.bfloat16 if runtime.precision == "bfloat16" else torch.float32
    try:
        model, loading = load_model(auto_class, files, dtype=dtype, output_loading_info=True)
    except BackboneError as error:
        raise LlmError(str(error).replace("--model", "--llm")) from None
    if loading["missing_keys"]:
        head = "masked words" if auto_class == "AutoModelForMaskedLM" else "next words"
        raise LlmError(
            f"{files.name} has no head for {head} (its files lack {sorted(loading['missing_keys'])[0]}): give --llm a "
            "model that was pretrained and saved with it"
        )
    return model.eval().to(runtime.device)
