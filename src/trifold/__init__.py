"""Trifold: every way to adapt a language model to your texts, compared on your data.

Importing the package has no effect: no device is chosen, no logging is set up, and PyTorch is not
imported until something needs it.
"""

from typing import TYPE_CHECKING, Any

from trifold.errors import TrifoldError
from trifold.version import VERSION

if TYPE_CHECKING:
    from trifold.classifier import TextClassifier
    from trifold.classifier.explain import explain
    from trifold.documents.embedding.embedder import TextEmbedder

__version__ = VERSION

__all__ = ["TextClassifier", "TextEmbedder", "TrifoldError", "__version__", "explain"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use, so that `import trifold` stays instant."""
    if name == "TextClassifier":
        from trifold.classifier import TextClassifier

        return TextClassifier
    if name == "explain":
        from trifold.classifier.explain import explain

        return explain
    if name == "TextEmbedder":
        from trifold.documents.embedding.embedder import TextEmbedder

        return TextEmbedder
    raise AttributeError(f"module 'trifold' has no attribute {name!r}")
