"""Open a reranker on this machine: a cross-encoder, or a decoder that was taught to judge."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from trifold.engines.catalogue import read_weights
from trifold.engines.classifier import classifier_engine
from trifold.engines.classifier_weights import ClassifierWeights
from trifold.engines.matmul_attention import registered_attention
from trifold.errors import BackboneError, LlmError
from trifold.json_reading import read_json
from trifold.llm.causal_model import CausalModel
from trifold.llm.cross_encoder import CrossEncoder
from trifold.llm.judging_decoder import JudgingDecoder
from trifold.llm.local_model import find_local, open_files
from trifold.llm.reranker import Reranker
from trifold.models.backbone_files import BackboneFiles, read_config, reason_of
from trifold.models.loading import is_decoder, load_config, load_model
from trifold.models.pair_judging import yes_class
from trifold.models.settings import ComputeSettings
from trifold.runtime import Runtime, choose, prepare_own

_WAY_OUT = (
    "give a reranker, a cross-encoder for natural language inference, or a run of finetune --task pairs --method full"
)


def open_reranking_model(name: str, compute: ComputeSettings, flag: str) -> Reranker:
    """The reranker of that name.

    Args:
        name: A folder, a hub id, or a run folder of `full` that was trained on pairs.
        compute: How it is run.
        flag: The flag that named it, for messages.

    Raises:
        LlmError: If it cannot be found, or does not judge pairs of texts.
    """
    _require_pairs(name, flag)
    files = find_local(name, compute, flag, _WAY_OUT)
    prepare_own()
    runtime = choose(compute.device, compute.precision)
    try:
        return _open(files, runtime, compute.token_budget or runtime.token_budget)
    except BackboneError as error:
        raise LlmError(str(error).replace("--model", flag).replace("give a model", f"give {flag} a model")) from None


@lru_cache(maxsize=1)
def _open(files: BackboneFiles, runtime: Runtime, token_budget: int) -> Reranker:
    config, name = load_config(files), f"rerank:{files.name}"
    classes = [kind for kind in read_config(files).get("architectures") or () if isinstance(kind, str)]
    if any(kind.endswith("ForSequenceClassification") for kind in classes):
        return _cross_encoder(name, files, config, runtime, token_budget)
    if is_decoder(config):
        model = open_files(files, runtime, token_budget)
        if isinstance(model, CausalModel):
            return JudgingDecoder(name, model)
    raise LlmError(f"{files.name} is a {config.model_type} that does not judge pairs of texts: {_WAY_OUT}")


def _cross_encoder(name: str, files: BackboneFiles, config: Any, runtime: Runtime, token_budget: int) -> CrossEncoder:
    names = [config.id2label[number] for number in sorted(config.id2label)]
    yes = yes_class(names)
    if yes is None:
        raise LlmError(
            f"{files.name} tells apart {', '.join(map(str, names[:8]))}, of which none is entailment or relevance: "
            f"{_WAY_OUT}"
        )

    def load() -> Any:
        attention = registered_attention()
        model = load_model("AutoModelForSequenceClassification", files, whole=True, attention=attention)
        return model.to(runtime.device).eval()

    saved = read_weights(files)
    logits = classifier_engine(None if saved is None else ClassifierWeights(saved), len(names), runtime, load)
    return CrossEncoder(name, files, logits, yes, _tokenizer(files), runtime, token_budget)


def _tokenizer(files: BackboneFiles) -> Any:
    from transformers import AutoTokenizer

    try:
        return AutoTokenizer.from_pretrained(
            files.folder, local_files_only=True, trust_remote_code=files.trust_remote_code
        )
    except Exception as error:  # noqa: BLE001 - transformers promises nothing about exceptions on damaged files
        raise LlmError(
            f"{files.name} has no tokenizer that can be used ({reason_of(error)}): give another reranker"
        ) from None


def _require_pairs(name: str, flag: str) -> None:
    """Refuse a run of ours that reads single texts, or that holds no whole model.

    Raises:
        LlmError: If it is one.
    """
    folder = Path(name)
    try:
        record = read_json(folder / "run.json")
    except (OSError, ValueError):
        return
    if not isinstance(record, dict) or not record.get("pairs"):
        raise LlmError(f"{flag}{name} is a run that reads single texts: {_WAY_OUT}")
    if not (folder / "model" / "config.json").is_file():
        raise LlmError(
            f"{flag}{name} is a run of --method {record.get('method')}, without a model of its own: {_WAY_OUT}"
        )
