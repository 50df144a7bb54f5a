"""What people look at in a finished run of `--task similarity`; the run is whole without it."""

from collections.abc import Iterator

from trifold.artifact.manifest import write_manifest
from trifold.drawing import drawing
from trifold.evaluate.plots import write_curves
from trifold.evaluate.similarity_report import (
    describe_similarity,
    write_scatter,
    write_similarity_card,
    write_similarity_report,
)
from trifold.evaluate.similarity_results import SCORE, SimilarityResult
from trifold.evaluate.verdict import decide
from trifold.pipeline.request import Request
from trifold.pipeline.similarity_task import SimilarityTask
from trifold.train.history import HISTORY


def lacks_similarity_files(result: SimilarityResult) -> bool:
    """Whether a run lacks any of these files, as where its process was killed before it had made them."""
    return not all((result.folder / name).is_file() for name in _names(result))


def draw_similarity(result: SimilarityResult, request: Request, task: SimilarityTask) -> None:
    """Write them into the run folder, each as far as it can be made."""
    folder = result.folder
    with drawing("scores.png"):
        write_scatter(folder, result)
    if (folder / HISTORY).is_file():
        with drawing("loss.png"):
            write_curves(folder)
    with drawing("the model card README.md"):
        write_similarity_card(folder, result)
    with drawing("report.html"):
        heading, sections = f"{result.method} on {request.data.name}", [describe_similarity(result)]
        verdict = decide([result], SCORE, 1.0)
        write_similarity_report(folder, heading, sections, verdict, task.warnings(), {}, result.record.command)
    with drawing("the list of these files in manifest.json"):
        write_manifest(folder)


def _names(result: SimilarityResult) -> Iterator[str]:
    yield from ("scores.png", "README.md", "report.html")
    if (result.folder / HISTORY).is_file():
        yield "loss.png"
