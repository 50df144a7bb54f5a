"""The verb `prompt chat`: a conversation that a prompt file begins."""

import json as jsonlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.atomic import whole_file
from trifold.cli.output import print_piece
from trifold.errors import LlmError, PromptError, TrifoldError
from trifold.events import say
from trifold.llm.settings import LlmSettings, VariableSettings
from trifold.models.settings import ComputeSettings
from trifold.terminal import printable

if TYPE_CHECKING:
    from trifold.llm.prompt_template import Conversation
    from trifold.pipeline.prompt_files import Session

_HELP = "/reset begins anew, /save FILE keeps the conversation, /quit ends it"


def chat(
    file: Path,
    /,
    *,
    variables: Annotated[VariableSettings | None, Parameter(name="*")] = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Talk to a language model; the prompt file says how it begins, and what was said is remembered.

    A line is a turn. /reset begins anew, /save FILE keeps the conversation as JSON, /quit ends it.

    Args:
        file: Prompt file.
        json: Print each answer as a line of JSON.
    """
    from trifold.pipeline.prompt_files import Session, fill_in

    beginning = fill_in(file, variables)
    session = Session(llm or LlmSettings(), compute or ComputeSettings())
    say(_HELP)
    talk = Talk(session, beginning, json=json)
    talk.answer()
    for line in _lines():
        if not talk.take(line):
            break


class Talk:
    """A conversation under way.

    Args:
        session: With whom.
        beginning: What the prompt file says.
        json: Print JSON.
    """

    def __init__(self, session: "Session", beginning: "Conversation", *, json: bool) -> None:
        self._session = session
        self._beginning = beginning
        self.said = beginning
        self._json = json

    def take(self, line: str) -> bool:
        """Do what a line says; whether to go on."""
        from trifold.llm.prompt_template import Message

        command, _, argument = line.strip().partition(" ")
        if command == "/quit":
            return False
        if command == "/reset":
            self.said = self._beginning
            self.answer()
        elif command == "/save":
            self._save(argument.strip())
        elif command.startswith("/"):
            say(printable(f"there is no {command}: {_HELP}"))
        elif not _is_text(line):
            say("that line holds bytes that are no UTF-8: type it again")
        elif line.strip():
            before = self.said
            self.said = (*before, Message("user", line))
            if not self.answer():
                self.said = before
        return True

    def answer(self) -> bool:
        """Have the model answer; one that fails or is stopped is not remembered, and the conversation goes on."""
        from trifold.llm.contract import FatalLlmError
        from trifold.llm.prompt_template import Message

        try:
            answer = self._session.ask(self.said, None if self._json else print_piece)
        except FatalLlmError:
            raise
        except LlmError as error:
            say(printable(f"trifold: {error}"))
            return False
        except KeyboardInterrupt:
            say("\nstopped; /quit ends the conversation")
            return False
        # Escaped, no character in it is one that a terminal obeys.
        print(jsonlib.dumps({"answer": answer.text}) if self._json else "", flush=True)
        self.said = (*self.said, Message("assistant", answer.text))
        return True

    def _save(self, name: str) -> None:
        try:
            if not name:
                raise PromptError("name a file: /save FILE")
            if Path(name).exists():
                raise FileExistsError
            with whole_file(Path(name), replace=False) as aside, aside.open("w", encoding="utf-8") as file:
                jsonlib.dump([vars(message) for message in self.said], file, indent=1, ensure_ascii=False)
            say(f"kept in {name}")
        except FileExistsError:
            say(f"{name} is there already: name another file")
        except (OSError, ValueError, TrifoldError) as error:
            say(f"not kept: {getattr(error, 'strerror', None) or error}")


def _is_text(line: str) -> bool:
    """Whether what was typed or piped in was UTF-8; bytes that are not stand in it as halves of surrogate pairs."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lines() -> Iterator[str]:
    """What is typed, or piped in; Ctrl-C at the prompt ends it like Ctrl-D."""
    while True:
        try:
            if sys.stdin.isatty():
                print("> ", end="", file=sys.stderr, flush=True)
            line = sys.stdin.readline()
        except KeyboardInterrupt:
            return
        if not line:
            return
        yield line.rstrip("\n")
