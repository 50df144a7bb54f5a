"""What is wrong with a command line, in one sentence."""

from collections.abc import Iterable, Sequence

from cyclopts import App, CycloptsError
from cyclopts.exceptions import CoercionError, UnknownCommandError, UnknownOptionError, ValidationError

from trifold.cli.event_flag import EVENT_FLAGS
from trifold.cli.inputs import NO_FLAG
from trifold.errors import did_you_mean
from trifold.formatting import shortened

# Of a mistaken word that a message repeats.
_MOST_CHARACTERS = 60

# Users' words for what some commands call otherwise, where the spelling does not lead there.
_SYNONYMS = {"--max-length": "--block-size", "--max-seq-length": "--max-length", "--model-name-or-path": "--model"}


def sentence_of(error: CycloptsError, app: App) -> str:
    """What was given, the nearest thing that there is, and where to look.

    Args:
        error: Of parsing.
        app: The whole command line.
    """
    chain = tuple(error.command_chain or ())
    said = " ".join(str(error).split()).rstrip("., ")
    if isinstance(error, UnknownCommandError) and error.unused_tokens:
        given = shortened(error.unused_tokens[0], _MOST_CHARACTERS)
        return _there_is_no("command", repr(given), given, _commands(app, chain), chain)
    if isinstance(error, ValidationError) and error.argument and error.argument.tokens:
        token = error.argument.tokens[0]
        return f"{token.keyword or error.argument.name} {token.value} is not allowed: {error.exception_message}"
    if isinstance(error, UnknownOptionError) and error.token.source == "cli":
        given = error.token.keyword or error.token.value
    elif isinstance(error, CoercionError) and NO_FLAG in said:
        given = said.rpartition(NO_FLAG)[2]
    else:
        return f"{said} (see --help)"
    given = shortened(given.partition("=")[0], _MOST_CHARACTERS)
    return _there_is_no("flag", given, given, _flags(app, chain), chain)


def _there_is_no(what: str, shown: str, given: str, known: Iterable[str], chain: Sequence[str]) -> str:
    known = list(known)
    meant = _SYNONYMS.get(given, given)
    guess = did_you_mean(meant if meant in known else given, known)
    return f"there is no {what} {shown}{guess}: see {' '.join(('trifold', *chain))} --help"


def _commands(app: App, chain: Sequence[str]) -> list[str]:
    return [name for name in _part(app, chain) if not name.startswith("-")]


def _flags(app: App, chain: Sequence[str]) -> list[str]:
    arguments = _part(app, chain).assemble_argument_collection()
    names = [name for argument in arguments if argument.parse for name in argument.names]
    return [*(name for name in names if name.startswith("-")), *EVENT_FLAGS, "--config", "--help"]


def _part(app: App, chain: Sequence[str]) -> App:
    """The command that a chain of names leads to."""
    _, path, _ = app.parse_commands(list(chain))
    return path[-1]
