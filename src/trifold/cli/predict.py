"""The verb `predict`: labels for texts, by a trained model."""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from trifold.cli.inputs import OptionalDataFile, require_one
from trifold.cli.output import print_json, say_next
from trifold.cli.output import print_text as print
from trifold.data.settings import ResultSettings, RunTextSettings
from trifold.data.source import is_standard_input
from trifold.errors import DataError, SettingsError, require
from trifold.inference.settings import AnswerSettings, require_probability
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings
from trifold.types import Text, TextPair

if TYPE_CHECKING:
    from trifold.data.recorded_columns import RecordedColumns
    from trifold.inference.stream import Counts
    from trifold.methods.contract import Predictor

_SHOWN_LABELS = 10


def predict(
    run: Path,
    source: OptionalDataFile = None,
    /,
    *,
    text: str | None = None,
    text_pair: str | None = None,
    answers: Annotated[AnswerSettings | None, Parameter(name="*")] = None,
    result: Annotated[ResultSettings | None, Parameter(name="*")] = None,
    reading: Annotated[RunTextSettings | None, Parameter(name="*")] = None,
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
        run: Run folder of finetune or compare, or USER/NAME of one on the hub.
        source: CSV, TSV, JSON or Parquet file with a column of texts, or - for standard input.
        text: A single text.
        text_pair: The second text of a pair, whose first is --text; for a run of --task pairs or similarity.
        json: Print JSON: of a text; of a file an object a line, or with --output the counts.
    """
    from trifold.data.hub import offline_data
    from trifold.data.recorded_columns import RecordedColumns
    from trifold.events import say
    from trifold.inference.run import load_run
    from trifold.inference.similarity import is_similarity_run
    from trifold.inference.stream import predict_file
    from trifold.pipeline.request import flags_of

    require_one(
        "predict needs a file or a text", "trifold predict RUN FILE, or trifold predict RUN --text TEXT", source, text
    )
    asked = answers or AnswerSettings()
    require_probability(asked.reject_below)
    require(text is not None or text_pair is None, "--text-pair without --text", "give both texts of the pair")
    about_files = result is not None or reading is not None
    require(text is None or not about_files, "a flag on files with --text", "leave out either")
    how = compute or ComputeSettings()
    if is_similarity_run(run, offline=how.offline):
        require(answers is None and llm is None, "a flag on labels", "this run gives scores, leave it out")
        pair = None if text is None else (text, text_pair)
        _predict_similarity(run, pair, source, result or ResultSettings(), reading, how, json=json)
        return
    chosen, whom = load_run(run, how, llm), tuple(flags_of(llm or LlmSettings()))
    if text is not None:
        chosen.require_kind(given := text if text_pair is None else TextPair(text, text_pair))
        _predict_text(chosen.predictor, given, asked, json=json)
        say_next("predict", run, "FILE.csv", *whom, "--output", "labelled.csv", json=json)
        return
    assert source is not None
    written = result or ResultSettings()
    with offline_data(how.offline):
        counts = predict_file(chosen, source, reading, written, asked, json=json)
    if json and written.output:
        print_json({"output": str(written.output), **vars(counts)})
    say(counts.in_words() + (f", written to {written.output}" if written.output else ""))
    _say_if_most_declined(counts, asked)
    further, about = (*whom, *flags_of(how)), reading or RunTextSettings()
    surer = _unsure_declined(source, asked, written)
    if surer:
        say_next("predict", run, source, *flags_of(about), *further, *surer, json=json)
    else:
        _say_evaluate(run, RecordedColumns.recorded(chosen.record.as_json()), written, about, further, json=json)


def _say_if_most_declined(counts: "Counts", asked: AnswerSettings) -> None:
    from trifold.events import say

    if counts.declined > counts.labelled:
        rows = "most rows" if counts.labelled else "all rows"
        say(f"note: the model is less sure than {asked.reject_below:g} of {rows}: a lower --reject-below labels more")


def _unsure_declined(source: Path, asked: AnswerSettings, written: ResultSettings) -> tuple[str, ...]:
    """Flags to write the same into another file, without labels that the model is unsure of; none where that is no use.

    What the model is least sure of is what is worth a look.
    """
    from trifold.pipeline.request import flags_of

    if not written.output or asked.reject_below or is_standard_input(source):
        return ()
    beside = written.output.with_stem(f"{written.output.stem}-sure")
    if beside.exists():
        return ()
    return (
        *flags_of(replace(asked, reject_below=0.8)),
        *flags_of(replace(written, output=beside, force=False)),
    )


def _say_evaluate(
    run: Path,
    own: "RecordedColumns",
    written: ResultSettings,
    about: RunTextSettings,
    further: tuple[str, ...] = (),
    *,
    json: bool,
) -> None:
    """Propose to measure the run on the file that was written, if that has true labels, or on another one."""
    from trifold.data.open_file import open_table

    if written.output is None:
        say_next("evaluate", run, "LABELLED.csv", *further, json=json)
        return
    texts = ("--text-column", about.text_column) if about.text_column else ()
    with suppress(DataError):
        if own.label_column in open_table(written.output).columns:
            say_next("evaluate", run, written.output, *texts, *further, json=json)


def _predict_text(predictor: "Predictor", text: Text, answers: AnswerSettings, *, json: bool) -> None:
    """Print the labels of one text, or of one pair, with their probabilities; ten at most unless asked for more."""
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


def _predict_similarity(
    run: Path,
    pair: tuple[str, str | None] | None,
    source: Path | None,
    result: ResultSettings,
    reading: RunTextSettings | None,
    compute: ComputeSettings,
    *,
    json: bool,
) -> None:
    """Score a pair of texts, or every pair of a file, with a run of --task similarity."""
    from trifold.data.hub import offline_data
    from trifold.events import say
    from trifold.inference.similarity import load_similarity_run, score_file, similarities
    from trifold.pipeline.request import flags_of

    chosen = load_similarity_run(run, compute)
    if pair is not None:
        first, second = pair
        if second is None:
            raise SettingsError(f"{run} reads pairs of texts, and one was given: give the second with --text-pair")
        found = similarities(chosen, [TextPair(first, second)])
        score, cosine, cut = float(found.scores[0]), float(found.cosines[0]), bool(found.truncated[0])
        if json:
            print_json({"prediction": score, "cosine": cosine, "truncated": cut})
            return
        print(f"score   {score:.3f}\ncosine  {cosine:.3f}")
        if cut:
            say("note: a text is longer than the model reads; its end was cut off")
        say_next("predict", run, "PAIRS.csv", "--output", "scored.csv")
        return
    assert source is not None
    with offline_data(compute.offline):
        counts = score_file(chosen, source, reading, result, json=json)
    if json and result.output:
        print_json({"output": str(result.output), **vars(counts)})
    say(counts.in_words() + (f", written to {result.output}" if result.output else ""))
    _say_evaluate(run, chosen.own_columns, result, reading or RunTextSettings(), tuple(flags_of(compute)), json=json)
