"""The list of verbs against the functions that do them."""

import inspect
import shlex
from collections.abc import Iterator, Sequence
from importlib import import_module

import pytest

from trifold.cli.verb import Verb
from trifold.cli.verbs import VERBS


def _commands(verbs: Sequence[Verb], before: tuple[str, ...] = ("trifold",)) -> Iterator[tuple[tuple[str, ...], Verb]]:
    """Every command that does something, with the words that it is typed as."""
    for verb in verbs:
        words = (*before, verb.name)
        if verb.function:
            yield words, verb
        yield from _commands(verb.commands, words)


COMMANDS = dict(_commands(VERBS))


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_command_names_a_function_that_is_there_and_shows_itself_in_its_examples(words: tuple[str, ...]) -> None:
    verb = COMMANDS[words]
    module, _, name = verb.function.partition(":")
    assert inspect.isfunction(getattr(import_module(module), name))
    assert verb.examples
    assert all(tuple(shlex.split(example)[: len(words)]) == words for example in verb.examples)


def test_names_are_distinct() -> None:
    for verbs in (VERBS, *(verb.commands for verb in VERBS)):
        assert len({verb.name for verb in verbs}) == len(verbs)
