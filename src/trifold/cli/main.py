"""The `trifold` command: it runs a verb and turns errors into one sentence and an exit code.

Verbs are imported only when they run, so that `trifold --help` does not wait for PyTorch.
"""

import atexit
import json
import os
import signal
import sys
import time
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

from cyclopts import App, CycloptsError, Group, Parameter

from trifold.child_process import end_with_parent
from trifold.cli.config_file import take_config_flag
from trifold.cli.event_flag import take_event_flags
from trifold.cli.inputs import require_finite, require_plain_values
from trifold.cli.mistakes import sentence_of
from trifold.cli.streams import failure_of_output, flush, open_streams
from trifold.cli.sub_commands import SUB_GROUPS
from trifold.cli.usage import usage_of
from trifold.cli.verb import GROUPS, Verb
from trifold.cli.verbs import VERBS
from trifold.errors import TrifoldError
from trifold.events import say_detail, sending_to
from trifold.formatting import duration
from trifold.runtime import own_process
from trifold.system_errors import fault_of
from trifold.terminal import printable
from trifold.version import VERSION

_HELP = """Every way to adapt a language model to your texts, compared on your data.

Start with: trifold compare movie.csv
"""
_EVERYWHERE = """Every command takes:
  --quiet        results, warnings and errors alone
  --verbose      more: versions, settings, engines, times
  --events json  messages and progress as JSON lines
  --config FILE  flags from a TOML file"""
_INTERRUPTED = 130
_TERMINATED = 143
# A flag of several values is left out to give none: no flag says that.
_EVERY_FLAG = Parameter(validator=require_finite, negative_iterable=())

app = App(
    name="trifold",
    help=_HELP,
    help_epilogue=_EVERYWHERE,
    version=VERSION,
    default_parameter=_EVERY_FLAG,
    help_format="plaintext",
    result_action="return_value",
    # Ctrl-C ends in `_run`, as SIGTERM does.
    suppress_keyboard_interrupt=False,
)
_GROUPS = {name: Group(name, sort_key=number) for number, name in enumerate((*GROUPS, *SUB_GROUPS, "Help"))}


def _add(verb: Verb, parent: App) -> None:
    """Have a command line know a verb, and the verb its own commands."""
    shown = "Examples:\n" + "\n".join(f"  {example}" for example in verb.examples)
    epilogue, group = f"{shown}\n\n{_EVERYWHERE}", _GROUPS[verb.group]
    # Given to each command, so that it is known also where one is looked at apart from those above it.
    named: dict[str, Any] = {"name": verb.name, "help": verb.summary, "group": group, "default_parameter": _EVERY_FLAG}
    if not verb.commands:
        parent.command(verb.function, help_epilogue=epilogue, **named)
        return
    own = App(help_epilogue=epilogue if verb.function else None, **named)
    parent.command(own)
    if verb.function:
        # What a verb itself does is imported at once, unlike what its commands do.
        module, _, name = verb.function.partition(":")
        own.default(getattr(import_module(module), name))
    for command in verb.commands:
        _add(command, own)


for _verb in VERBS:
    _add(_verb, app)

for _flag in (*app.help_flags, *app.version_flags):
    app[_flag].group = _GROUPS["Help"]


class _Terminated(SystemExit):
    """SIGTERM came."""


def main() -> NoReturn:
    """Run the command line of this process and exit: 0 done, 2 the user's mistake, 130 interrupted, 143 terminated."""
    for number in (signal.SIGINT, signal.SIGTERM):
        # A shell's background job is to ignore Ctrl-C.
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _end)
    is_child = end_with_parent()
    own_process()
    open_streams()
    sys.unraisablehook = _unraisable
    _leave(run(sys.argv[1:], is_child=is_child))


def _end(number: int, _frame: object) -> None:
    """End the process, clearing away what was begun: Ctrl-C and SIGTERM alike.

    SIGTERM is ignored from then on: a comparison sends it to a child that a terminal has sent Ctrl-C already, and a
    second exception would cut the clearing short.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    if number == signal.SIGINT:
        raise KeyboardInterrupt
    raise _Terminated(_TERMINATED)


def run(arguments: list[str], *, is_child: bool = False) -> int:
    """Run a verb; its exit code.

    Args:
        arguments: Of the command line.
        is_child: Whether another command started this one, and tells by itself that it was stopped.
    """
    code = _run(arguments, is_child=is_child)
    unprinted = flush()
    if unprinted is None or isinstance(unprinted, BrokenPipeError):
        # The reader of our output, `head` say, may have had enough.
        return code
    print(f"trifold: what was printed could not be written: {fault_of(unprinted)}", file=sys.stderr)
    return code or TrifoldError.exit_code


def _run(arguments: list[str], *, is_child: bool) -> int:
    try:
        words, files = take_config_flag(arguments)
        app.config = [*files, require_plain_values]
        words, sink = take_event_flags(words)
        if set(app.help_flags) & set(words):
            _name_arguments(words)
        with sending_to(sink):
            begun = time.monotonic()
            code = app(words, exit_on_error=False, print_error=False)
            say_detail(f"done in {duration(time.monotonic() - begun)}")
    except TrifoldError as error:
        return _refuse(arguments, str(error), type(error).__name__)
    except CycloptsError as error:
        return _refuse(arguments, sentence_of(error, app), "SettingsError")
    except (KeyboardInterrupt, _Terminated) as end:
        if not is_child:
            print("trifold: stopped", file=sys.stderr)
        return _INTERRUPTED if isinstance(end, KeyboardInterrupt) else _TERMINATED
    except SystemExit as wanted:
        # Rich, which prints help, makes an exit of its own of a reader that has had enough.
        code = 0 if isinstance(failure_of_output(), BrokenPipeError) else wanted.code
    except Exception as error:
        if isinstance(error, OSError) and flush():
            # It was standard output that failed, of which `run` tells.
            return 0
        fault = fault_of(error)
        if fault is None:
            raise
        return _refuse(arguments, fault, "MachineError")
    return code if isinstance(code, int) else 0


def _name_arguments(words: list[str]) -> None:
    """Have the help of the command that these words name say how it is used, with the names of its arguments."""
    chain, path, _ = app.parse_commands([word for word in words if word not in app.help_flags])
    if chain:
        path[-1].usage = usage_of(("trifold", *chain), path[-1])


def _refuse(arguments: list[str], sentence: str, error_type: str) -> int:
    print(printable(f"trifold: {sentence}"), file=sys.stderr)
    if "--json" in arguments:
        with suppress(OSError):
            print(json.dumps({"error": sentence, "error_type": error_type}))
    return TrifoldError.exit_code


def _leave(code: int) -> NoReturn:
    """Exit without taking modules apart first: with PyTorch loaded that takes half a second (benchmarks/LOG.md).

    Functions that were registered to run at exit are run.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # what is left to do takes no time, and is not to be cut short
    atexit._run_exitfuncs()
    flush()
    sys.stderr.flush()
    os._exit(code)


def _unraisable(fault: "sys.UnraisableHookArgs") -> None:
    """What goes wrong while objects are taken apart; that a disk is full was told once already."""
    if fault.exc_value is None or fault_of(fault.exc_value) is None:
        sys.__unraisablehook__(fault)
