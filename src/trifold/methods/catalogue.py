"""Name to method, and what is known of a method before its module is imported: TF-IDF never waits for PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from importlib import import_module
from typing import TYPE_CHECKING

from trifold.errors import SettingsError, did_you_mean
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.contract import Method
from trifold.methods.cost_forecast import (
    Workload,
    adapter_seconds,
    contrastive_seconds,
    features_seconds,
    full_seconds,
    prompt_seconds,
    tfidf_seconds,
    zero_shot_seconds,
)
from trifold.methods.settings import MethodSettings
from trifold.methods.skip_reasons import labels_are_many, labels_without_meaning, nothing_to_prompt
from trifold.types import Examples

if TYPE_CHECKING:
    from trifold.methods.generative import GenerativeMethod


@dataclass(frozen=True)
class MethodEntry:
    """A method in the catalogue.

    Attributes:
        module: Where its class is.
        name: Name of the class.
        needs_backbone: Whether a pretrained model, and so PyTorch, is needed.
        seconds: Forecast of training and testing, start-up included.
        uses: Names of the settings that have a say in what it does, besides `ANY_METHOD`.
        skip_reason: Why the method is not worth starting on such a training part, in words; `None` where it is.
        asks_llm: Whether a language model is asked about each text, which may cost money.
        keeps_backbone: Whether the backbone is left as it was, so that a run names it and does not hold it.
        whole_model: Whether what is saved can be an ordinary classifier of transformers.
    """

    module: str
    name: str
    needs_backbone: bool
    seconds: Callable[[Workload, MethodSettings], float]
    uses: frozenset[str]
    skip_reason: Callable[[Examples, MethodSettings], str | None] = lambda _train, _settings: None
    asks_llm: bool = False
    keeps_backbone: bool = False
    whole_model: bool = False

    def load(self) -> type[Method]:
        """Import the class."""
        found: type[Method] = getattr(import_module(self.module), self.name)
        return found


@dataclass(frozen=True)
class GenerativeEntry:
    """A method of `finetune --task generate`; it gives texts, so `compare` and whatever needs labels never meet it.

    Attributes:
        name: Of its class in `generative.py`.
        uses: Names of the settings that have a say in what it does, besides `ANY_METHOD`.
    """

    name: str
    uses: frozenset[str]

    def load(self) -> "type[GenerativeMethod]":
        """Import the class."""
        found: type[GenerativeMethod] = getattr(import_module("trifold.methods.generative"), self.name)
        return found


# What these promise holds for any method, be it that it has nothing random, no connection or nothing to keep.
ANY_METHOD = frozenset({"seed", "offline", "cache", "cache_gigabytes", "report_to", "resume"})
_READING = frozenset(
    {
        "model",
        "revision",
        "trust_remote_code",
        "max_length",
        "long_text",
        "max_windows",
        "device",
        "precision",
        "token_budget",
    }
)
_FROZEN = _READING | {"engine"}
# A head's training takes these alone from the user.
_HEAD_STEPS = frozenset({"learning_rate", "epochs", "batch_size"})
_STEPS = _HEAD_STEPS | {"weight_decay", "warmup_ratio", "max_grad_norm", "ema_decay", "save_steps", "save_minutes"}
_TUNED = _READING | _STEPS | {"patience", "class_weight", "self_distillation", "threshold"}
_ADAPTER = _TUNED | {"adapter_layers", "adapter_size"}
_GENERATING = _STEPS | _READING - {"long_text", "max_windows"} | {"patience"}
_LLM_SETTINGS = frozenset(field.name for kind in (LlmSettings, PromptingSettings) for field in fields(kind))

_ENTRIES = {
    "tfidf": MethodEntry(
        "trifold.methods.tfidf", "Tfidf", False, tfidf_seconds, frozenset({"class_weight", "threshold"})
    ),
    "zero-shot": MethodEntry(
        "trifold.methods.zero_shot",
        "ZeroShot",
        True,
        zero_shot_seconds,
        _FROZEN | {"label_description"},
        labels_without_meaning,
        keeps_backbone=True,
    ),
    "features": MethodEntry(
        "trifold.methods.features",
        "Features",
        True,
        features_seconds,
        _FROZEN | _HEAD_STEPS | {"head", "class_weight", "threshold"},
        keeps_backbone=True,
    ),
    "adapter-lora": MethodEntry(
        "trifold.methods.adapter_lora",
        "Lora",
        True,
        adapter_seconds,
        _ADAPTER | {"merge_adapter"},
        whole_model=True,
    ),
    "adapter-bottleneck": MethodEntry(
        "trifold.methods.adapter_bottleneck", "BottleneckAdapter", True, adapter_seconds, _ADAPTER
    ),
    "contrastive": MethodEntry(
        "trifold.methods.contrastive",
        "Contrastive",
        True,
        contrastive_seconds,
        _READING | _STEPS | {"class_weight"},
        labels_are_many,
    ),
    "full": MethodEntry(
        "trifold.methods.full",
        "Full",
        True,
        full_seconds,
        _TUNED | {"train_layers", "freeze_embeddings"},
        whole_model=True,
    ),
}
METHODS: tuple[str, ...] = tuple(_ENTRIES)
# Run only where it is named, or where a language model is.
_ASKED_FOR = {
    "prompt": MethodEntry(
        "trifold.methods.prompt",
        "Prompting",
        False,
        prompt_seconds,
        _READING - {"max_windows"} | _LLM_SETTINGS | {"label_description"},
        nothing_to_prompt,
        asks_llm=True,
    )
}
# Run only where they are named: recipes to compare with, not ways that anyone should ship.
PRESETS = {
    "classic": MethodEntry(
        "trifold.methods.classic",
        "Classic",
        True,
        features_seconds,
        _FROZEN | _HEAD_STEPS | {"class_weight", "threshold"},
        keeps_backbone=True,
    )
}
# Whatever classifies is ranked.
_ALL = {
    name: replace(entry, uses=entry.uses | {"metric"}) for name, entry in {**_ENTRIES, **_ASKED_FOR, **PRESETS}.items()
}
# Those that ask a language model about each text.
ASKING: tuple[str, ...] = tuple(_ASKED_FOR)
ALL_METHODS: tuple[str, ...] = tuple(_ALL)
# Those of `finetune --task generate`.
GENERATIVE = {
    "full": GenerativeEntry("GenerativeFull", _GENERATING),
    "adapter-lora": GenerativeEntry("GenerativeLora", _GENERATING | {"adapter_size"}),
}
_SHORT = {"adapter": "adapter-lora"}


def method_name(name: str) -> str:
    """The method's full name; `adapter` is short for `adapter-lora`.

    Raises:
        SettingsError: If there is no such method.
    """
    full = _SHORT.get(name, name)
    if full not in _ALL:
        guess = did_you_mean(name, (*_ALL, *_SHORT))
        raise SettingsError(f"there is no method {name!r}{guess}: choose one of {', '.join(_ALL)}")
    return full


def method_entry(name: str) -> MethodEntry:
    """What is known of a method.

    Raises:
        SettingsError: If there is no such method.
    """
    return _ALL[method_name(name)]


def generative_entry(name: str) -> GenerativeEntry:
    """What is known of a method of `finetune --task generate`.

    Raises:
        SettingsError: If there is no such method, or it cannot learn to write.
    """
    full = method_name(name)
    if full not in GENERATIVE:
        raise SettingsError(f"--method {full} cannot learn to write: give {' or '.join(GENERATIVE)}")
    return GENERATIVE[full]
