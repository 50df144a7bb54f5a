"""What is known of architectures by their name: with which of them a shorter computation gives the same results.

The names are the `model_type` of a `config.json`. An architecture that is not listed is computed in the ordinary way.
"""

from typing import Any

# Encoders of BERT's very layers, which differ in their embeddings at most.
BERT_ENCODERS = ("bert", "roberta", "xlm-roberta", "camembert")
# Models whose layers have BERT's parts under BERT's names, so that one can be computed for some tokens alone.
_BERT_LAYERS = (*BERT_ENCODERS, "electra")
# Models whose forward pass decides nothing on the CPU by what the GPU computes, as a CUDA graph requires.
_CAPTURABLE = (*_BERT_LAYERS, "distilbert")
# Models whose logits are what the layer over the vocabulary gives: no scale, no cap after it.
_LOGITS_COME_LAST = (*_CAPTURABLE, "gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3")


def has_bert_layers(model: Any) -> bool:
    """Whether a model's layers are built as BERT's, so that one can be computed for some tokens alone."""
    return _kind(model) in _BERT_LAYERS


def can_be_captured(model: Any) -> bool:
    """Whether a training step of a model can be captured as a CUDA graph."""
    return _kind(model) in _CAPTURABLE


def logits_come_last(model: Any) -> bool:
    """Whether a language model's logits are what its last linear layer gives, with nothing behind it."""
    return _kind(model) in _LOGITS_COME_LAST


def _kind(model: Any) -> object:
    return getattr(getattr(model, "config", None), "model_type", None)
