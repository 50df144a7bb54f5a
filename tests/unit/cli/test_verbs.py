"""The list of verbs against the functions that do them."""

import inspect
import shlex
from importlib import import_module

import pytest

from trifold.cli.verbs import PROMPT_VERBS, VERBS, Verb


@pytest.mark.parametrize("verb", [*VERBS, *PROMPT_VERBS], ids=lambda verb: verb.name)
def test_a_verb_names_a_function_that_is_there_and_shows_itself_in_its_examples(verb: Verb) -> None:
    module, _, name = verb.function.partition(":")
    assert inspect.isfunction(getattr(import_module(module), name))
    begun = ["trifold", "prompt", verb.name] if verb in PROMPT_VERBS else ["trifold", verb.name]
    assert verb.examples
    assert all(shlex.split(example)[: len(begun)] == begun for example in verb.examples)


def test_names_are_distinct() -> None:
    for verbs in (VERBS, PROMPT_VERBS):
        assert len({verb.name for verb in verbs}) == len(verbs)
