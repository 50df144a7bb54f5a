"""Completions of a query: from earlier queries, from the documents' phrases, and from a language model."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from trifold.documents.search.phrases import Phrases
from trifold.events import say
from trifold.llm.client import Client
from trifold.llm.contract import Sampling
from trifold.llm.prompt_template import Message

# Phrases of the documents that a language model is shown.
_SHOWN_PHRASES = 20
# Of eight words, some of which are cut into several.
_TOKENS_A_QUERY = 24
_BULLET = re.compile(r"^\s*(?:[-*•\u2013]|\d{1,2}[.)])\s+")
_QUOTES = "\"'\u201c\u201d\u201e«»` "


@dataclass(frozen=True)
class Completion:
    """A query, completed.

    Attributes:
        text: The whole of it, what was typed included.
        count: How often it stands among the earlier queries, or the phrase in the documents; 0 for what a language
            model wrote.
        source: `query`, `documents` or `model`.
    """

    text: str
    count: int
    source: Literal["query", "documents", "model"]


def complete(
    phrases: Phrases,
    typed: str,
    count: int,
    queries: Iterable[str] = (),
    model: Client | None = None,
    sampling: Sampling | None = None,
) -> list[Completion]:
    """Completions of a query: earlier queries first, then a language model's where one is given, then phrases.

    Args:
        phrases: Of the index.
        typed: The beginning of a query.
        count: The most that are wanted.
        queries: Earlier ones, each as often as it was asked.
        model: A language model to ask as well; it sees the phrases.
        sampling: How it writes.

    Raises:
        LlmError: If the language model cannot be asked.
    """
    of_documents = [Completion(text, times, "documents") for text, times in phrases.complete(typed, count).items()]
    of_queries = [Completion(text, times, "query") for text, times in earlier_queries(typed, queries)]
    of_model: list[Completion] = []
    if model:
        shown = [one.text for one in (*of_queries, *of_documents)][:_SHOWN_PHRASES]
        of_model = [Completion(text, 0, "model") for text in ask(model, typed, count, shown, sampling)]
    found: dict[str, Completion] = {}
    for one in (*of_queries, *of_model, *of_documents):
        found.setdefault(one.text.casefold(), one)
    return list(found.values())[:count]


def earlier_queries(typed: str, queries: Iterable[str]) -> list[tuple[str, int]]:
    """Queries that begin as typed and go on, most frequent first, each in its most frequent spelling."""
    start = _one_line(typed).casefold() + (" " if typed[-1:].isspace() else "")
    spellings: dict[str, Counter[str]] = {}
    for query in map(_one_line, queries):
        if (key := query.casefold()).startswith(start) and len(key) > len(start):
            spellings.setdefault(key, Counter())[query] += 1
    found = [(counts.most_common(1)[0][0], counts.total()) for counts in spellings.values()]
    return sorted(found, key=lambda one: -one[1])


def ask(model: Client, typed: str, count: int, known: Sequence[str], sampling: Sampling | None = None) -> list[str]:
    """Completions that a language model writes; lines that do not begin as typed are left out.

    Args:
        model: Is asked once, for all of them.
        typed: The beginning of a query.
        count: How many are asked for.
        known: Queries and phrases that it is shown.
        sampling: How it writes; in as many tokens as the queries need where that says none.

    Raises:
        LlmError: If it cannot be asked.
    """
    seen = "Frequent in the documents:\n" + "\n".join(known) + "\n\n" if known else ""
    wish = (
        f"{seen}Complete this search query in {count} different ways, in its own language. Write one query on each "
        f"line, at most eight words long, each beginning with the words typed so far.\nTyped so far: {typed}\nQueries:"
    )
    chosen = sampling or Sampling()
    chosen = replace(chosen, max_tokens=chosen.max_tokens or _TOKENS_A_QUERY * count)
    answer = model.ask((Message("user", wish),), chosen)
    found = list(dict.fromkeys(_lines(answer.text, typed)))
    if not found:
        say(f"note: {model.model.name} wrote no line that begins with what was typed")
    return found[:count]


def _lines(answer: str, typed: str) -> Iterator[str]:
    start = _one_line(typed).casefold()
    for line in answer.splitlines():
        text = _one_line(_BULLET.sub("", line).strip(_QUOTES))
        if text.casefold().startswith(start) and len(text) > len(start):
            yield text


def _one_line(text: str) -> str:
    return " ".join(text.split())
