"""The verb `predict`: labels for texts, by a trained model."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import OptionalDataFile, require_probability
from trifold.cli.output import print_json, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import TextSettings
from trifold.errors import SettingsError, require
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings

if TYPE_CHECKING:
    from trifold.methods.contract import Predictor


def predict(
    run: Path,
    source: OptionalDataFile = None,
    /,
    *,
    text: str | None = None,
    output: Path | None = None,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
    reject_below: float = 0.0,
    excel_safe: bool = False,
    json: bool = False,
) -> None:
    """Label a text, or every row of a file in its order.

    A file's columns come back with prediction, probability, truncated and error added; rows that cannot be
    read are kept and marked in the column error. The texts are read from the column that the run was trained on. A run
    of --method prompt that asks a server needs --llm again: a run folder may come from anyone, so it names neither the
    server nor the key.

    Args:
        run: Run folder of finetune or compare.
        source: CSV, TSV, JSON or Parquet file with a column of texts, or - for standard input.
        text: A single text.
        output: File for the results; standard output by default.
        reject_below: Give no label where the model is less sure than this probability.
        excel_safe: Put an apostrophe before cells that a spreadsheet would take for a formula.
        json: With --text, print JSON.
    """
    from trifold.data.hub import offline_data
    from trifold.events import say
    from trifold.formatting import counted
    from trifold.inference.run import load_run
    from trifold.inference.stream import predict_file

    if (source is None) == (text is None):
        raise SettingsError(
            "predict needs a file or a text, not both: trifold predict RUN FILE, or trifold predict RUN --text TEXT"
        )
    about_files = [output is not None, reading is not None, excel_safe]
    require(text is None or not any(about_files), "a flag on files with --text", "leave out either")
    require(text is not None or not json, "--json", "it goes with --text; the labels of a file come as CSV")
    require_probability(reject_below)
    how = compute or ComputeSettings()
    chosen = load_run(run, how, llm)
    if text is not None:
        _predict_text(run, chosen.predictor, text, reject_below, json=json)
        return
    assert source is not None
    with offline_data(how.offline):
        count = predict_file(chosen, source, output, reading or TextSettings(), reject_below, excel_safe=excel_safe)
    say(f"{counted(count, 'row')} labelled" + (f", written to {output}" if output else ""))
    say_next("evaluate", run, "LABELLED.csv")


def _predict_text(run: Path, predictor: "Predictor", text: str, reject_below: float, *, json: bool) -> None:
    """Print the labels of one text with their probabilities, ten at most."""
    from trifold.events import say
    from trifold.inference.predict import NO_LABEL, predict_texts

    found = predict_texts(predictor, [text], reject_below)[0]
    if json:
        print_json(found)
        return
    for label, probability in sorted(found.probabilities.items(), key=lambda pair: -pair[1])[:10]:
        print(f"{label}  {probability:.3f}")
    if isinstance(found.label, tuple):
        print(f"labels: {', '.join(map(str, found.label)) or f'none, {NO_LABEL}'}")
    if found.label is None:
        say(f"declined: the model is less sure than {reject_below:g}")
    if found.truncated:
        say("note: the text is longer than the model reads; its end was cut off")
    say_next("predict", run, "FILE.csv", "--output", "labelled.csv")
