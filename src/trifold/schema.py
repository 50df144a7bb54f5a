"""JSON files of ours, read against the shape that they were written in: every fault names the file and the field.

A shape is a `TypedDict`, or a dataclass that is a `JsonRecord`. Fields that it names are of the type that it names
where they are there; what is not there is found out when it is asked for, since commands need different ones. Fields
that it does not name are let through in the first, and left out of the second.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from types import FunctionType, NoneType, UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    Self,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    is_typeddict,
)

from trifold.errors import ArtifactError
from trifold.json_reading import read_json

_WAY_OUT = "restore it, or train again"
_LARGEST = 1 << 63


@dataclass(frozen=True)
class Rule:
    """What a field's type does not say, as the metadata of `Annotated`.

    Attributes:
        words: What the value must be, for the message.
        holds: Whether one is.
    """

    words: str
    holds: Callable[[Any], bool]


Count = Annotated[int, Rule("a whole number, 0 or more", lambda value: value >= 0)]
Size = Annotated[int, Rule("a whole number from 1 to 2,147,483,647", lambda value: 0 < value < 1 << 31)]
Amount = Annotated[float, Rule("a number, 0 or more", lambda value: value >= 0)]


class Facts(dict[str, Any]):
    """An object of a JSON file: a dictionary that names its file where a field is missing.

    Attributes:
        path: The file.
        inside: The field that holds the object, with a dot behind; nothing for the whole file.
    """

    path: Path = Path()
    inside: str = ""

    def __missing__(self, name: str) -> Any:
        """Refuse.

        Raises:
            ArtifactError: Always.
        """
        raise damaged(self.path, f"{self.inside}{name} is missing")


class JsonRecord:
    """Base of frozen dataclasses that stand in files as JSON objects.

    A field without a default is always written. One with a default is left out while it has that. A record that was
    read has the fields that the file has; asking for another one that has no default raises an `ArtifactError`.
    """

    _path: ClassVar[Path] = Path()
    _inside: ClassVar[str] = ""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name in (field.name for field in fields(self)):
                raise damaged(self._path, f"{self._inside}{_key(name)} is missing")
            raise AttributeError(name)

    def get(self, name: str) -> Any:
        """A field, or `None` where the file does not have it."""
        return vars(self).get(name)

    def but(self, *without: str, **changed: Any) -> Self:
        """A copy with some fields changed and others gone.

        Args:
            without: Names of fields that the copy does not have.
            changed: Name to value.
        """
        kept = {name: value for name, value in vars(self).items() if name not in without}
        return _record(type(self), {**kept, **changed})

    def as_json(self) -> dict[str, Any]:
        """The object as it is written."""
        return {
            _key(field.name): _as_json(getattr(self, field.name))
            for field in fields(self)  # type: ignore[arg-type]
            if field.name in vars(self) and vars(self)[field.name] != field.default
        }


_Record = TypeVar("_Record", bound=JsonRecord)


def _key(name: str) -> str:
    """A field's name in the file: `from_` is called so because `from` is a word of Python."""
    return name.removesuffix("_")


def _as_json(value: Any) -> Any:
    if isinstance(value, JsonRecord):
        return value.as_json()
    if isinstance(value, dict):
        return {name: _as_json(one) for name, one in value.items()}
    return [_as_json(one) for one in value] if isinstance(value, list | tuple) else value


def _record(shape: type[_Record], values: dict[str, Any]) -> _Record:
    """A record with these fields and no others; its defaults hold for the rest."""
    record = object.__new__(shape)
    for name, value in values.items():
        object.__setattr__(record, name, value)
    return record


def damaged(path: Path, what: str) -> ArtifactError:
    """The error for a file that is there and cannot be used.

    Args:
        path: The file.
        what: What is wrong with it.
    """
    return ArtifactError(f"{path} is damaged ({what}): {_WAY_OUT}")


def read_facts(path: Path, shape: type) -> Facts:
    """Read a JSON file that holds an object.

    Args:
        path: The file.
        shape: A `TypedDict`.

    Raises:
        ArtifactError: As `read_value`.
    """
    found: Facts = read_value(path, shape)
    return found


def read_value(path: Path, shape: Any) -> Any:
    """Read a JSON file.

    Args:
        path: The file.
        shape: Of the value: a `TypedDict`, a `JsonRecord`, `list`, `dict` or `tuple` of other shapes, or a plain type;
            or a function that gives the shape of what was read.

    Raises:
        ArtifactError: If it is missing, no JSON, or holds something of another shape.
    """
    try:
        value = read_json(path)
    except OSError as error:
        reason = "missing" if isinstance(error, FileNotFoundError) else f"not to be read ({error.strerror})"
        raise ArtifactError(
            f"{path} is {reason}: is it part of a whole run folder? Train again, or restore it"
        ) from None
    except ValueError as error:
        raise damaged(path, f"no JSON: {str(error)[:100]}") from None
    try:
        return _checked(value, shape(value) if isinstance(shape, FunctionType) else shape, "", path)
    except _WrongError as error:
        raise damaged(path, str(error)) from None


class _WrongError(Exception):
    """A value that is not what the shape says."""


def finite(value: Any) -> Any:
    """A value for JSON, in which `null` stands for numbers that JSON does not have: infinite ones, and none at all."""
    if isinstance(value, dict):
        return {name: finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _checked(value: Any, hint: Any, where: str, path: Path) -> Any:
    """The value as the shape wants it: objects that the shape describes as `Facts`, fixed-length lists as tuples."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        checked = _checked(value, arguments[0], where, path)
        if not arguments[1].holds(checked):
            raise _wrong(value, arguments[1].words, where)
        return checked
    if origin in (Union, UnionType):
        return _any_of(value, arguments, where, path)
    if is_typeddict(hint):
        return _object(value, hint, where, path)
    if isinstance(hint, type) and issubclass(hint, JsonRecord):
        found = _object(value, hint, where, path)
        known = [field.name for field in fields(hint) if _key(field.name) in found]  # type: ignore[arg-type]
        record = _record(hint, {name: found[_key(name)] for name in known})
        object.__setattr__(record, "_path", path)
        object.__setattr__(record, "_inside", found.inside)
        return record
    if origin in (list, tuple, dict):
        return _container(value, origin, arguments, where, path)
    if not _is_plain(value, hint):
        names = {str: "text", int: "a whole number", float: "a number", bool: "true or false", NoneType: "null"}
        words = " or ".join(map(repr, arguments)) if origin is Literal else names.get(hint, str(hint))
        raise _wrong(value, words, where)
    return value


def _any_of(value: Any, choices: tuple[Any, ...], where: str, path: Path) -> Any:
    # Of several reasons the last is told, and "should be null" is never the one that helps.
    for number, choice in enumerate(sorted(choices, key=lambda choice: choice is not NoneType), 1):
        try:
            return _checked(value, choice, where, path)
        except _WrongError:
            if number == len(choices):
                raise
    raise AssertionError("a union has members")


def _object(value: Any, shape: Any, where: str, path: Path) -> Facts:
    if not isinstance(value, dict):
        raise _wrong(value, "an object", where)
    inside = f"{where}." if where else ""
    hints = {_key(name): hint for name, hint in get_type_hints(shape, include_extras=True).items()}
    facts = Facts(
        {name: _checked(one, hints[name], inside + name, path) if name in hints else one for name, one in value.items()}
    )
    facts.path, facts.inside = path, inside
    return facts


def _container(value: Any, kind: type, arguments: tuple[Any, ...], where: str, path: Path) -> Any:
    if kind is dict:
        if not isinstance(value, dict):
            raise _wrong(value, "an object", where)
        return {name: _checked(one, arguments[1], f"{where}.{name}", path) for name, one in value.items()}
    if not isinstance(value, list):
        raise _wrong(value, "a list", where)
    if kind is list:
        return [_checked(one, arguments[0], f"{where}[{number}]", path) for number, one in enumerate(value)]
    if len(value) != len(arguments):
        raise _wrong(value, f"a list of {len(arguments)}", where)
    return tuple(
        _checked(one, hint, f"{where}[{number}]", path)
        for number, (one, hint) in enumerate(zip(value, arguments, strict=True))
    )


def _is_plain(value: Any, hint: Any) -> bool:
    if hint is Any:
        return True
    if get_origin(hint) is Literal:
        return value in get_args(hint) and type(value) in map(type, get_args(hint))
    if hint in (int, float):
        # A truth value is a number to Python.
        number = isinstance(value, int | float) and not isinstance(value, bool)
        # Nothing is less than what is not finite, and whole numbers of any size are compared.
        return number and abs(value) < _LARGEST and (hint is float or isinstance(value, int))
    return isinstance(value, hint)


def _wrong(value: Any, wanted: str, where: str) -> _WrongError:
    return _WrongError(f"{where or 'it'} is {str(value)[:40]!r} and should be {wanted}")
