"""What stands before a text for models that were trained with prompts, such as `query: `."""

import re
from collections.abc import Mapping

from trifold.errors import SettingsError

QUERY = "query"
# One thing under three names: what queries are to find.
DOCUMENTS = ("document", "passage", "corpus")
# Models by the beginning of their name, and what they were trained to see before every text.
# Source: the models' own pages on the hub.
_FAMILIES = (
    (re.compile(r"(multilingual-)?e5-(small|base|large)"), {QUERY: "query: ", "passage": "passage: "}),
    (re.compile(r"nomic-embed-text"), {QUERY: "search_query: ", "document": "search_document: "}),
)


def prompts_of_family(name: str) -> dict[str, str]:
    """The prompts of a model that is known by its name; none for all others.

    Args:
        name: A hub id or a folder.
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2].lower()
    return next((dict(prompts) for begins, prompts in _FAMILIES if begins.match(last)), {})


def named_prompt(prompts: Mapping[str, str], name: str, model: str) -> str:
    """The prompt of a name; one for documents is found under any of its usual names.

    Args:
        prompts: Name to prompt.
        name: What was asked for.
        model: Name of the model, for the message.

    Raises:
        SettingsError: If there is none, or it is empty.
    """
    for one in (name, *(DOCUMENTS if name in DOCUMENTS else ())):
        if prompts.get(one):
            return prompts[one]
    known = ", ".join(sorted(one for one, text in prompts.items() if text))
    way_out = f"it has {known}" if known else 'it has none, so give the text itself, such as --prompt "query: "'
    raise SettingsError(f"{model} has no prompt {name!r} (--prompt-name): {way_out}")
