"""Run a prompt on every row of a file: its columns fill the variables, and the answers come back as one more."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from trifold.data.columns import Columns, unusable_text
from trifold.data.examples import open_rows
from trifold.data.open_file import open_table
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.table import ResultTable
from trifold.errors import PromptError, SettingsError, require
from trifold.events import track
from trifold.formatting import counted
from trifold.inference.answers import ERROR
from trifold.inference.stream import counting_unreadable, label_rows, require_result, write_labelled
from trifold.llm.call_log import IN_LOG
from trifold.llm.client import Failure
from trifold.llm.contract import Sampling
from trifold.llm.cost_estimate import Estimate
from trifold.llm.prompt_template import Conversation, Prompt
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import Spent
from trifold.models.answer_length import why_empty
from trifold.pipeline.prompt_files import Session, is_json
from trifold.types import BadRow, Record, Text


@dataclass(frozen=True)
class RowsRequest:
    """What is asked of each row.

    Attributes:
        prompt: The prompt.
        given: Values of variables that are the same for every row.
        data: The file.
        reading: How the file is read.
        column: Name of the column with the answers.
        result: Where to write.
    """

    prompt: Prompt
    given: Mapping[str, str]
    data: Path
    reading: TextSettings = field(default_factory=TextSettings)
    column: str = "answer"
    result: ResultSettings = field(default_factory=ResultSettings)


@dataclass
class AnswerCounts:
    """How it went, counted while the rows stream by.

    Attributes:
        answered: Rows that got an answer.
        failed: Rows for which the model gave none, or an empty one.
        unasked: Rows that the budget did not reach.
        unreadable: Rows whose variables cannot be filled.
        spent: Calls and tokens of the model.
        stopped_by: Which limit was reached, in words; empty where none was.
    """

    answered: int = 0
    failed: int = 0
    unasked: int = 0
    unreadable: int = 0
    spent: Spent = field(default_factory=Spent)
    stopped_by: str = ""

    def in_words(self) -> str:
        """Such as `9,990 rows answered, 3 unreadable`."""
        others = {"without an answer": self.failed, "unreadable": self.unreadable, "left out": self.unasked}
        return ", ".join(
            [f"{counted(self.answered, 'row')} answered", *(f"{n:,} {what}" for what, n in others.items() if n)]
        )

    def described(self, llm: LlmSettings) -> dict[str, object]:
        """For JSON: the counts, and what the answers cost."""
        money = self.spent.money(llm.prices)
        counts = {name: getattr(self, name) for name in ("answered", "failed", "unasked", "unreadable")}
        tokens = {name: getattr(self.spent, name) for name in ("calls", "from_log", "prompt_tokens", "answer_tokens")}
        return {**counts, **tokens, **({} if money is None else {"money": money})}


class _Filling:
    """Which columns fill which variables.

    Args:
        request: The prompt and the file.

    Raises:
        PromptError: If a variable is filled by nothing, or all are filled already.
        DataError: If the file cannot be read.
    """

    def __init__(self, request: RowsRequest) -> None:
        asked, given = request.prompt, request.given
        unknown = sorted(set(given) - set(asked.variables))
        if unknown:
            raise PromptError(f"the prompt has no variable {unknown[0]}: it has {', '.join(asked.variables) or 'none'}")
        reading = request.reading
        columns = open_table(request.data, reading.encoding, 1, reading.header, asked.variables).columns
        still_open = [name for name in asked.variables if name not in given]
        required = [name for name in still_open if asked.variables[name].default is None]
        self.by_name = [name for name in still_open if name in columns]
        missing = [name for name in required if name not in self.by_name]
        if reading.text_column:
            missing = missing or (["text"] if "text" in still_open else required)
        if len(missing) > 1 or not (missing or self.by_name):
            lacking = f"no column for {' and '.join(missing)}" if missing else "no column that fills a variable"
            raise PromptError(
                f"{request.data} has {lacking}: its columns must be called like the prompt's variables "
                f"({', '.join(asked.variables) or 'it has none'}); --text-column fills one, --var NAME=VALUE the others"
            )
        self.by_text = missing[0] if missing else None
        self.by_name = [name for name in self.by_name if name != self.by_text]
        # The columns that a row must have a text in.
        own = reading.text_column or (None if self.by_text else ",".join(self.by_name))
        self.reading = replace(reading, text_column=own)

    def values(self, row: Record, text: Text) -> dict[str, str]:
        """Values of the variables for a row.

        Raises:
            PromptError: If one is empty.
        """
        found = {self.by_text: str(text)} if self.by_text else {}
        for name in self.by_name:
            value = row.values[name]
            found[name] = value if isinstance(value, str) else "" if value is None else str(value)
            if unusable_text(found[name]):
                raise PromptError(f"column {name!r} is empty")
        return found


def answer_rows(session: Session, request: RowsRequest, *, json: bool = False) -> AnswerCounts:
    """Write the file's rows with an answer and an error each; rows keep their order.

    Answers are in the log as they come: after a stop, the same command asks for the rest alone.

    Args:
        session: The language model.
        request: The prompt and the file.
        json: Whether standard output gets JSON lines instead of CSV.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    require_result(request.result, request.data, json=json)
    require(request.column != ERROR, f"--answer-as {ERROR}", "errors are written there, so give another")
    filling = _Filling(request)
    source, columns, rows = open_rows(request.data, filling.reading)
    source.tell()
    if filling.by_text:
        columns.tell()
    table = ResultTable(source, {request.column: str, ERROR: str})
    table.require_new("answers")
    counts = AnswerCounts()
    asking = _Asking(session, request, filling, counts)
    told = label_rows(counting_unreadable(rows, counts), columns, asking.answer)
    write_labelled(told, table, request.result, json=json, kept=IN_LOG)
    counts.spent = session.client.budget.spent
    return counts


def expect_rows(session: Session, request: RowsRequest) -> Estimate:
    """What `answer_rows` would cost.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    filling = _Filling(request)
    _, columns, rows = open_rows(request.data, filling.reading)
    sampling = _numbered(session.sampling)
    asked = (one for row in rows if (one := _conversation(request, filling, row, columns)) is not None)
    return session.client.expect([(conversation, sampling) for conversation in asked])


class _Asking:
    """A language model as a `RowLabeller`, which counts how it went."""

    def __init__(self, session: Session, request: RowsRequest, filling: _Filling, counts: AnswerCounts) -> None:
        self._session, self._request, self._filling, self._counts = session, request, filling, counts

    def answer(self, rows: Sequence[Record], texts: Sequence[Text]) -> Iterator[dict[str, object]]:
        """See `RowLabeller`."""
        found: list[dict[str, object]] = [{} for _ in rows]
        asked: list[tuple[int, Conversation]] = []
        for place, (row, text) in enumerate(zip(rows, texts, strict=True)):
            try:
                values = {**self._request.given, **self._filling.values(row, text)}
                asked.append((place, self._request.prompt.render(values)))
            except PromptError as error:
                self._counts.unreadable += 1
                found[place] = {ERROR: f"line {row.line}: {error}"}
        client, sampling = self._session.client, _numbered(self._session.sampling)
        if asked:
            self._session.say_if_untaught()
        with (
            track(f"{client.model.name} writes {counted(len(asked), 'answer')}", len(asked)) as advance,
            closing(client.ask_all([one for _, one in asked], [sampling] * len(asked))) as answers,
        ):
            for number, answer in answers:
                advance(1)
                place, conversation = asked[number]
                if isinstance(answer, Failure):
                    self._count_failure(answer)
                    found[place] = {ERROR: answer.reason}
                elif not answer.text.strip():
                    self._counts.failed += 1
                    limit = client.model.room(conversation, sampling.max_tokens)
                    stopped = None if sampling.stop else False
                    why = why_empty(answer.text, answer.answer_tokens, limit, "--max-tokens", stopped=stopped)
                    found[place] = {ERROR: why.removeprefix("note: ")}
                elif sampling.json_schema is not None and not is_json(answer.text):
                    self._counts.failed += 1
                    found[place] = {self._request.column: answer.text, ERROR: "the answer is no JSON"}
                else:
                    self._counts.answered += 1
                    found[place] = {self._request.column: answer.text}
        yield from found

    def _count_failure(self, failure: Failure) -> None:
        if failure.unasked:
            self._counts.unasked += 1
            self._counts.stopped_by = failure.reason
        else:
            self._counts.failed += 1


def _conversation(
    request: RowsRequest, filling: _Filling, row: Record | BadRow, columns: Columns
) -> Conversation | None:
    if isinstance(row, BadRow):
        return None
    try:
        return request.prompt.render({**request.given, **filling.values(row, columns.usable_text(row.values))})
    except PromptError:
        return None


def _numbered(sampling: Sampling) -> Sampling:
    """Sampled answers with a number, so that those in the log are found again after a stop."""
    return replace(sampling, vote=1) if sampling.temperature else sampling


def require_rows(data: Path | None, **of_rows: object) -> None:
    """Refuse flags that are about the rows of a file, where there is none.

    Raises:
        SettingsError: If one is given.
    """
    named = next((name for name, value in of_rows.items() if value), None)
    if data is None and named:
        raise SettingsError(f"{named} is about the rows of a file: name it with --file, or leave that out")
