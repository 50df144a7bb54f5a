"""What the verbs under `prompt` do: fill in, ask, write and compare prompt files."""

import difflib
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from trifold.artifact.run_folder import new_file
from trifold.errors import BudgetError, LlmError, PromptError
from trifold.events import say, say_once, track
from trifold.formatting import counted
from trifold.json_reading import parse_json
from trifold.llm.client import Client, Failure
from trifold.llm.contract import Answer, NoRoomError, OnText, Sampling, Scorer
from trifold.llm.cost_estimate import Estimate
from trifold.llm.open_model import open_text_generator, sampling_of
from trifold.llm.prompt_file import format_prompt, read_prompt
from trifold.llm.prompt_template import Conversation, Prompt
from trifold.llm.prompt_writer import ask_for_prompt, complain, read_written
from trifold.llm.settings import LlmSettings, VariableSettings
from trifold.models.answer_length import why_empty
from trifold.models.settings import ComputeSettings

_ATTEMPTS = 3


class Session:
    """A language model, opened for one command.

    Args:
        llm: Which, and what it may cost.
        compute: How it is run, where its weights are here.
        prompt: What it is asked, if that is known yet; it may say where answers end.

    Raises:
        LlmError: If it cannot be opened, or writes no answers.
    """

    def __init__(self, llm: LlmSettings, compute: ComputeSettings, prompt: Prompt | None = None) -> None:
        self.settings = llm
        self._model = open_text_generator(llm, compute)
        self.client = Client.of(self._model, llm)
        self.sampling = sampling_of(llm, prompt)

    def ask(self, conversation: Conversation, on_text: OnText | None = None) -> Answer:
        """One answer; see `Client.ask`. Why one is empty is said."""
        if on_text:
            self.client.model.room(conversation, self.sampling.max_tokens)
            self.say_if_untaught()
            answer = self.client.ask(conversation, self.sampling, on_text)
        else:
            answer = self.ask_unread(conversation)
        self._say_what_is_wrong(conversation, answer)
        return answer

    def ask_unread(self, conversation: Conversation, sampling: Sampling | None = None) -> Answer:
        """One answer that nobody reads while it is written: how far a model on this machine has come is told.

        Args:
            conversation: The messages so far.
            sampling: How the answer is written; as the flags say where `None`.
        """
        sampling, model = sampling or self.sampling, self.client.model
        if not isinstance(model, Scorer):
            return self.client.ask(conversation, sampling)
        room = model.room(conversation, sampling.max_tokens)
        self.say_if_untaught()
        with track(f"{model.name} writes", room) as advance:
            return self.client.ask(conversation, sampling, lambda _piece: advance(1))

    def say_if_untaught(self) -> None:
        """Tell, once, of a model that was never taught to answer; to be called before it is asked."""
        model = self.client.model
        # Not `isinstance`: its module would be imported, with PyTorch, where a server answers.
        if getattr(model, "is_untaught", False):
            say_once(
                f"{model.name} has no chat template: it is a base model, which was never taught to chat or to follow "
                "instructions and goes on with the text; for answers take one that was (its name often ends in -it, "
                "-instruct or -chat)"
            )

    def _say_what_is_wrong(self, conversation: Conversation, answer: Answer) -> None:
        if not answer.text.strip():
            limit = self.client.model.room(conversation, self.sampling.max_tokens)
            stopped = None if self.sampling.stop else False
            say(why_empty(answer.text, answer.answer_tokens, limit, "--max-tokens", stopped=stopped))
        elif self.sampling.json_schema is not None and not is_json(answer.text):
            say("note: the answer is no JSON, which the prompt asks for")

    def texts_of(self, conversations: Sequence[Conversation]) -> list[str | LlmError]:
        """The answers to many conversations, or why there is none; `NoRoomError` where one does not fit the model."""
        found: list[str | LlmError] = [""] * len(conversations)
        asked = []
        for number, conversation in enumerate(conversations):
            try:
                self.client.model.room(conversation, self.sampling.max_tokens)
                asked.append(number)
            except NoRoomError as error:
                found[number] = error
        if asked:
            self.say_if_untaught()
        samplings = [self.sampling] * len(asked)
        with (
            track(f"{self.client.model.name} writes {counted(len(asked), 'answer')}", len(asked)) as advance,
            closing(self.client.ask_all([conversations[number] for number in asked], samplings)) as answers,
        ):
            for place, answer in answers:
                advance(1)
                if isinstance(answer, Failure):
                    found[asked[place]] = (BudgetError if answer.unasked else LlmError)(answer.reason)
                else:
                    found[asked[place]] = answer.text
                    self._say_what_is_wrong(conversations[asked[place]], answer)
        return found

    def expect(self, conversation: Conversation) -> Estimate:
        """What asking would cost."""
        return self.client.expect([(conversation, self.sampling)])

    def shown(self, conversation: Conversation) -> str:
        """Exactly what is sent."""
        return self._model.shown(conversation)


def is_json(text: str) -> bool:
    """Whether an answer is JSON."""
    try:
        parse_json(text)
    except ValueError:
        return False
    return True


def fill_in(path: Path, values: VariableSettings | None) -> Conversation:
    """The messages of a prompt file with its variables filled in.

    Raises:
        PromptError: If the file, a variable or a value cannot be used.
    """
    return read_prompt(path).render(values.read() if values else {})


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
        try:
            answer = session.ask(conversation)
        except NoRoomError as no_room:
            raise no_room.but("asking for a prompt file takes that many, so use a model that reads more") from None
        try:
            return read_written(answer.text)
        except PromptError as mistake:
            error = mistake
            conversation = complain(conversation, answer.text, mistake)
    raise LlmError(
        f"{session.client.model.name} wrote no prompt file that can be used in {_ATTEMPTS} attempts ({error}): try a "
        "larger model or --max-tokens, or start from a file in examples/prompts; trifold log shows what it wrote"
    )


def diff_prompts(first: Prompt, second: Prompt, names: tuple[str, str]) -> str:
    """What differs between two prompts, as a unified diff; empty where only comments and spacing do."""
    before, after = (format_prompt(prompt).splitlines(keepends=True) for prompt in (first, second))
    return "".join(difflib.unified_diff(before, after, names[0], names[1], n=2))


def save_prompt(prompt: Prompt, path: Path, *, force: bool = False) -> None:
    """Write a prompt file.

    Args:
        prompt: What it says.
        path: Where to.
        force: Whether a file that is there is overwritten; else the prompt is kept beside it.

    Raises:
        DataError: If it cannot be written.
    """
    with new_file(path, force=force) as aside:
        aside.write_text(format_prompt(prompt), encoding="utf-8", newline="\n")
