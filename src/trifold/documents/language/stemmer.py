"""Snowball's stemmers, which make the forms of a word equal."""

from collections.abc import Callable


def open_stemmer(name: str) -> Callable[[str], str] | None:
    """A function from a word to its stem; `None` if there is no such stemmer.

    Args:
        name: ISO 639-1 code of a language, or the name of an algorithm, such as `porter`.

    Raises:
        ImportError: If PyStemmer is not installed.

    Source: https://snowballstem.org
    """
    import Stemmer

    try:
        found: Callable[[str], str] = Stemmer.Stemmer(name).stemWord
    except KeyError:
        return None
    return found
