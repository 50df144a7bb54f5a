"""Name to method, and what is known of a method before its module is imported: TF-IDF never waits for PyTorch."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from trifold.errors import SettingsError
from trifold.methods.contract import Method, MethodSettings
from trifold.methods.costs import (
    Workload,
    adapter_seconds,
    contrastive_seconds,
    features_seconds,
    full_seconds,
    prompt_seconds,
    tfidf_seconds,
    zero_shot_seconds,
)
from trifold.methods.obstacles import labels_are_many, labels_say_nothing, nothing_to_prompt
from trifold.types import Examples


@dataclass(frozen=True)
class Entry:
    """A method in the catalogue.

    Attributes:
        module: Where its class is.
        name: Of the class.
        needs_backbone: Whether a pretrained model, and so PyTorch, is needed.
        seconds: Forecast of training and testing, start-up included.
        obstacle: Why the method is not worth starting on such a training part, in words; `None` where it is.
    """

    module: str
    name: str
    needs_backbone: bool
    seconds: Callable[[Workload, MethodSettings], float]
    obstacle: Callable[[Examples, MethodSettings], str | None] = lambda _train, _settings: None

    def load(self) -> type[Method]:
        """Import the class."""
        found: type[Method] = getattr(import_module(self.module), self.name)
        return found


_ENTRIES = {
    "tfidf": Entry("trifold.methods.tfidf", "Tfidf", False, tfidf_seconds),
    "zero-shot": Entry("trifold.methods.zero_shot", "ZeroShot", True, zero_shot_seconds, labels_say_nothing),
    "features": Entry("trifold.methods.features", "Features", True, features_seconds),
    "adapter-lora": Entry("trifold.methods.adapter_lora", "Lora", True, adapter_seconds),
    "adapter-bottleneck": Entry("trifold.methods.adapter_bottleneck", "BottleneckAdapter", True, adapter_seconds),
    "contrastive": Entry("trifold.methods.contrastive", "Contrastive", True, contrastive_seconds, labels_are_many),
    "full": Entry("trifold.methods.full", "Full", True, full_seconds),
}
METHODS: tuple[str, ...] = tuple(_ENTRIES)
# Run only where it is named, or where a language model is.
PROMPT = "prompt"
_ASKED_FOR = {PROMPT: Entry("trifold.methods.prompt", "Prompting", False, prompt_seconds, nothing_to_prompt)}
# Run only where they are named: recipes to compare with, not ways that anyone should ship.
PRESETS = {"classic": Entry("trifold.methods.classic", "Classic", True, features_seconds)}
_ALL = {**_ENTRIES, **_ASKED_FOR, **PRESETS}
_SHORT = {"adapter": "adapter-lora"}


def method_name(name: str) -> str:
    """The method's full name; `adapter` is short for `adapter-lora`.

    Raises:
        SettingsError: If there is no such method.
    """
    full = _SHORT.get(name, name)
    if full not in _ALL:
        raise SettingsError(f"there is no method {name!r}: choose one of {', '.join(_ALL)}")
    return full


def method_entry(name: str) -> Entry:
    """What is known of a method.

    Raises:
        SettingsError: If there is no such method.
    """
    return _ALL[method_name(name)]
