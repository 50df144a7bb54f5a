"""The verb `predict`: labels for texts, by a trained model."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import OptionalDataFile
from trifold.cli.output import print_json, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import ResultSettings, TextSettings
from trifold.data.source import is_standard_input
from trifold.errors import SettingsError, require
from trifold.inference.settings import AnswerSettings, require_probability
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings

if TYPE_CHECKING:
    from trifold.methods.contract import Predictor

_SHOWN_LABELS = 10


def predict(
    run: Path,
    source: OptionalDataFile = None,
    /,
    *,
    text: str | None = None,
    answers: Annotated[AnswerSettings | None, Parameter(name="*")] = None,
    result: Annotated[ResultSettings | None, Parameter(name="*")] = None,
    reading: Annotated[TextSettings | None, Parameter(name="*")] = None,
    compute: Annotated[ComputeSettings | None, Parameter(name="*")] = None,
    llm: Annotated[LlmSettings | None, Parameter(name="*")] = None,
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
        json: Print JSON: of a text; of a file an object a line, or with --output the counts.
    """
    from trifold.data.hub import offline_data
    from trifold.events import say
    from trifold.inference.run import load_run
    from trifold.inference.stream import predict_file
    from trifold.pipeline.request import flags_of

    if (source is None) == (text is None):
        not_both = "" if text is None else ", not both"
        raise SettingsError(
            f"predict needs a file or a text{not_both}: trifold predict RUN FILE, or trifold predict RUN --text TEXT"
        )
    asked = answers or AnswerSettings()
    require_probability(asked.reject_below)
    about_files = result is not None or reading is not None
    require(text is None or not about_files, "a flag on files with --text", "leave out either")
    how = compute or ComputeSettings()
    chosen = load_run(run, how, llm)
    if text is not None:
        _predict_text(run, chosen.predictor, text, asked, json=json)
        return
    assert source is not None
    written = result or ResultSettings()
    with offline_data(how.offline):
        counts = predict_file(chosen, source, reading, written, asked, json=json)
    if json and written.output:
        print_json({"output": str(written.output), **vars(counts)})
    say(counts.in_words() + (f", written to {written.output}" if written.output else ""))
    if written.output and not asked.reject_below and not is_standard_input(source):
        # What the model is least sure of is what is worth a look.
        unsure = ("--reject-below", "0.8", "--output", written.output, "--force")
        say_next("predict", run, source, *flags_of(reading or TextSettings()), *unsure, json=json)
    else:
        say_next("evaluate", run, "LABELLED.csv", json=json)


def _predict_text(run: Path, predictor: "Predictor", text: str, answers: AnswerSettings, *, json: bool) -> None:
    """Print the labels of one text with their probabilities; ten at most unless asked for more."""
    from trifold.events import say
    from trifold.inference.answers import likeliest
    from trifold.inference.predict import NO_LABEL, predict_texts

    answers.require_usable(len(predictor.labels))
    found = predict_texts(predictor, [text], answers.reject_below)[0]
    if json:
        print_json(replace(found, probabilities=dict(likeliest(found, answers.top_k))) if answers.top_k else found)
        return
    most = answers.top_k or (len(predictor.labels) if answers.probabilities else _SHOWN_LABELS)
    for label, probability in likeliest(found, most):
        print(f"{label}  {probability:.3f}")
    if isinstance(found.label, tuple):
        print(f"labels: {', '.join(map(str, found.label)) or f'none, {NO_LABEL}'}")
    if found.label is None:
        say(f"declined: the model is less sure than {answers.reject_below:g}")
    if found.truncated:
        say("note: the text is longer than the model reads; its end was cut off")
    say_next("predict", run, "FILE.csv", "--output", "labelled.csv")
