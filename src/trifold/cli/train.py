"""Verbs that train: `compare`, `finetune`, `demo`."""

import importlib.resources
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter

from trifold.cli.inputs import DataFile
from trifold.cli.output import print_json, print_run, print_table, say_next, some_text
from trifold.cli.output import print_text as print
from trifold.data.settings import DataSettings
from trifold.errors import SettingsError
from trifold.evaluate.settings import CompareSettings
from trifold.events import say
from trifold.formatting import duration, milliseconds, percent
from trifold.methods.settings import TrainingSettings
from trifold.pretrain.settings import TaskSettings
from trifold.schema import finite
from trifold.terminal import shows, sparkline
from trifold.train.settings import CheckpointSettings

if TYPE_CHECKING:
    # Imported by the commands themselves, so that --help needs neither NumPy nor PyTorch.
    from trifold.evaluate.leaderboard import MethodRow
    from trifold.evaluate.results import RunResult
    from trifold.evaluate.similarity_results import SimilarityResult
    from trifold.pipeline.compare import Comparison, Expectation
    from trifold.pipeline.pretraining_gain import Gain
    from trifold.pipeline.request import Request

# To which shells add the number of the signal that ended a process.
_SIGNALLED = 128
# Left to the report and to leaderboard.csv, so that a line fits into a terminal.
_NOT_IN_TERMINAL = ("trainable parameters",)


def compare(
    data: DataFile,
    /,
    *,
    settings: Annotated[CompareSettings | None, Parameter(name="*")] = None,
    asked: Annotated[TrainingSettings | None, Parameter(name="*")] = None,
    output_dir: Path | None = None,
    resume: bool = False,
    dry_run: bool = False,
    json: bool = False,
) -> int:
    """Try every method on one split and say which to ship.

    Prints the leaderboard and the verdict; the last line is the folder with the report and the models.

    Args:
        data: CSV, TSV, JSONL or Parquet file with texts and labels.
        output_dir: Folder for the results; runs/DATE-compare by default.
        resume: Continue the comparison in --output-dir: finished methods are kept, a stopped one is continued.
        dry_run: Print what each method is expected to take, and train nothing.
        json: Print JSON instead.
    """
    from trifold.pipeline.compare import compare as run_compare
    from trifold.pipeline.compare import expect
    from trifold.pipeline.request import Request

    request = Request(data, **vars(asked or TrainingSettings()))
    if dry_run:
        if output_dir is not None or resume:
            raise SettingsError("--dry-run writes nothing: leave out --output-dir and --resume")
        _print_expectation(expect(request, settings or CompareSettings()), json=json)
        return 0
    if resume and output_dir is None:
        raise SettingsError("--resume needs the --output-dir of the comparison that is to go on")
    found = run_compare(request, settings or CompareSettings(), output_dir, resume=resume)
    _print_comparison(found, pairs=request.reading.reads_pairs, json=json)
    return _SIGNALLED + found.interrupted if found.interrupted else 0


def _print_expectation(found: "Expectation", *, json: bool) -> None:
    if json:
        print_json(vars(found))
        return
    if found.seconds:
        total = sum(found.seconds.values())
        print_table([{"method": name, "forecast": duration(seconds)} for name, seconds in found.seconds.items()])
        print(f"\nabout {duration(total)} in all")
    for method, reason in found.skipped.items():
        print(f"{method} would be missing: {reason}.")


def _print_comparison(found: "Comparison", *, pairs: bool, json: bool) -> None:
    if json:
        shipped = next(row for row in found.rows if row.method == found.verdict.ship)
        print_json(
            {
                "run": str(found.folder),
                "metrics": _metrics_of(shipped),
                "score_name": shipped.score_name,
                "verdict": found.verdict,
                "leaderboard": finite([vars(row) for row in found.rows]),
                "skipped": found.skipped,
            }
        )
        return
    print()
    _print_rows(found.rows)
    print()
    for sentence in found.verdict.sentences:
        print(sentence)
    for method, reason in found.skipped.items():
        print(f"{method} is missing: {reason}.")
    print_run(found.folder)
    if found.interrupted:
        say(found.how_to_go_on())
    say_next("predict", found.folder, *some_text(pair=pairs))


def _metrics_of(row: "MethodRow") -> dict[str, float]:
    """The figures of a method that scripts find by name."""
    from trifold.evaluate.similarity_results import SimilarityRow

    if isinstance(row, SimilarityRow):
        return {row.score_name: row.score, "pearson": row.pearson}
    return {name: getattr(row, name) for name in ("accuracy", "macro_f1")}


def _print_rows(rows: "Sequence[MethodRow]") -> None:
    from trifold.evaluate.leaderboard import in_words

    print_table([{name: text for name, text in in_words(row).items() if name not in _NOT_IN_TERMINAL} for row in rows])


def finetune(
    data: DataFile,
    /,
    *,
    method: str | None = None,
    preset: Literal["classic"] | None = None,
    task: Annotated[TaskSettings | None, Parameter(name="*")] = None,
    asked: Annotated[TrainingSettings | None, Parameter(name="*")] = None,
    keep: Annotated[CheckpointSettings | None, Parameter(name="*")] = None,
    output_dir: Path | None = None,
    dry_run: bool = False,
    expected_data: Annotated[str | None, Parameter(show=False)] = None,
    json: bool = False,
) -> None:
    """Train one method and write a run folder; its name is the last line printed.

    Args:
        data: CSV, TSV, JSONL or Parquet file with texts and labels.
        method: tfidf, zero-shot, features, adapter-lora (or adapter), adapter-bottleneck, contrastive, prompt or
            prompt-zero (with --llm) or full, the default; with --task generate, adapter-lora or full.
        preset: A well-known recipe instead of a method, for comparison.
        output_dir: Folder for the results; runs/DATE-METHOD by default.
        dry_run: With --method prompt or prompt-zero: print a forecast of the cost and make no call.
        expected_data: Hash of the data that compare read; other data are refused.
        json: Print JSON instead.
    """
    from trifold.pipeline.finetune import finetune as run_finetune
    from trifold.pipeline.request import Request

    if method and preset:
        raise SettingsError(f"--preset {preset} is a method of its own: leave out --method {method}")
    request, task = Request(data, **vars(asked or TrainingSettings())), task or TaskSettings()
    if dry_run:
        _print_forecast(request, method, keep, json=json)
        return
    if keep and keep.resume and output_dir is None:
        raise SettingsError("--resume needs the --output-dir of the training that is to go on")
    chosen = method or preset or "full"
    task.require_for(request.reading.task)
    if request.reading.task == "generate":
        from trifold.methods.catalogue import generative_entry

        generative_entry(chosen)  # refused before PyTorch is imported
        from trifold.pipeline.generative_finetuning import learn_answers

        answering = learn_answers(request, task, chosen, output_dir, keep)
        _print_answering(answering.folder, answering.metrics, json=json)
    elif request.reading.task == "similarity":
        from trifold.methods.catalogue import similarity_entry

        similarity_entry(chosen)  # refused before PyTorch is imported
        from trifold.pipeline.similarity_finetuning import learn_similarity

        scored = learn_similarity(request, chosen, output_dir, announce=not json, keep=keep, expected=expected_data)
        _print_similarity(scored, json=json)
    elif task.pretrain_on:
        from trifold.pipeline.pretraining_gain import pretrain_and_finetune

        gain = pretrain_and_finetune(request, task, chosen, output_dir, keep)
        _print_gain(gain, pairs=request.reading.reads_pairs, json=json)
    else:
        result = run_finetune(request, chosen, output_dir, announce=not json, keep=keep, expected=expected_data)
        _print_result(result, json=json)


def _print_forecast(request: "Request", method: str | None, keep: CheckpointSettings | None, *, json: bool) -> None:
    """Print a forecast of what prompting would cost."""
    from trifold.cli.prompt_files import print_estimate
    from trifold.methods.catalogue import method_entry
    from trifold.pipeline.prompting_cost import expect

    if method is None or not method_entry(method).asks_llm:
        raise SettingsError(
            "--dry-run forecasts --method prompt or prompt-zero; for other methods, compare --dry-run does"
        )
    request.require_used([method], *([keep] if keep else []))
    print_estimate(expect(request, method), request.llm, json=json)


def _print_result(result: "RunResult", *, json: bool) -> None:
    if json:
        print_json({"run": str(result.folder), "metrics": result.metrics})
        return
    from trifold.evaluate.leaderboard import build_leaderboard
    from trifold.evaluate.majority import majority_run, not_above_majority
    from trifold.evaluate.model_card import plain_use

    _print_rows(build_leaderboard([result], result.record.score_name, majority_run(result)))
    if caution := not_above_majority(result):
        print(f"\n{caution}")
    teacher, own = result.record.teacher or {}, result.milliseconds_per_text
    if teacher.get("agreement"):
        print(
            f"\nThese are the labels of {teacher['llm']}: the student agrees with its teacher in "
            f"{percent(teacher['agreement']['value'])} of the test rows, at {milliseconds(own)} a text "
            f"against {milliseconds(teacher['teacher_ms_per_text'])}"
        )
    print_run(result.folder)
    _say_curve(result.folder)
    if plain := plain_use(result):
        say(plain)
    say_next("predict", result.folder, *some_text(pair=bool(result.record.get("pairs"))))


def _print_similarity(result: "SimilarityResult", *, json: bool) -> None:
    if json:
        print_json({"run": str(result.folder), "metrics": result.metrics})
        return
    from trifold.evaluate.similarity_results import similarity_leaderboard

    _print_rows(similarity_leaderboard([result]))
    print_run(result.folder)
    _say_curve(result.folder)
    say_next("predict", result.folder, *some_text(pair=True))


def _say_curve(folder: Path) -> None:
    """Draw the losses of a training in one line, where a terminal shows it."""
    from trifold.train.history import validation_losses

    curve = sparkline(validation_losses(folder))
    if shows(sys.stderr, curve):
        say(f"validation loss, epoch by epoch: {curve}")


def _print_answering(folder: Path, metrics: dict[str, Any], *, json: bool) -> None:
    if json:
        print_json({"run": str(folder), "metrics": metrics})
        return
    from trifold.evaluate.pretraining_report import figures_in_words

    for name, value in figures_in_words(metrics).items():
        print(f"{name:<28}  {value}")
    print(f"{'answers that are exact':<28}  {percent(metrics['exact_match'])} of {metrics['exact_match_rows']}")
    print(folder)
    say_next("generate", folder, "A prompt.", "--temperature", 0)


def _print_gain(gain: "Gain", *, pairs: bool, json: bool) -> None:
    if json:
        print_json({"run": str(gain.folder), "metrics": gain.named()})
        return
    print(gain.sentence())
    print(gain.folder)
    say_next("predict", gain.folder / "pretrained", *some_text(pair=pairs))


def demo(*, output_dir: Path | None = None, resume: bool = False, json: bool = False) -> int:
    """Compare all methods on the reviews that come with Trifold; takes a few minutes.

    Args:
        output_dir: Folder for the results; runs/DATE-compare by default.
        resume: Go on with what --output-dir holds, as compare does.
        json: Print JSON instead.
    """
    reviews = Path(str(importlib.resources.files("trifold") / "demo" / "reviews.csv"))
    if not reviews.exists():
        # A checkout instead of an installed package: the file lies where its readers look for it.
        reviews = Path(__file__).parents[3] / "examples" / "reviews.csv"
    if not reviews.exists():
        raise SettingsError("the demo's reviews are missing from this installation: install trifold again")
    say(
        f"comparing all methods on {reviews}; labels that differ only in case or outer spaces are taken as one "
        "(--merge-labels)"
    )
    asked = TrainingSettings(reading=DataSettings(merge_labels=True))
    return compare(reviews, asked=asked, output_dir=output_dir, resume=resume, json=json)
