"""Name to method. A method's module is imported only when it is used, so TF-IDF never waits for PyTorch."""

from importlib import import_module

from trifold.errors import SettingsError
from trifold.methods.contract import Method

_CLASSES = {
    "tfidf": ("trifold.methods.tfidf", "Tfidf"),
    "features": ("trifold.methods.features", "Features"),
    "full": ("trifold.methods.full", "Full"),
}
METHODS: tuple[str, ...] = tuple(_CLASSES)


def method_class(name: str) -> type[Method]:
    """The class behind a method's name.

    Raises:
        SettingsError: If there is no such method.
    """
    if name not in _CLASSES:
        raise SettingsError(f"there is no method {name!r}: choose one of {', '.join(METHODS)}")
    module, attribute = _CLASSES[name]
    found: type[Method] = getattr(import_module(module), attribute)
    return found
