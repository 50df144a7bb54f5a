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
    from trifold.methods.similarity import SimilarityMethod


@dataclass(frozen=True)
class MethodEntry:
    """A method in the catalogue.

    Attributes:
        module: Where its class is.
        name: Name of the class.
        needs_backbone: Whether a pretrained model, and so PyTorch, is needed.
        seconds: Forecast of training and testing, start-up included.
        uses: Names of the settings that have a say in what it does, besides `ANY_METHOD`.
        skip_reason: As `reason_to_skip`, for what is peculiar to the method.
        asks_llm: Whether a language model is asked about each text, which may cost money.
        keeps_backbone: Whether the backbone is left as it was, so that a run names it and does not hold it.
        whole_model: Whether what is saved can be an ordinary classifier of transformers.
        reads_pairs: Whether a row may be a pair of texts.
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
    reads_pairs: bool = True

    def load(self) -> type[Method]:
        """Import the class."""
        found: type[Method] = getattr(import_module(self.module), self.name)
        return found

    def reason_to_skip(self, train: Examples, settings: MethodSettings) -> str | None:
        """Why it is not worth starting on a training part, in words; `None` where it is."""
        return self._misfit(train) or self.skip_reason(train, settings)

    def require_fit(self, train: Examples) -> None:
        """Refuse rows of a kind that it cannot read.

        Raises:
            SettingsError: If they are pairs of texts, and it reads single ones.
        """
        if reason := self._misfit(train):
            raise SettingsError(f"this method cannot work here: {reason}; take another --method, such as full")

    def _misfit(self, train: Examples) -> str | None:
        reads = self.reads_pairs or not train.pairs
        return None if reads else "it reads one text a row, and here each row is a pair of texts"


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


@dataclass(frozen=True)
class SimilarityEntry:
    """A method of `--task similarity`; it gives one number a pair, and a method of the same name gives labels.

    Attributes:
        module: Where its class is.
        name: Name of the class.
        uses: Names of the settings that have a say in what it does, besides `ANY_METHOD`.
    """

    module: str
    name: str
    uses: frozenset[str]

    def load(self) -> "type[SimilarityMethod]":
        """Import the class."""
        found: type[SimilarityMethod] = getattr(import_module(self.module), self.name)
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
        reads_pairs=False,
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
        reads_pairs=False,
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
_PROMPT = MethodEntry(
    "trifold.methods.prompt",
    "Prompting",
    False,
    prompt_seconds,
    _READING - {"max_windows"} | _LLM_SETTINGS | {"label_description"},
    nothing_to_prompt,
    asks_llm=True,
)
# Run only where they are named, or where a language model is.
_ASKED_FOR = {
    "prompt-zero": replace(
        _PROMPT,
        module="trifold.methods.prompt_zero",
        name="PromptingWithoutLabels",
        uses=_PROMPT.uses - {"shots", "shot_choice", "calibration"},
    ),
    "prompt": _PROMPT,
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
        reads_pairs=False,
    )
}
# Whatever classifies is ranked.
_ALL = {
    name: replace(entry, uses=entry.uses | {"metric"}) for name, entry in {**_ENTRIES, **_ASKED_FOR, **PRESETS}.items()
}
# Those that ask a language model about each text; the first uses no labels.
ASKING: tuple[str, ...] = tuple(_ASKED_FOR)
ALL_METHODS: tuple[str, ...] = tuple(_ALL)
# Those of `finetune --task generate`.
GENERATIVE = {
    "full": GenerativeEntry("GenerativeFull", _GENERATING),
    "adapter-lora": GenerativeEntry("GenerativeLora", _GENERATING | {"adapter_size"}),
}
# Those of `--task similarity`, the quickest first; what a name needs and costs is as for labels.
_TOWERS = "trifold.methods.two_towers"
_TRAINED_TOWERS = _READING | _STEPS | {"patience"}
SIMILARITY = {
    "tfidf": SimilarityEntry("trifold.methods.tfidf_similarity", "TfidfCosine", frozenset()),
    "zero-shot": SimilarityEntry(_TOWERS, "Untouched", _FROZEN),
    "features": SimilarityEntry("trifold.methods.projected_towers", "ProjectedTowers", _FROZEN | _HEAD_STEPS),
    "adapter-lora": SimilarityEntry(_TOWERS, "LoraTowers", _TRAINED_TOWERS | {"adapter_size"}),
    "full": SimilarityEntry(_TOWERS, "FullTowers", _TRAINED_TOWERS | {"train_layers", "freeze_embeddings"}),
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


def similarity_entry(name: str) -> SimilarityEntry:
    """What is known of a method of `--task similarity`.

    Raises:
        SettingsError: If there is no such method, or it cannot learn similarities.
    """
    full = method_name(name)
    if full not in SIMILARITY:
        raise SettingsError(f"--method {full} cannot learn similarities: give one of {', '.join(SIMILARITY)}")
    return SIMILARITY[full]
