"""The parameters of `TextClassifier`: the fields of the settings that the command line has as flags."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import numpy as np

from trifold.errors import SettingsError, did_you_mean
from trifold.methods.settings import MethodSettings

# Name to class of each group of settings that a method may be told.
GROUPS: dict[str, Any] = {field.name: get_type_hints(MethodSettings)[field.name] for field in fields(MethodSettings)}
DEFAULTS: dict[str, Any] = {field.name: field.default for kind in GROUPS.values() for field in fields(kind)}

_Settings = TypeVar("_Settings")
_Init = TypeVar("_Init", bound=Callable[..., None])


def takes_settings(init: _Init) -> _Init:
    """Give a constructor that ends in `**settings` a signature with every setting, for scikit-learn and for `help`."""
    own = [one for one in signature(init).parameters.values() if one.kind is not Parameter.VAR_KEYWORD]
    named = {one.name for one in own}
    hints = {name: hint for kind in GROUPS.values() for name, hint in get_type_hints(kind).items()}
    more = [
        Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hints[name])
        for name, default in DEFAULTS.items()
        if name not in named
    ]
    init.__signature__ = Signature([*own, *more])  # type: ignore[attr-defined]
    return init


def require_known(names: Mapping[str, object]) -> None:
    """Refuse a parameter that is no setting, as Python does.

    Raises:
        TypeError: If one of the names is unknown.
    """
    unknown = sorted(names.keys() - DEFAULTS.keys())
    if unknown:
        guess = did_you_mean(unknown[0], ("method", *DEFAULTS, "verbose"))
        raise TypeError(
            f"TextClassifier has no parameter {unknown[0]!r}{guess}: it has method, {', '.join(DEFAULTS)} and verbose"
        )


def method_settings(parameters: Mapping[str, Any]) -> MethodSettings:
    """Every group of settings.

    Raises:
        SettingsError: If a parameter has a value or a type that it cannot have.
    """
    return MethodSettings(**{name: settings_of(kind, parameters) for name, kind in GROUPS.items()})


def settings_of(kind: type[_Settings], parameters: Mapping[str, Any]) -> _Settings:
    """One group of settings, its fields taken from the parameters of the same names.

    Raises:
        SettingsError: As `method_settings`.
    """
    hints = get_type_hints(kind)
    names = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    return kind(**{name: _checked(hints[name], name, parameters[name]) for name in names})


def _checked(hint: Any, name: str, value: Any) -> Any:
    """A parameter as its settings hold it: NumPy's scalars as Python's, a string as a path, a list as a tuple.

    Raises:
        SettingsError: If it is of another type.
    """
    given = value.item() if isinstance(value, np.generic) else value
    choices = get_args(hint)
    if get_origin(hint) is Literal:
        if given not in choices:
            raise SettingsError(f"{name} {given!r} is unknown: use one of {', '.join(choices)}")
        return given
    if get_origin(hint) is tuple:
        kinds: tuple[type, ...] = (tuple,)
        given = (
            tuple(given) if isinstance(given, list | tuple) and all(isinstance(one, str) for one in given) else given
        )
    else:
        kinds = choices or (hint,)
    if Path in kinds and isinstance(given, str):
        given = Path(given)
    if float in kinds and type(given) is int:
        given = float(given)
    if type(given) not in kinds and not (Path in kinds and isinstance(given, Path)):
        raise SettingsError(f"{name} {given!r} is not allowed: give {_named(kinds)}")
    if isinstance(given, float) and not math.isfinite(given):
        raise SettingsError(f"{name} {given} is not allowed: give a finite number")
    return given


def _named(kinds: Iterable[type]) -> str:
    return " or ".join("None" if one is type(None) else one.__name__ for one in kinds)
