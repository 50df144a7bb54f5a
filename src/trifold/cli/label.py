"""The command `label`: a language model labels the rows of a file."""

from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import DataFile
from trifold.cli.output import print_json, say_next
from trifold.data.settings import ResultSettings, TextSettings
from trifold.errors import SettingsError
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.models.settings import ComputeSettings
from trifold.terminal import printable

if TYPE_CHECKING:
    from trifold.pipeline.label_tally import Tally


def label(
    data: DataFile,
    /,
    *,
    label_as: str = "label",
    true_column: str | None = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
    prompting: Annotated[PromptingSettings | None, Parameter(name="*")] = None,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    result: Annotated[ResultSettings | None, Parameter(name="*")] = None,
    dry_run: bool = False,
    json: bool = False,
) -> None:
    """Label the rows of a file with a language model, each with a confidence.

    The file's columns come back with label, confidence and error added. A prompt with two variables labels pairs of
    texts. finetune on the result then says how far the small model is from its teacher, and what each costs.

    Args:
        data: CSV, TSV, JSON or Parquet file with a column of texts, or - for standard input.
        label_as: Name of the column with the labels.
        true_column: Column with true labels, to count how often the model is right.
        dry_run: Print a forecast of the cost and make no call.
        json: Print JSON lines instead of CSV; with --output, print the counts as JSON.
    """
    from trifold.cli.prompt_files import print_estimate
    from trifold.data.split import FEWEST_ROWS
    from trifold.pipeline.label import LabelRequest, expect, label_file

    asked, written = llm or LlmSettings(), result or ResultSettings()
    request = LabelRequest(
        data,
        reading or TextSettings(),
        asked,
        prompting or PromptingSettings(),
        compute or ComputeSettings(),
        label_as,
        true_column,
        written,
    )
    if request.prompting.shots:
        raise SettingsError("--shots needs labelled rows to choose from, and label has none: put examples in --prompt")
    if dry_run:
        print_estimate(expect(request), asked, json=json)
        return
    tally = label_file(request, json=json)
    output = written.output
    if json and output:
        print_json({"output": str(output), **tally.described(asked)})
    _tell(tally, true_column)
    if output and not json:
        print(output)
    if tally.labelled >= FEWEST_ROWS:
        say_next("finetune", output or "LABELLED.csv", "--label-column", label_as, json=json)
    else:
        say_next("log", *(("--log", asked.log) if asked.log else ()), json=json)


def _tell(tally: "Tally", true_column: str | None) -> None:
    """Say how many rows were labelled, how many agree with the true labels, and what was left out."""
    from trifold.events import say
    from trifold.formatting import counted

    say(
        f"{counted(tally.labelled, 'row')} labelled"
        + (f", {tally.failed:,} without a usable answer" if tally.failed else "")
        + (f", {tally.unusable:,} unreadable" if tally.unusable else "")
        + (f"; {counted(tally.spent.from_log, 'answer')} came from the log" if tally.spent.from_log else "")
    )
    if tally.known or tally.unknown:
        without = f"; {counted(tally.unknown, 'labelled row')} have no true label" if tally.unknown else ""
        say(f"{tally.agreeing:,} of {tally.known:,} agree with {true_column}{without}")
    if tally.truncated:
        longer = "text was" if tally.truncated == 1 else "texts were"
        say(f"note: {tally.truncated:,} {longer} longer than the model reads; the end was cut off")
    if tally.unasked:
        way_out = "the same command with a higher limit and --force asks for them alone"
        say(f"{printable(tally.stopped_by)}, and {tally.unasked:,} rows were left out: {way_out}")
