"""Models with a head for masked or next words: checked, initialised for training, built from scratch, loaded."""

from typing import Any

import torch

from trifold.engines.language_head import CAUSAL_ENDINGS
from trifold.engines.matmul_attention import registered_attention
from trifold.errors import BackboneError, SettingsError
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.classification_head import ATTENTION_DROPOUTS
from trifold.models.context_length import context_length
from trifold.models.loading import load_model
from trifold.pretrain.settings import ObjectiveName, ScratchSettings
from trifold.pretrain.special_tokens import Vocabulary

_CLASSES = {"mlm": "AutoModelForMaskedLM", "clm": "AutoModelForCausalLM"}
_MASKED_ENDINGS = ("ForMaskedLM", "ForPreTraining")


def head_objective(files: BackboneFiles) -> ObjectiveName | None:
    """The objective of the model's own head; `None` if it has no language head, as minilm."""
    classes = read_config(files).get("architectures")
    names = [str(name) for name in classes] if isinstance(classes, list) else []
    if any(name.endswith(CAUSAL_ENDINGS) for name in names):
        return "clm"
    return "mlm" if any(name.endswith(_MASKED_ENDINGS) for name in names) else None


def require_fit(files: BackboneFiles, objective: ObjectiveName, block_size: int) -> None:
    """Refuse a model that cannot be trained on the objective with blocks of `block_size` tokens.

    Raises:
        BackboneError: If an encoder is to learn next words or a decoder masked words, or its context is too short.
    """
    head = head_objective(files)
    if objective == "clm" and head != "clm":
        raise BackboneError(
            f"{files.name} is an encoder, which sees the words on both sides: give it --objective mlm, name a decoder "
            "with --model, or train a new one with --from-scratch"
        )
    if objective == "mlm" and head == "clm":
        raise BackboneError(f"{files.name} is a decoder, which sees the words before: give it --objective clm")
    context = context_length(read_config(files))
    if context is not None and block_size > context:
        raise BackboneError(f"{files.name} reads at most {context} tokens: use --block-size {context} or less")


def language_model(files: BackboneFiles, objective: ObjectiveName) -> Any:
    """The model with the objective's head, for training without dropout, since most text is read once.

    The saved configuration keeps the dropout of hidden states for later fine-tuning. A new BERT head starts as the
    identity on the last layer, tied to the word vectors; from there it learns several times faster than from a random
    start (benchmarks/LOG.md).

    Source: Geiping and Goldstein 2022, "Cramming: Training a Language Model on a Single GPU in One Day", section 4.3,
    for training without dropout.
    """
    config = read_config(files)
    off: dict[str, Any] = {name: 0.0 for name in ATTENTION_DROPOUTS if name in config}
    model = _without_dropout(load_model(_CLASSES[objective], files, attention=registered_attention(), **off))
    transform = getattr(getattr(getattr(model, "cls", None), "predictions", None), "transform", None)
    if head_objective(files) is None and transform is not None:
        torch.nn.init.eye_(transform.dense.weight)
        torch.nn.init.zeros_(transform.dense.bias)
    return model


def new_model(vocabulary: Vocabulary, objective: ObjectiveName, settings: ScratchSettings, block_size: int) -> Any:
    """A BERT for masked words or a GPT-2 for next words, with random weights."""
    import transformers

    shape = {
        "vocab_size": vocabulary.size,
        "max_position_embeddings": block_size,
        "num_hidden_layers": settings.layers,
        "hidden_size": settings.hidden_size,
        "num_attention_heads": settings.heads,
    }
    if objective == "mlm":
        config = transformers.BertConfig(
            **shape,
            intermediate_size=4 * settings.hidden_size,
            pad_token_id=vocabulary.tokenizer.token_to_id("[PAD]") or 0,
            attention_probs_dropout_prob=0.0,
        )
        return _without_dropout(transformers.BertForMaskedLM(config))
    end = vocabulary.after[0]
    config = transformers.GPT2Config(
        **shape, attn_pdrop=0.0, bos_token_id=end, eos_token_id=end, pad_token_id=end,
        # GPT-2's own function, computed in one pass instead of five.
        activation_function="gelu_pytorch_tanh",
    )  # fmt: skip
    return _without_dropout(transformers.GPT2LMHeadModel(config))


def require_head(files: BackboneFiles, objective: ObjectiveName) -> None:
    """Refuse a saved model without a head for the objective, since it would predict at random.

    Raises:
        SettingsError: If it has no such head; the message says what to run instead.
    """
    if head_objective(files) != objective:
        what = "names hidden words" if objective == "mlm" else "writes text"
        made = "--objective mlm --model MODEL" if objective == "mlm" else "--objective clm --from-scratch"
        raise SettingsError(
            f"{files.name} is no model that {what}: name one that is, or make one with trifold pretrain TEXT.txt {made}"
        )


def saved_model(files: BackboneFiles, objective: ObjectiveName) -> Any:
    """A model with its saved head, in evaluation mode.

    Raises:
        BackboneError: If it cannot be loaded.
    """
    return load_model(_CLASSES[objective], files, whole=True, attention=registered_attention()).eval()


def _without_dropout(model: Any) -> Any:
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    return model
