"""The prompts that were written in an app: each is a prompt file, and one that is changed becomes another."""

import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from trifold.app.numbers import is_number, new_number, read_numbered
from trifold.atomic import write_json, write_text
from trifold.llm.prompt_file import parse_prompt, read_prompt
from trifold.pipeline.prompt_files import diff_prompts
from trifold.schema import Amount, JsonRecord

_RECORD, _FILE = "prompt.json", "prompt.toml"
_GONE = "there is no such prompt: it may have been removed; begin at the page of prompts"
_MOST_CHARACTERS = 80
# What a new prompt begins with.
STARTER = '''role = "You read reviews and say what their writers think."
task = """
Review: {text}
The writer's verdict:"""
instructions = [
  "Judge the writer's verdict, not the mood of what is told.",
]

[output]
labels = ["negative", "positive"]

[variables]
text = "The review."
'''


@dataclass(frozen=True, kw_only=True)
class PromptRecord(JsonRecord):
    """A prompt that was written.

    Attributes:
        name: What it is called.
        created: When, in seconds since 1970.
    """

    name: str
    created: Amount


class WrittenPrompts:
    """The prompts in a folder.

    Args:
        folder: One folder a prompt, made where there is none.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def add(self, name: str, text: str) -> str:
        """Keep a prompt; its number.

        Raises:
            PromptError: If the text is no prompt.
        """
        written = text.replace("\r\n", "\n")
        parse_prompt(written)
        number = new_number()
        folder = self._folder / number
        folder.mkdir()
        write_text(folder / _FILE, written)
        record = PromptRecord(name=" ".join(name.split())[:_MOST_CHARACTERS] or "a prompt", created=time.time())
        write_json(folder / _RECORD, record.as_json())
        return number

    def path(self, number: str) -> Path:
        """The file of a prompt.

        Raises:
            DataError: If there is none.
        """
        self.get(number)
        return (self._folder / number / _FILE).absolute()

    def get(self, number: str) -> PromptRecord:
        """A prompt by its number.

        Raises:
            DataError: If there is none.
        """
        found: PromptRecord = read_numbered(self._folder, number, _RECORD, PromptRecord, _GONE)
        return found

    def remove(self, number: str) -> None:
        """Remove a prompt.

        Raises:
            DataError: If there is none.
        """
        shutil.rmtree(self.path(number).parent, ignore_errors=True)

    def differences(self, first: str, second: str) -> str:
        """What differs between two prompts; empty where only comments and spacing do.

        Raises:
            TrifoldError: If there is none, or one is damaged.
        """
        prompts = (read_prompt(self.path(first)), read_prompt(self.path(second)))
        return diff_prompts(*prompts, (self.get(first).name, self.get(second).name))

    def all(self) -> list[tuple[str, PromptRecord]]:
        """Number and record of every prompt, the newest first."""
        numbers = [path.name for path in self._folder.iterdir() if (path / _RECORD).exists()]
        found = [(number, self.get(number)) for number in numbers if is_number(number)]
        return sorted(found, key=lambda pair: -pair[1].created)
