"""Open a language model on this machine: a causal one, which writes, or a masked one, which fills gaps."""

from functools import lru_cache
from typing import Any

from trifold.engines.matmul_attention import registered_attention
from trifold.errors import BackboneError, LlmError
from trifold.llm.causal_model import CausalModel
from trifold.llm.masked_model import MaskedModel
from trifold.llm.settings import LOCAL_PREFIX
from trifold.models.backbone_files import BackboneFiles, reason_of
from trifold.models.hub_models import NAMES, NO_DOWNLOAD
from trifold.models.loading import is_decoder, load_config, load_model
from trifold.models.locate import locate
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer_files import fast_tokenizer, require_vocabulary
from trifold.runtime import Runtime, choose, prepare_own

# minilm, which is suggested elsewhere, neither writes nor fills gaps.
_WAY_OUT = "use --llm hf:FOLDER with a language model's folder, or --llm openai:BASE_URL#MODEL for a server"


def open_local(name: str, compute: ComputeSettings) -> CausalModel | MaskedModel:
    """The model that `hf:NAME-OR-FOLDER` names.

    Args:
        name: The part after `hf:`.
        compute: How it is run.

    Raises:
        LlmError: If it cannot be found, or neither writes nor fills gaps.
    """
    files = find_local(name, compute, f"--llm {LOCAL_PREFIX}", _WAY_OUT)
    prepare_own()
    runtime = choose(compute.device, compute.precision)
    return open_files(files, runtime, compute.token_budget or runtime.token_budget)


def find_local(name: str, compute: ComputeSettings, flag: str, way_out: str) -> BackboneFiles:
    """The files of a model for prompting.

    Args:
        name: As `locate` takes it.
        compute: Whether it may be downloaded, and bring code.
        flag: The flag that named it, for messages.
        way_out: What to do where it must not be downloaded.

    Raises:
        LlmError: If it cannot be found.
    """
    try:
        return locate(name, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
    except BackboneError as error:
        said = (
            str(error)
            .replace(NO_DOWNLOAD, way_out)
            .replace(NAMES, way_out)
            .replace(", a hub id, or minilm", " or a hub id")
        )
        raise LlmError(said.replace("--model", flag)) from None


@lru_cache(maxsize=1)
def open_files(files: BackboneFiles, runtime: Runtime, token_budget: int) -> CausalModel | MaskedModel:
    """The model in these files. It is kept: loading takes seconds, and a command that saves a run loads it again.

    Raises:
        LlmError: If it neither writes nor fills gaps, or cannot be loaded.
    """
    from transformers import AutoTokenizer

    masked = _fills_gaps(files)
    model = _load("AutoModelForMaskedLM" if masked else "AutoModelForCausalLM", files, runtime)
    try:
        tokenizer = AutoTokenizer.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=files.trust_remote_code
        )
        if not tokenizer.is_fast:
            raise ValueError("it has only a slow tokenizer")
        require_vocabulary(tokenizer.backend_tokenizer)
    except Exception as error:  # noqa: BLE001 - transformers promises nothing about exceptions on damaged files
        # Its message on damaged files is clearer.
        fast_tokenizer(files)
        raise LlmError(
            f"{files.name} has no tokenizer that can be used ({reason_of(error)}): give another --llm"
        ) from None
    kind = MaskedModel if masked else CausalModel
    return kind(f"hf:{files.name}", files, model, tokenizer, runtime, token_budget)


def _fills_gaps(files: BackboneFiles) -> bool:
    """Whether the architecture is a masked one, which attends in both directions and fills gaps."""
    from transformers import MODEL_FOR_MASKED_LM_MAPPING

    try:
        config = load_config(files)
    except BackboneError as error:
        raise LlmError(str(error).replace("--model", "--llm")) from None
    own: dict[str, object] = getattr(config, "auto_map", None) or {}
    if is_decoder(config) or "AutoModelForCausalLM" in own:
        return False
    if type(config) in MODEL_FOR_MASKED_LM_MAPPING or "AutoModelForMaskedLM" in own:
        return True
    raise LlmError(f"{files.name} is a {config.model_type}, which neither writes nor fills gaps: give another --llm")


def _load(auto_class: str, files: BackboneFiles, runtime: Runtime) -> Any:
    """The model in evaluation mode; one without a head in its files is refused, since a new head is random."""
    import torch

    dtype = torch.bfloat16 if runtime.precision == "bfloat16" else torch.float32
    try:
        model = load_model(auto_class, files, whole=True, attention=registered_attention(), dtype=dtype)
    except BackboneError as error:
        raise LlmError(str(error).replace("--model", "--llm").replace("give a model", "give --llm a model")) from None
    if not getattr(model, "_supports_sdpa", True):
        # Scores with a cap, or with a share for no token, which neither our attention nor PyTorch's computes.
        model.set_attn_implementation("eager")
    return model.eval().to(runtime.device)
