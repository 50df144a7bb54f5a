"""The command `prompt chat`: a conversation with a language model, begun by a prompt file."""

import json as jsonlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.atomic import whole_file
from trifold.cli.output import print_piece, say_next
from trifold.errors import LlmError, PromptError, TrifoldError, require
from trifold.events import say
from trifold.llm.settings import LlmSettings, VariableSettings
from trifold.models.settings import ComputeSettings
from trifold.terminal import printable

if TYPE_CHECKING:
    from trifold.llm.prompt_template import Conversation
    from trifold.pipeline.prompt_files import Session

_HELP = "/reset begins anew, /save FILE keeps the conversation, /quit ends it"


def chat(
    file: Path | None = None,
    /,
    *,
    variables: Annotated[VariableSettings | None, Parameter(name="*")] = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    json: bool = False,
) -> None:
    """Talk to a language model, which always sees the whole conversation. A prompt file is its beginning.

    Each line is a message. /reset begins anew, /save FILE writes the conversation as JSON, /quit ends it.

    Args:
        file: Prompt file; without one you begin.
        json: Print each answer as a line of JSON.
    """
    from trifold.llm.prompt_file import read_prompt
    from trifold.pipeline.prompt_files import Session

    require(file is not None or variables is None, "a variable without a prompt file", "name the file that has it")
    prompt = read_prompt(file) if file else None
    beginning = prompt.render(variables.read() if variables else {}) if prompt else ()
    session = Session(llm or LlmSettings(), compute or ComputeSettings(), prompt)
    say(_HELP)
    talk = Talk(session, beginning, json=json)
    if beginning:
        talk.answer()
    for line in _lines():
        if not talk.take(line):
            break
    say_next("log", *(("--log", llm.log) if llm and llm.log else ()), json=json)


class Talk:
    """A conversation with a language model.

    Args:
        session: The language model.
        beginning: The messages of the prompt file; none where the user begins.
        json: Whether answers are printed as JSON.

    Attributes:
        messages: All messages so far.
    """

    def __init__(self, session: "Session", beginning: "Conversation", *, json: bool) -> None:
        self._session = session
        self._beginning = beginning
        self.messages = beginning
        self._json = json

    def take(self, line: str) -> bool:
        """Process a line, which is a command or a message. Returns whether the conversation continues."""
        from trifold.llm.prompt_template import Message

        command, _, argument = line.strip().partition(" ")
        if command == "/quit":
            return False
        if command == "/reset":
            self.messages = self._beginning
            if self._beginning:
                self.answer()
        elif command == "/save":
            self._save(argument.strip())
        elif command.startswith("/"):
            say(printable(f"there is no {command}: {_HELP}"))
        elif not _is_text(line):
            say("that line holds bytes that are no UTF-8: type it again")
        elif line.strip():
            before = self.messages
            self.messages = (*before, Message("user", line))
            if not self.answer():
                self.messages = before
        return True

    def answer(self) -> bool:
        """Print the answer of the model. Returns whether there is one; without one the conversation continues."""
        from trifold.llm.contract import FatalLlmError, NoRoomError
        from trifold.llm.prompt_template import Message

        try:
            answer = self._session.ask(self.messages, None if self._json else print_piece)
        except FatalLlmError:
            raise
        except NoRoomError as error:
            if self.messages == self._beginning:
                raise
            say(printable(f"trifold: {error.but('say less, or begin anew by /reset')}"))
            return False
        except LlmError as error:
            say(printable(f"trifold: {error}"))
            return False
        except KeyboardInterrupt:
            say("\nstopped; /quit ends the conversation")
            return False
        # JSON escapes control characters, so the terminal obeys none of the answer's.
        print(jsonlib.dumps({"answer": answer.text}) if self._json else "", flush=True)
        if not answer.text.strip():
            return False
        self.messages = (*self.messages, Message("assistant", answer.text))
        return True

    def _save(self, name: str) -> None:
        """Write the conversation to a new file; the user is told if that fails."""
        try:
            if not name:
                raise PromptError("name a file: /save FILE")
            if Path(name).exists():
                raise FileExistsError
            with whole_file(Path(name), replace=False) as aside, aside.open("w", encoding="utf-8") as file:
                jsonlib.dump([vars(message) for message in self.messages], file, indent=1, ensure_ascii=False)
            say(f"kept in {name}")
        except FileExistsError:
            say(f"{name} is there already: name another file")
        except (OSError, ValueError, TrifoldError) as error:
            say(f"not kept: {getattr(error, 'strerror', None) or error}")


def _is_text(line: str) -> bool:
    """Whether a line was valid UTF-8; Python reads other bytes as surrogates, which cannot be encoded."""
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _lines() -> Iterator[str]:
    """The lines that are typed or piped in; Ctrl-C at the prompt ends them, as Ctrl-D does."""
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
