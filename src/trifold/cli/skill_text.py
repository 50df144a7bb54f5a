"""The text of `SKILL.md`, by which an agent learns to use the command line: made of the commands themselves."""

import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from trifold.cli.usage import needed_flags, places, shown_arguments, with_value
from trifold.cli.verb import Verb
from trifold.cli.verbs import VERBS
from trifold.version import VERSION

if TYPE_CHECKING:
    from cyclopts import App, Argument

# Of the flags that many commands take from the settings, those that a first use needs: a command's list has these and
# the flags of its own, and `--help` has all. Each is explained once, as the first of these commands explains it.
WORTH_KNOWING = (
    "--methods",
    "--metric",
    "--time-limit",
    "--tolerance",
    "--task",
    "--model",
    "--epochs",
    "--text-column",
    "--label-column",
    "--label-separator",
    "--merge-labels",
    "--test-file",
    "--output",
    "--force",
    "--reject-below",
    "--probabilities",
    "--top-k",
    "--llm",
    "--prompt",
    "--max-calls",
    "--host",
    "--port",
    "--api-key",
    "--offline",
)
_MOST_CHARACTERS = 350


@dataclass(frozen=True)
class DescribedCommand:
    """A command as the skill tells of it.

    Attributes:
        words: What is typed, such as `trifold search build`.
        takes: What stands behind, in its order, what may be left out in brackets; and the flags that it needs.
        summary: What it does, in a sentence.
        flags: Those that are named, with what follows them.
        more: How many others `--help` shows.
    """

    words: str
    takes: Sequence[str]
    summary: str
    flags: Sequence[str]
    more: int

    @property
    def synopsis(self) -> str:
        """As it is typed, without flags that may be left out."""
        return " ".join((self.words, *self.takes))


@cache
def skill_text() -> str:
    """The whole file: what Trifold is and when to use it, its commands, what scripts rely on, and worked examples."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from trifold.artifact.metrics_file import MetricsFacts
    from trifold.evaluate.leaderboard import LeaderboardRow, leaderboard_columns

    # It is Markdown, not HTML, and all of it is ours.
    environment = Environment(  # noqa: S701
        loader=PackageLoader("trifold.cli"),
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
    )
    commands = {" ".join(words): shown_arguments(part) for words, part in every_command()}
    return environment.get_template("skill.md").render(
        version=VERSION,
        groups=_groups(commands),
        shared=_explained(commands.values()),
        columns=leaderboard_columns(LeaderboardRow),
        metrics=list(MetricsFacts.__annotations__),
    )


def every_command() -> Iterator[tuple[tuple[str, ...], "App"]]:
    """Every command that does something: the words that it is typed as, and its part of the command line."""
    # The command line is above: it imports this module to run the commands of `skills`.
    from trifold.cli.main import app

    def below(verbs: Iterable[Verb], parent: "App", before: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], "App"]]:
        for verb in verbs:
            words, part = (*before, verb.name), parent[verb.name]
            if verb.function:
                yield words, part
            yield from below(verb.commands, part, words)

    return below(VERBS, app, ("trifold",))


def _groups(commands: Mapping[str, Mapping[str, "Argument"]]) -> dict[str, list[DescribedCommand]]:
    """The commands by what they are for, in the order of `--help`."""
    from trifold.cli.verb import GROUPS

    found: dict[str, list[DescribedCommand]] = {group: [] for group in GROUPS}
    for verb in VERBS:
        names = [" ".join(("trifold", verb.name, *own)) for own in [(), *((one.name,) for one in verb.commands)]]
        summaries = [verb.summary, *(one.summary for one in verb.commands)]
        for name, summary in zip(names, summaries, strict=True):
            if name in commands:
                found[verb.group].append(_describe(name, summary, commands[name]))
    return found


def _describe(words: str, summary: str, arguments: Mapping[str, "Argument"]) -> DescribedCommand:
    flags = {name: one for name, one in arguments.items() if name.startswith("--")}
    # A flag of the command's own is a parameter of its function; the others are fields of the settings it takes.
    named = [one for name, one in flags.items() if not one.keys or name in WORTH_KNOWING]
    return DescribedCommand(
        words,
        [*places(arguments), *needed_flags(arguments)],
        summary,
        [with_value(one) for one in named if not one.required],
        len(flags) - len(named),
    )


def _explained(commands: Iterable[Mapping[str, "Argument"]]) -> dict[str, str]:
    """What each flag worth knowing does, by its name: as the settings tell it, if they do, and else a command."""
    flags = [flag for arguments in commands for flag in arguments.items() if flag[0] in WORTH_KNOWING]
    found: dict[str, str] = {}
    for name, argument in sorted(flags, key=lambda flag: not flag[1].keys):
        found.setdefault(name, " ".join((argument.parameter.help or "").split()))
    return {name: textwrap.shorten(found[name], _MOST_CHARACTERS, placeholder=" …") for name in WORTH_KNOWING}
