"""What `TextClassifier` says: errors and messages name parameters where the command line's name flags."""

import functools
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import ParamSpec, TypeVar

from trifold.classifier.parameters import DEFAULTS
from trifold.errors import DataError, SettingsError, TrifoldError
from trifold.events import Event, EventSink, Message, chosen_sink, current_sink, sending_to

_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")
# What `fit` takes where the command line names a column.
_ARGUMENTS = {"text_column": "X", "label_column": "y"}
_FLAG = re.compile(r"--(no-)?([a-z]+(?:-[a-z]+)*)")


class ParameterError(SettingsError, ValueError):
    """A parameter has a value that it cannot have; also a `ValueError`, as scikit-learn's are."""


class InputError(DataError, ValueError):
    """Texts or labels cannot be used; also a `ValueError`, as scikit-learn's are."""


_ERRORS: dict[type[TrifoldError], type[TrifoldError]] = {SettingsError: ParameterError, DataError: InputError}


def in_python(message: str) -> str:
    """A message with parameters in place of flags: `epochs` for `--epochs`, `y` for `--label-column`."""

    def parameter(flag: re.Match[str]) -> str:
        name = flag[2].replace("-", "_")
        if name in _ARGUMENTS:
            return _ARGUMENTS[name]
        if name not in DEFAULTS and name != "method":
            return flag[0]
        return f"{name}=False" if flag[1] else name

    return _FLAG.sub(parameter, message)


def speaks_python(function: Callable[_Arguments, _Result]) -> Callable[_Arguments, _Result]:
    """A method whose errors name parameters."""

    @functools.wraps(function)
    def call(*arguments: _Arguments.args, **named: _Arguments.kwargs) -> _Result:
        try:
            return function(*arguments, **named)
        except TrifoldError as error:
            message = in_python(str(error))
            if type(error) in _ERRORS:
                raise _ERRORS[type(error)](message).with_traceback(error.__traceback__) from error.__cause__
            error.args = (message,)
            raise

    return call


@contextmanager
def heard(*, verbose: bool) -> Iterator[None]:
    """Inside, messages and progress go to standard error if `verbose`; if not, notes alone become Python's warnings.

    A sink that the program named hears everything.
    """
    if chosen_sink() is not None:
        yield
        return
    notes = _Notes()
    with sending_to(_InPython(current_sink()) if verbose else notes):
        yield
    for note in dict.fromkeys(notes.found):
        warnings.warn(note, UserWarning, stacklevel=2)


class _InPython:
    """Hands on messages that name parameters."""

    def __init__(self, sink: EventSink) -> None:
        self._sink = sink

    def send(self, event: Event) -> None:
        self._sink.send(replace(event, text=in_python(event.text)) if isinstance(event, Message) else event)


class _Notes:
    """Keeps the warnings among the messages."""

    def __init__(self) -> None:
        self.found: list[str] = []

    def send(self, event: Event) -> None:
        if isinstance(event, Message) and event.level == "warning":
            self.found.append(in_python(event.text.removeprefix("note: ")))
