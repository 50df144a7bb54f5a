"""What the verbs under `prompt` do: fill in, ask, write and compare prompt files."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from trifold.backbone.settings import ComputeSettings
from trifold.errors import LlmError, PromptError
from trifold.llm.asker import Asker
from trifold.llm.authoring import ask_for_prompt, complain, read_written
from trifold.llm.contract import Answer, OnText, Sampling
from trifold.llm.estimate import Estimate
from trifold.llm.files import format_prompt, read_prompt
from trifold.llm.opening import open_speaker
from trifold.llm.prompt import Conversation, Message, Prompt
from trifold.llm.settings import LlmSettings

_ATTEMPTS = 3


@dataclass(frozen=True)
class Values:
    """What `--var` and `--var-file` say.

    Attributes:
        given: `NAME=VALUE` each.
        files: `NAME=FILE` each; the file's text is the value.
    """

    given: Sequence[str] = ()
    files: Sequence[str] = ()

    def read(self) -> dict[str, str]:
        """Variable to value.

        Raises:
            PromptError: If one is not written so, comes twice, or its file cannot be read.
        """
        found: dict[str, str] = {}
        for flag, pairs in (("--var", self.given), ("--var-file", self.files)):
            for pair in pairs:
                name, equals, value = pair.partition("=")
                if not equals or not name:
                    raise PromptError(f"{flag} {pair[:60]!r} is not allowed: write NAME=VALUE, such as {flag} text=…")
                if name in found:
                    raise PromptError(f"the variable {name} is given twice: give it once")
                found[name] = _file_text(name, Path(value)) if flag == "--var-file" else value
        return found


class Session:
    """A language model, opened for one command.

    Args:
        llm: Which, and what it may cost.
        compute: How it is run, where its weights are here.

    Raises:
        LlmError: If it cannot be opened, or writes no answers.
    """

    def __init__(self, llm: LlmSettings, compute: ComputeSettings) -> None:
        self.settings = llm
        self.asker = Asker.of(open_speaker(llm, compute), llm)
        self.sampling = Sampling(llm.max_tokens, llm.temperature)

    def ask(self, conversation: Conversation, on_text: OnText | None = None) -> Answer:
        """One answer; see `Asker.ask`."""
        return self.asker.ask(conversation, self.sampling, on_text)

    def expect(self, conversation: Conversation) -> Estimate:
        """What asking would cost."""
        return self.asker.expect([(conversation, self.sampling)])

    def shown(self, conversation: Conversation) -> str:
        """Exactly what is sent."""
        return self.asker.model.shown(conversation)


def fill_in(path: Path, values: Values) -> Conversation:
    """The messages of a prompt file with its variables filled in.

    Raises:
        PromptError: If the file, a variable or a value cannot be used.
    """
    return read_prompt(path).render(values.read())


def write_prompt(session: Session, wish: str) -> Prompt:
    """Have the model write a prompt file; what it gets wrong it is told, twice.

    Raises:
        PromptError: If the wish is empty.
        LlmError: If it never writes one that can be used.
    """
    if not wish.strip():
        raise PromptError('there is no wish: say what the prompt is for, as in trifold prompt write "sort my mail"')
    conversation = ask_for_prompt(wish)
    error = PromptError("")
    for _ in range(_ATTEMPTS):
        answer = session.ask(conversation)
        try:
            return read_written(answer.text)
        except PromptError as mistake:
            error = mistake
            conversation = complain(conversation, answer.text, mistake)
    raise LlmError(
        f"{session.asker.model.name} wrote no prompt file that can be used in {_ATTEMPTS} attempts ({error}): try a "
        "larger model or --max-tokens, or start from a file in examples/prompts; trifold log shows what it wrote"
    )


def diff_prompts(first: Prompt, second: Prompt, names: tuple[str, str]) -> str:
    """What differs between two prompts, as a unified diff; empty where only comments and spacing do."""
    before, after = (format_prompt(prompt).splitlines(keepends=True) for prompt in (first, second))
    return "".join(difflib.unified_diff(before, after, names[0], names[1], n=2))


def save_prompt(prompt: Prompt, path: Path, *, replace: bool = False) -> None:
    """Write a prompt file.

    Raises:
        PromptError: If it is there already, or cannot be written.
    """
    try:
        with path.open("w" if replace else "x", encoding="utf-8") as file:
            file.write(format_prompt(prompt))
    except FileExistsError:
        raise PromptError(f"{path} is there already: name another --output") from None
    except OSError as error:
        raise PromptError(f"{path} cannot be written ({error.strerror}): name another --output") from None


def answered(conversation: Conversation, answer: str, said: str) -> Conversation:
    """A conversation that goes on."""
    return (*conversation, Message("assistant", answer), Message("user", said))


def _file_text(name: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise PromptError(f"the file {path} for {name} cannot be read ({error.strerror}): check its name") from None
    except UnicodeDecodeError:
        raise PromptError(f"the file {path} for {name} is no UTF-8 text: convert it first") from None
