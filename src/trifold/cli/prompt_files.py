"""Verbs on prompt files: `prompt show`, `run`, `chat`, `diff`, `write`, `improve`."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import OptionalDataFile
from trifold.cli.output import print_json, print_piece, say_next
from trifold.data.settings import DataSettings, ResultSettings, TextSettings
from trifold.errors import PromptError, require
from trifold.llm.settings import LlmSettings, VariableSettings
from trifold.models.settings import ComputeSettings
from trifold.terminal import printable

if TYPE_CHECKING:
    from trifold.llm.cost_estimate import Estimate
    from trifold.llm.prompt_template import Conversation
    from trifold.pipeline.prompt_files import Session

Variables = Annotated[VariableSettings | None, Parameter(name="*")]
Llm = Annotated[LlmSettings | None, Parameter(name="*")]
Compute = Annotated[ComputeSettings | None, Parameter(name="*")]


def show(
    file: Path,
    /,
    *,
    variables: Variables = None,
    llm: Llm = None,
    compute: Compute = None,
    json: bool = False,
) -> None:
    """Print exactly what would be sent; with --llm hf:… in the model's own chat format.

    Args:
        file: Prompt file.
        json: Print the messages as JSON.
    """
    from trifold.pipeline.prompt_files import Session, fill_in
    from trifold.pipeline.request import flags_of

    conversation = fill_in(file, variables)
    if json:
        print_json([vars(message) for message in conversation])
    elif llm and llm.llm:
        session = Session(llm, compute or ComputeSettings())
        print(printable(session.shown(conversation)))
        _say_tokens(session, conversation)
    else:
        print(printable("\n\n".join(f"[{message.role}]\n{message.content}" for message in conversation)))
    flags = tuple(flags_of(llm)) if llm and llm.llm else ("--llm", "gemma-270m")
    say_next("prompt", "run", file, *flags, json=json)


def run(
    file: Path,
    /,
    *,
    data: Annotated[OptionalDataFile, Parameter(name="--file")] = None,
    answer_as: str | None = None,
    variables: Variables = None,
    llm: Llm = None,
    compute: Compute = None,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    result: Annotated[ResultSettings | None, Parameter(name="*")] = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Send a prompt and print the answer; with --file, send it for every row of a file.

    The columns of the file fill the variables that are called like them, and --text-column the one that is left. The
    rows come back with answer and error added. Answers are logged as they come: the same command goes on after a stop.

    Args:
        file: Prompt file.
        data: CSV, TSV, JSON or Parquet file whose rows fill the variables, or - for standard input.
        answer_as: Name of the column with the answers; answer by default.
        dry_run: Print a forecast of the cost and make no call.
        json: Print the answer with its cost as JSON; of a file JSON lines, and with --output the counts.
    """
    from trifold.cli.prompt_rows import run_on_rows
    from trifold.llm.prompt_file import read_prompt
    from trifold.pipeline.prompt_files import Session
    from trifold.pipeline.prompt_rows import RowsRequest, require_rows
    from trifold.pipeline.request import flags_of

    require_rows(data, reading=reading, result=result, answer_as=answer_as)
    prompt, values = read_prompt(file), variables.read() if variables else {}
    asked = llm or LlmSettings()
    if data is not None:
        request = RowsRequest(
            prompt, values, data, reading or TextSettings(), answer_as or "answer", result or ResultSettings()
        )
        run_on_rows(Session(asked, compute or ComputeSettings(), prompt), request, dry_run=dry_run, json=json)
        return
    conversation = prompt.render(values)
    session = Session(asked, compute or ComputeSettings(), prompt)
    if dry_run:
        print_estimate(session.expect(conversation), asked, json=json)
        return
    # On a terminal the answer is read while it is written; a pipe gets it whole, or not at all.
    streaming = sys.stdout.isatty() and not json
    answer = session.ask(conversation, print_piece if streaming else None)
    if json:
        price = asked.prices
        money = {"money": price.of(answer.prompt_tokens, answer.answer_tokens)} if price else {}
        print_json({"answer": answer.text, **{n: v for n, v in vars(answer).items() if n != "text"}, **money})
    else:
        print() if streaming else print(printable(answer.text))
        say_next("prompt", "improve", file, "DATA.csv", *flags_of(asked))


def diff(first: Path, second: Path, /, *, json: bool = False) -> int:
    """Show the differences between two prompt files; the exit code is 1 if there are any.

    Args:
        first: Prompt file.
        second: Prompt file to compare with it.
        json: Print the lines of the difference as JSON.
    """
    from trifold.llm.prompt_file import read_prompt
    from trifold.pipeline.prompt_files import diff_prompts

    found = diff_prompts(read_prompt(first), read_prompt(second), (str(first), str(second)))
    if json:
        print_json({"equal": not found, "diff": found.splitlines()})
    elif found:
        print(printable(found), end="")
    else:
        print("the two say the same")
    say_next("prompt", "show", second, json=json)
    return 1 if found else 0


def write(
    wish: str,
    /,
    *,
    output: Path | None = None,
    force: bool = False,
    edit: bool | None = None,
    llm: Llm = None,
    compute: Compute = None,
    json: bool = False,
) -> None:
    """Have a language model write a prompt file from a wish, then open it in $EDITOR.

    Args:
        wish: What the prompt is for, in your words.
        output: File for the prompt; standard output by default.
        force: Overwrite --output where it is there already.
        edit: Open the file in $EDITOR; the default if --output is given and standard input is a terminal.
        json: Print the prompt's text as JSON.
    """
    from trifold.artifact.run_folder import require_free_file
    from trifold.events import say
    from trifold.llm.prompt_file import format_prompt, read_prompt
    from trifold.pipeline.prompt_files import Session, save_prompt, write_prompt

    require(output is not None or not force, "--force without --output", "name the file")
    require_free_file(output, force=force)
    prompt = write_prompt(Session(llm or LlmSettings(), compute or ComputeSettings()), wish)
    if output:
        save_prompt(prompt, output, force=force)
        editor = os.environ.get("EDITOR")
        if editor and (sys.stdin.isatty() if edit is None else edit):
            _edit(editor, output)
            prompt = read_prompt(output)
        say(f"written to {output}")
    if json:
        print_json({"prompt": format_prompt(prompt), "file": str(output) if output else None})
    elif not output:
        print(printable(format_prompt(prompt)), end="")
    else:
        print(output)
    say_next("prompt", "show", output or "PROMPT.toml", json=json)


def improve(
    file: Path,
    data: Path,
    /,
    *,
    output: Path | None = None,
    force: bool = False,
    candidates: int = 4,
    rows: int = 100,
    reading: Annotated[DataSettings | None, Parameter(name="*")] = None,
    label_description: tuple[str, ...] = (),
    llm: Llm = None,
    compute: Compute = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Try other instructions and examples on validation rows, and keep the prompt that does best.

    The language model writes new instructions from the task and from mistakes on training rows. Test rows are left
    untouched, so that the result can still be measured.

    Args:
        file: Prompt file for a labelling task.
        data: CSV, TSV, JSONL or Parquet file with texts and labels.
        output: File for the better prompt; FILE.improved.toml by default.
        force: Overwrite it where it is there already.
        candidates: Number of new instructions that the model writes and that are tried.
        rows: Validation rows that each candidate is scored on, and training rows whose mistakes are shown.
        label_description: LABEL="what the prompt calls it"; may be given for each label.
        dry_run: Print a forecast of the cost and make no call.
        json: Print JSON instead.
    """
    from trifold.artifact.run_folder import require_free_file
    from trifold.llm.prompt_file import read_prompt
    from trifold.methods.settings import LabelSettings
    from trifold.pipeline.improve_prompt import Improving
    from trifold.pipeline.prompt_files import diff_prompts, save_prompt
    from trifold.pipeline.request import flags_of

    asked = llm or LlmSettings()
    target = output or file.with_name(f"{file.stem}.improved.toml")
    if not dry_run:
        require_free_file(target, file, data, force=force)
    described = LabelSettings(label_description=label_description)
    improving = Improving(
        read_prompt(file), data, reading or DataSettings(), described, asked, compute or ComputeSettings(), rows
    )
    if dry_run:
        print_estimate(improving.expect(candidates), asked, json=json)
        return
    found = improving.run(candidates)
    changes = diff_prompts(found.before.prompt, found.best.prompt, (str(file), str(target)))
    if changes:
        save_prompt(found.best.prompt, target, force=force)
    if json:
        scores = [{"candidate": one.name, "right": one.right, "of": one.rows} for one in found.tried]
        print_json({"prompt": str(target if changes else file), "tried": scores, "diff": changes.splitlines()})
        return
    for one in found.tried:
        print(f"{one.right:>4} of {one.rows} right  {one.name}{'  <- kept' if one is found.best else ''}")
    print(f"\n{printable(changes)}" if changes else f"\nnothing did better than {file}, so {target} is not written")
    print(target if changes else file)
    flags = [flag for one in (reading or DataSettings(), described, asked) for flag in flags_of(one)]
    say_next("finetune", data, "--method", "prompt", "--prompt", target if changes else file, *flags)


def _edit(editor: str, path: Path) -> None:
    try:
        subprocess.run([*shlex.split(editor), str(path)], check=False)  # noqa: S603 - the user's own editor
    except (OSError, ValueError) as error:
        raise PromptError(
            f"{path} is written, but $EDITOR, {editor!r}, cannot be started ({error}): correct it"
        ) from None


def print_estimate(estimate: "Estimate", asked: LlmSettings, *, json: bool) -> None:
    """Print the forecast of `--dry-run`: calls, tokens, time and money."""
    from trifold.formatting import duration

    money = estimate.money(asked.prices)
    if json:
        print_json({**vars(estimate), **({} if money is None else {"money": money})})
        return
    about = "" if estimate.exact_tokens else "about "
    print(
        f"calls          {estimate.calls:,}"
        + (f" ({estimate.from_log:,} more from the log)" if estimate.from_log else "")
    )
    print(f"prompt tokens  {about}{estimate.prompt_tokens:,}")
    print(f"answer tokens  about {estimate.answer_tokens:,}")
    print(f"time           about {duration(estimate.seconds)}, going by {estimate.basis}")
    print("money          " + (f"about {money:,.4g}" if money is not None else "unknown: give --price PROMPT,ANSWER"))


def _say_tokens(session: "Session", conversation: "Conversation") -> None:
    from trifold.events import say

    model = session.client.model
    say(f"{'' if model.counts_exactly else 'about '}{model.count_tokens(conversation):,} tokens")
