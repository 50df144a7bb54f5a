"""The `trifold` command: verbs, help, exit codes.

Verbs are imported only when they run, so that `trifold --help` does not wait for PyTorch.
"""

import io
import json
import os
import re
import signal
import sys
import tomllib
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO

from cyclopts import App, CycloptsError
from cyclopts.config import Toml

from trifold.child_process import end_with_parent
from trifold.errors import SettingsError, TrifoldError
from trifold.system_errors import fault_of
from trifold.terminal import printable
from trifold.version import VERSION

if TYPE_CHECKING:
    from typing_extensions import Buffer

_HELP = """Every way to adapt a language model to your texts, compared on your data.

Start with: trifold compare movie.csv
"""
# What no file of flags may say, in any spelling of its name.
_ONLY_A_PERSON = {"apikeyenv": "api-key-env", "trustremotecode": "trust-remote-code"}
_INTERRUPTED = 130
_TERMINATED = 143

app = App(name="trifold", help=_HELP, version=VERSION, help_format="plaintext", result_action="return_value")
_VERBS = (
    (
        "check",
        "trifold.cli.check:check",
        "Report on a data file before anything is trained on it.",
        ("trifold check movie.csv", "trifold check movie.csv --label-column sentiment --json"),
    ),
    (
        "compare",
        "trifold.cli.train:compare",
        "Try every method on one split and say which to ship.",
        ("trifold compare movie.csv", "trifold compare movie.csv --methods tfidf,features --time-limit 10"),
    ),
    (
        "finetune",
        "trifold.cli.train:finetune",
        "Train one method and write a run folder.",
        ("trifold finetune movie.csv --method features", "trifold finetune movie.csv --method full --epochs 2"),
    ),
    (
        "evaluate",
        "trifold.cli.predict:evaluate",
        "Measure a trained model on labelled rows, with 95 % intervals.",
        ("trifold evaluate RUN fresh.csv", "trifold evaluate RUN fresh.csv --json"),
    ),
    (
        "predict",
        "trifold.cli.predict:predict",
        "Label a text, or every row of a file in its order.",
        ('trifold predict RUN --text "A quiet, wonderful film."', "trifold predict RUN new.csv --output labelled.csv"),
    ),
    (
        "embed",
        "trifold.cli.embed:embed",
        "Turn texts into vectors: a file of them, or one.",
        ("trifold embed minilm new.csv --output vectors.npy", 'trifold embed minilm --text "A quiet film."'),
    ),
    (
        "export",
        "trifold.cli.export:export",
        "Write a run as an ONNX graph, in 8-bit integers if held-out rows allow it.",
        ("trifold export RUN", "trifold export RUN --int8 --max-drop 0.5"),
    ),
    (
        "bench",
        "trifold.cli.export:bench",
        "Measure how fast a run is on this machine, by each engine.",
        ("trifold bench RUN", "trifold bench RUN new.csv --json"),
    ),
    (
        "pretrain",
        "trifold.cli.language_model:pretrain",
        "Learn from unlabelled text: hidden words or next words.",
        ("trifold pretrain reviews.txt --time-limit 45", "trifold pretrain --show 'I am a data scientist'"),
    ),
    (
        "fill-mask",
        "trifold.cli.language_model:fill_mask",
        "Name the words hidden behind [MASK].",
        ("trifold fill-mask RUN 'The film was [MASK].'", "trifold fill-mask RUN 'A [MASK] cast.' --top-k 10 --json"),
    ),
    (
        "generate",
        "trifold.cli.language_model:generate",
        "Go on with a text.",
        (
            "trifold generate RUN 'Once upon a time' --max-new-tokens 60",
            "trifold generate RUN 'how to' --num-return-sequences 5 --stop '.'",
        ),
    ),
    (
        "perplexity",
        "trifold.cli.language_model:perplexity",
        "How well a language model knows a text.",
        ("trifold perplexity RUN held-out.txt", "trifold perplexity RUN books.parquet --json"),
    ),
    (
        "label",
        "trifold.cli.label:label",
        "Label the rows of a file with a language model.",
        (
            "trifold label new.csv --llm hf:FOLDER --prompt sentiment.toml --output labelled.csv",
            "trifold label new.csv --llm openai:http://localhost:8000/v1#my-model --prompt sentiment.toml --dry-run",
        ),
    ),
    (
        "log",
        "trifold.cli.log:log",
        "Show what language models were sent and what they answered.",
        ("trifold log", "trifold log 12"),
    ),
    (
        "cache",
        "trifold.cli.cache:cache",
        "Show what frozen backbones computed and was kept, or clear it.",
        ("trifold cache", "trifold cache --clear"),
    ),
    (
        "demo",
        "trifold.cli.train:demo",
        "Compare all methods on the reviews that come with Trifold.",
        ("trifold demo", "trifold demo --output-dir demo"),
    ),
)
_PROMPT_VERBS = (
    (
        "show",
        "trifold.cli.prompt_files:show",
        "Print exactly what is sent.",
        (
            'trifold prompt show sentiment.toml --var text="A quiet film."',
            "trifold prompt show sentiment.toml --var-file text=review.txt --llm hf:FOLDER",
        ),
    ),
    (
        "run",
        "trifold.cli.prompt_files:run",
        "Send a prompt and print the answer.",
        (
            'trifold prompt run sentiment.toml --var text="A quiet film." --llm hf:FOLDER',
            "trifold prompt run summary.toml --var-file text=a.txt --llm openai:http://localhost:8000/v1#my-model",
        ),
    ),
    (
        "chat",
        "trifold.cli.chat:chat",
        "Talk to a language model; the prompt file says how it begins.",
        (
            "trifold prompt chat interviewer.toml --var topic=SQL --llm hf:FOLDER",
            "trifold prompt chat interviewer.toml --var topic=SQL --llm openai:http://localhost:8000/v1#my-model",
        ),
    ),
    (
        "diff",
        "trifold.cli.prompt_files:diff",
        "Show what differs between two prompt files.",
        ("trifold prompt diff old.toml new.toml", "trifold prompt diff old.toml new.toml --json"),
    ),
    (
        "write",
        "trifold.cli.prompt_files:write",
        "Have a language model write a prompt file from a wish.",
        (
            'trifold prompt write "sort support mail by urgency" --llm hf:FOLDER',
            'trifold prompt write "plan a week of meals" --output meals.toml --llm hf:FOLDER',
        ),
    ),
    (
        "improve",
        "trifold.cli.prompt_files:improve",
        "Try other instructions and examples on validation rows; keep the best.",
        (
            "trifold prompt improve sentiment.toml movie.csv --llm hf:FOLDER",
            "trifold prompt improve sentiment.toml movie.csv --llm hf:FOLDER --candidates 8 --dry-run",
        ),
    ),
)
prompt = App(name="prompt", help="Work with prompt files: show, run, chat, diff, write, improve.")
app.command(prompt)
for _app, _verbs in ((app, _VERBS), (prompt, _PROMPT_VERBS)):
    for _verb, _target, _summary, _examples in _verbs:
        _shown = "Examples:\n" + "\n".join(f"  {example}" for example in _examples)
        _app.command(_target, name=_verb, help=_summary, help_epilogue=_shown)


def main() -> NoReturn:
    """Run the command line of this process and exit: 0 done, 2 the user's mistake, 130 interrupted."""
    # As for Ctrl-C, what was begun is cleared away.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(_TERMINATED))
    end_with_parent()
    _open_streams()
    sys.unraisablehook = _unraisable
    code = run(sys.argv[1:])
    if _flush() is not None:
        # It was told, or is no fault. Python would try again while it ends, and fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code)


def run(arguments: list[str]) -> int:
    """Run a verb; its exit code."""
    code = _run(arguments)
    unprinted = _flush()
    if unprinted is None or isinstance(unprinted, BrokenPipeError):
        # The reader of our output, `head` say, may have had enough.
        return code
    print(f"trifold: what was printed could not be written: {fault_of(unprinted)}", file=sys.stderr)
    return code or TrifoldError.exit_code


def _run(arguments: list[str]) -> int:
    try:
        code = app(_take_config(arguments), exit_on_error=False, print_error=False)
    except TrifoldError as error:
        return _refuse(arguments, str(error), type(error).__name__)
    except CycloptsError as error:
        sentence = " ".join(str(error).split()).rstrip("., ")
        return _refuse(arguments, f"{sentence} (see --help)", "SettingsError")
    except KeyboardInterrupt:
        print("trifold: stopped", file=sys.stderr)
        return _INTERRUPTED
    except SystemExit as wanted:
        # Rich, which prints help, makes an exit of its own of a reader that has had enough.
        code = 0 if isinstance(_Results.failure, BrokenPipeError) else wanted.code
    except Exception as error:
        if isinstance(error, OSError) and _flush():
            # It was standard output that failed, of which `run` tells.
            return 0
        fault = fault_of(error)
        if fault is None:
            raise
        return _refuse(arguments, fault, "MachineError")
    return code if isinstance(code, int) else 0


def _refuse(arguments: list[str], sentence: str, error_type: str) -> int:
    print(printable(f"trifold: {sentence}"), file=sys.stderr)
    if "--json" in arguments:
        with suppress(OSError):
            print(json.dumps({"error": sentence, "error_type": error_type}))
    return TrifoldError.exit_code


def _flush() -> OSError | None:
    """Hand on what was printed; why that, or an earlier part of it, failed."""
    try:
        sys.stdout.flush()
    except OSError as error:
        return error
    return _Results.failure


def _open_streams() -> None:
    """Streams for a process that was started without, and a standard error that never ends a command.

    Writing to a standard output that was closed fails, so that what was printed is not lost in silence.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    sys.stdout = _like(sys.stdout, _Results(sys.stdout.fileno(), "w", closefd=False))
    sys.stderr = _like(sys.stderr, _Messages(sys.stderr.fileno(), "w", closefd=False))


def _like(stream: TextIO, raw: io.FileIO) -> io.TextIOWrapper:
    """A stream that is written as another one is, through `raw`."""
    assert isinstance(stream, io.TextIOWrapper)
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=stream.encoding,
        # What an encoding other than UTF-8 lacks is written as Python spells it, rather than not at all.
        errors="backslashreplace" if stream.errors == "strict" else stream.errors,
        # PYTHONUNBUFFERED asks for this one.
        line_buffering=stream.line_buffering or stream.write_through,
    )


class _Results(io.FileIO):
    """Standard output, which remembers that it failed: an exception from anywhere may be that of another file.

    Attributes:
        failure: Why.
    """

    failure: OSError | None = None

    def write(self, data: "Buffer") -> int:
        try:
            return super().write(data)
        except OSError as error:
            _Results.failure = error
            raise


class _Messages(io.FileIO):
    """Standard error: a message that cannot be written is no reason to lose hours of work."""

    def write(self, data: "Buffer") -> int:
        with suppress(OSError):
            return super().write(data)
        return memoryview(data).nbytes


def _unraisable(fault: "sys.UnraisableHookArgs") -> None:
    """What goes wrong while objects are taken apart; that a disk is full was told once already."""
    if fault.exc_value is None or fault_of(fault.exc_value) is None:
        sys.__unraisablehook__(fault)


def _take_config(arguments: list[str]) -> list[str]:
    """Take `--config FILE` out of the arguments; its TOML values serve where the command line is silent."""
    if "--config" not in arguments:
        return arguments
    place = arguments.index("--config")
    path = Path(arguments[place + 1]) if place + 1 < len(arguments) else None
    if path is None or not path.is_file():
        raise TrifoldError(f"there is no file {path}: give --config a TOML file")
    _refuse_what_only_a_person_says(path)
    app.config = [Toml(path, must_exist=True, use_commands_as_keys=False, allow_unknown=False)]
    return arguments[:place] + arguments[place + 2 :]


def _refuse_what_only_a_person_says(path: Path) -> None:
    """A file of flags can be passed on: who gets texts, with which key, and whose code runs, is not for it to say.

    Raises:
        SettingsError: If the file says it, or is no TOML.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        named = _outward(values)
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is no TOML that can be read ({error}): mend it") from None
    if named:
        raise SettingsError(f"{path} sets {named}, which no file that can be passed on may: give --{named} itself")
    tables = [name for name, value in values.items() if isinstance(value, dict)]
    if tables:
        raise SettingsError(
            f"{path} has the table [{tables[0]}], which no command reads: write its flags without a table"
        )


def _outward(value: Any) -> str | None:
    """The flag among nested values that names a server or the variable with its key, or lets foreign code run."""
    if isinstance(value, list):
        return next(filter(None, map(_outward, value)), None)
    if not isinstance(value, dict):
        return None
    for name, inner in value.items():
        flag = re.sub("[-_]", "", name).lower()
        if flag in _ONLY_A_PERSON or (flag == "llm" and str(inner).startswith("openai:")):
            return str(_ONLY_A_PERSON.get(flag, flag))
        if found := _outward(inner):
            return found
    return None
