"""Split a text into sentences, in any of the languages that sentencex knows."""

from dataclasses import dataclass

import sentencex

# sentencex falls back to related languages, and to English, where it has no rules of a language's own.
DEFAULT_LANGUAGE = "en"


@dataclass(frozen=True)
class Sentence:
    """A sentence and where it stands.

    Attributes:
        start: Position of its first character in the text.
        end: Position after its last character.
        text: The sentence without the space around it; `text[start:end]` of the text it was taken from.
    """

    start: int
    end: int
    text: str


def split_sentences(text: str, language: str = DEFAULT_LANGUAGE) -> list[Sentence]:
    """The sentences of a text in their order; pieces without a letter or digit are left out.

    Args:
        text: Of any length.
        language: ISO 639-1 code, which decides what counts as an abbreviation.

    Source:
        sentencex, https://github.com/wikimedia/sentencex
    """
    found = []
    for piece in sentencex.get_sentence_boundaries(language, text):
        start, end = piece["start_index"], piece["end_index"]
        whole = text[start:end]
        kept = whole.strip()
        if any(character.isalnum() for character in kept):
            start += len(whole) - len(whole.lstrip())
            found.append(Sentence(start, start + len(kept), kept))
    return found
