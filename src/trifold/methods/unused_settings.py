"""Settings that a method does not use: refused, warned of or left out, but never taken in silence."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields, replace
from typing import Any, TypeVar

from trifold.errors import SettingsError
from trifold.methods.catalogue import (
    ALL_METHODS,
    ANY_METHOD,
    GENERATIVE,
    SIMILARITY,
    generative_entry,
    method_entry,
    method_name,
    similarity_entry,
)

_Settings = TypeVar("_Settings")


def uses_of(method: str) -> frozenset[str]:
    """Names of the settings that a method uses, with those that hold for any.

    Raises:
        SettingsError: If there is no such method.
    """
    return method_entry(method).uses | ANY_METHOD


def unused(methods: Collection[str], *settings: Any) -> list[str]:
    """Names of the settings that differ from their defaults and that none of the methods uses."""
    used = frozenset().union(*(uses_of(method) for method in methods))
    return [name for name in _given(settings) if name not in used]


def require_used(methods: Collection[str], *settings: Any) -> None:
    """Refuse settings that none of the methods uses.

    Args:
        methods: Names of those that will run.
        settings: Dataclasses whose fields are flags.

    Raises:
        SettingsError: If there is one; the message names the methods that use it.
    """
    names = unused(methods, *settings)
    if names:
        known = {method: uses_of(method) for method in ALL_METHODS}
        full_names = [method_name(one) for one in methods]
        _refuse(names, " or ".join(full_names), frozenset().union(*(known[one] for one in full_names)), known)


def require_used_to_generate(method: str, *settings: Any) -> None:
    """Refuse settings that say nothing to a method where it learns to write.

    Raises:
        SettingsError: If there is one, or the method cannot learn to write.
    """
    known = {name: entry.uses | ANY_METHOD for name, entry in GENERATIVE.items()}
    used = generative_entry(method).uses | ANY_METHOD
    names = [name for name in _given(settings) if name not in used]
    if names:
        _refuse(names, f"--task generate --method {method_name(method)}", used, known)


def require_used_for_similarity(methods: Collection[str], *settings: Any) -> None:
    """Refuse settings that say nothing to any of the methods where they learn similarities.

    Raises:
        SettingsError: If there is one, or a method cannot learn similarities.
    """
    used = frozenset().union(ANY_METHOD, *(similarity_entry(method).uses for method in methods))
    names = [name for name in _given(settings) if name not in used]
    if names:
        known = {name: entry.uses | ANY_METHOD for name, entry in SIMILARITY.items()}
        _refuse(names, f"--task similarity with {' or '.join(map(method_name, methods))}", used, known)


def only_used(settings: _Settings, method: str) -> _Settings:
    """The settings with every field that the method does not use set to its default."""
    used = uses_of(method)
    others = {field.name: field.default for field in fields(settings) if field.name not in used}  # type: ignore[arg-type]
    return replace(settings, **others)  # type: ignore[type-var]


def _given(settings: Collection[Any]) -> Iterator[str]:
    for group in settings:
        yield from (field.name for field in fields(group) if getattr(group, field.name) != field.default)


def _refuse(names: list[str], what: str, taken: Collection[str], known: Mapping[str, Collection[str]]) -> None:
    flags = {name: _flag(name) for name in names}
    users = {flag: [method for method, uses in known.items() if name in uses] for name, flag in flags.items()}
    told = "; ".join(f"{flag} is for {', '.join(methods)}" for flag, methods in users.items() if methods)
    raise SettingsError(
        f"{what} does not use {', '.join(flags.values())}: leave {'it' if len(flags) == 1 else 'them'} out"
        + (f", or take another method ({told})" if told else "")
        + f". {what} takes {', '.join(map(_flag, sorted(taken)))}"
    )


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"
