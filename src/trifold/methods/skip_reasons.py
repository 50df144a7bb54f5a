"""Why a method is not worth starting on some data; known before its module is imported."""

import re
from statistics import median

from trifold.methods.defaults import CONTRASTIVE_ROWS_A_CLASS
from trifold.methods.settings import MethodSettings
from trifold.types import Examples

_NO_THRESHOLD = "how near a text must be to have one cannot be told without labelled texts"
_WORD = re.compile(r"[^\W\d_]{3,}")


def labels_without_meaning(train: Examples, settings: MethodSettings) -> str | None:
    """`zero-shot` compares texts with what labels mean, so they must be words or be described."""
    if train.multi_label:
        return f"rows have several labels here, and {_NO_THRESHOLD}"
    described = settings.labels.described()
    names = {str(label) for label in train.label_counts()}
    silent = sorted(name for name in names if name not in described and not _WORD.search(name))
    if not silent:
        return None
    return (
        f"it compares texts with what labels mean, and {', '.join(map(repr, silent[:4]))} "
        f'{"is no word" if len(silent) == 1 else "are no words"}: give --label-description {silent[0]}="…" for each'
    )


def nothing_to_prompt(_train: Examples, settings: MethodSettings) -> str | None:
    """`prompt` needs a language model."""
    if settings.llm.llm is None:
        return "it needs a language model: give --llm hf:FOLDER, rerank:FOLDER or openai:BASE_URL#MODEL"
    if settings.backbone.long_text == "window":
        return "a prompt holds one piece of a text: give --long-text truncate or head+tail"
    return None


def labels_are_many(train: Examples, _settings: MethodSettings) -> str | None:
    """`contrastive` is for few labelled rows."""
    if train.multi_label:
        return "rows have several labels here, and its pairs are of one class or of two"
    rows = median(train.label_counts().values())
    if rows <= CONTRASTIVE_ROWS_A_CLASS:
        return None
    return f"it is for up to {CONTRASTIVE_ROWS_A_CLASS} rows a class, and here are about {rows:,.0f}"
