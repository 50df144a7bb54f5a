"""What people look at in a finished run: figures, model card and report; the run is whole without them."""

from collections.abc import Iterator
from dataclasses import replace

from trifold.artifact.manifest import write_manifest
from trifold.drawing import drawing
from trifold.evaluate.leaderboard import build_leaderboard
from trifold.evaluate.majority import majority_run
from trifold.evaluate.method_section import describe_method
from trifold.evaluate.model_card import write_card
from trifold.evaluate.plots import write_confusion, write_curves
from trifold.evaluate.report import write_report
from trifold.evaluate.results import RunResult
from trifold.evaluate.verdict import decide
from trifold.explanations.saved import EXPLANATIONS
from trifold.methods.contract import Predictor
from trifold.pipeline.explained_mistakes import explain_mistakes
from trifold.pipeline.request import Request, Task
from trifold.train.history import HISTORY


def lacks_files(result: RunResult) -> bool:
    """Whether a run lacks any of these files, as where its process was killed before it had made them."""
    return not all((result.folder / name).is_file() for name in _names(result))


def draw_run(result: RunResult, request: Request, task: Task, predictor: Predictor | None = None) -> None:
    """Write them into the run folder, each as far as it can be made.

    Args:
        result: The run.
        request: What it was made from.
        task: The data.
        predictor: Its model, to explain the surest mistakes; they are not explained where it is not at hand.
    """
    folder = result.folder
    if predictor is not None:
        with drawing(EXPLANATIONS):
            explain_mistakes(result, predictor)
    with drawing("confusion.png"):
        write_confusion(folder, result.truth, result.predicted, result.labels)
    if _learned_by_steps(result):
        with drawing("loss.png"):
            write_curves(folder)
    with drawing("the model card README.md"):
        write_card(folder, result)
    with drawing("report.html"):
        score = result.record.score_name
        majority = majority_run(result)
        rows = build_leaderboard([result], score, majority)
        verdict = decide([result], score, 1.0, majority)
        verdict = replace(verdict, sentences=(*task.facts.label_caution(), *verdict.sentences))
        title = f"{result.method} on {request.data.name}"
        write_report(folder, title, task.facts, [describe_method(result)], rows, verdict, {}, result.record.command)
    with drawing("the list of these files in manifest.json"):
        write_manifest(folder)


def _names(result: RunResult) -> Iterator[str]:
    yield from ("confusion.png", "README.md", "report.html")
    if _learned_by_steps(result):
        yield "loss.png"


def _learned_by_steps(result: RunResult) -> bool:
    return (result.folder / HISTORY).is_file()
