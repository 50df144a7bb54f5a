"""`finetune --task similarity`: one method learns how similar texts are, is tested on held-out pairs, and saved."""

import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trifold.artifact.learned_texts import write_learned_texts
from trifold.artifact.run_folder import choose_folder
from trifold.artifact.run_record import BackboneRecord, SimilarityRecord, as_record
from trifold.data.scored_pairs import ScoredPairs
from trifold.data.source import require_lasting
from trifold.evaluate.similarity_results import SimilarityResult, read_similarities, write_similarities
from trifold.events import say, track
from trifold.formatting import counted
from trifold.methods.catalogue import method_entry, method_name, similarity_entry
from trifold.methods.similarity import FittedSimilarity, Similarities, SimilarityModel
from trifold.methods.unused_settings import require_used_for_similarity
from trifold.models.locate import find_backbone
from trifold.pipeline.drawn_similarity import draw_similarity, lacks_similarity_files
from trifold.pipeline.request import Request, data_record, require_one_model
from trifold.pipeline.resume import asked_for, finished
from trifold.pipeline.similarity_task import SimilarityTask, open_similarity_task
from trifold.pipeline.timed_passes import TimedPasses, timed_passes
from trifold.pipeline.training_run import Start, TrainingRun, require_same, training_run
from trifold.runtime import hardware, peak_memory_bytes, prepare_own
from trifold.statistics.correlation import measure_similarity
from trifold.train.settings import CheckpointSettings
from trifold.train.tracking import report
from trifold.types import TextPair
from trifold.version import versions

_CHECKED_PAIRS = 8
_PAIRS_PER_SLICE = 512
# The same weights on the same texts in the same batches; only the file lies between.
_COSINE_TOLERANCE = {"float32": 1e-5, "bfloat16": 1e-2, "int8": 1e-2}


def learn_similarity(
    request: Request,
    method: str,
    output_dir: Path | None = None,
    *,
    announce: bool = True,
    keep: CheckpointSettings | None = None,
    expected: str | None = None,
) -> SimilarityResult:
    """Train one method on scored pairs of texts, and write its run folder.

    Args:
        request: The data and settings.
        method: Name of the method.
        output_dir: Where to; `runs/DATE-METHOD` where `None`.
        announce: Say on stderr what is unusual about the data.
        keep: When the state of the training is saved, and whether to go on from one in `output_dir`.
        expected: `SimilarityTask.digest` of the data that must be what is read.

    Raises:
        TrifoldError: If anything given cannot be used; nothing is left behind then.
    """
    start, method, keep = Start(), method_name(method), keep or CheckpointSettings()
    require_one_model(request)
    require_used_for_similarity([method], *request.method_groups.values(), keep)
    if done := finished(output_dir, lambda: asked_for(request, method), resume=keep.resume):
        result = read_similarities(done)
        if lacks_similarity_files(result):
            draw_similarity(result, request, open_similarity_task(request))
        return result
    target = choose_folder(output_dir, method, resume=keep.resume)
    require_lasting(*request.files.values())
    task = open_similarity_task(request)
    task.require(expected)
    asked = asked_for(request, method, task.hashes)
    if announce:
        for warning in task.warnings():
            say(f"note: {warning}")
    with training_run(target, start, keep, asked, request.train.report_to, request.named()) as run:
        trained = _train(request, method, task, run)
        tested = _test(trained.fitted.model, task.split.test)
        trained.fitted.model.save(run.folder / "model")
        _prove_saved(run.folder / "model", method, trained.fitted, task.split.test, request)
        _write_results(run.folder, task.split.test, tested.found, trained.fitted)
        if similarity_entry(method).load().learns:
            write_learned_texts(run.folder, (*task.split.train.pairs, *task.split.validation.pairs))
        run.write_record(_record(request, method, task, trained, tested))
    result = read_similarities(target)
    draw_similarity(result, request, task)
    return result


@dataclass(frozen=True)
class _Trained:
    """What a method learned, and the seconds of its training as if nothing had come from the cache."""

    fitted: FittedSimilarity
    seconds: float


def _train(request: Request, method: str, task: SimilarityTask, run: TrainingRun) -> _Trained:
    if method_entry(method).needs_backbone:
        prepare_own()
    begun = time.monotonic()
    learner = similarity_entry(method).load()(request.method_settings)
    fitted = learner.fit(task.split.train, task.split.validation)
    return _Trained(fitted, time.monotonic() - begun + fitted.cached_seconds + run.checkpointer.seconds_before)


def similarities_of(model: SimilarityModel, pairs: tuple[TextPair, ...], what: str) -> Similarities:
    """Score many pairs in slices, with progress; memory beyond the result does not grow with their number."""
    if not pairs:
        return model.similarities(pairs)
    parts = []
    with track(f"{what} {counted(len(pairs), 'pair')}", len(pairs)) as advance:
        for start in range(0, len(pairs), _PAIRS_PER_SLICE):
            parts.append(model.similarities(pairs[start : start + _PAIRS_PER_SLICE]))
            advance(len(parts[-1].cosines))
    return Similarities(
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("cosines", "truncated", "scores"))
    )


def _test(model: SimilarityModel, test: ScoredPairs) -> TimedPasses[Similarities]:
    # Laying the model out for the first text comes once, and is no part of what a text costs.
    model.similarities(test.pairs[:1])
    return timed_passes(lambda: similarities_of(model, test.pairs, "testing on"))


def _prove_saved(folder: Path, method: str, fitted: FittedSimilarity, test: ScoredPairs, request: Request) -> None:
    """Reload what was saved and compare cosines: a lost matrix or wrong weights must never pass in silence.

    Raises:
        ArtifactError: If they differ.
    """
    pairs = test.pairs[:_CHECKED_PAIRS]
    saved = similarity_entry(method).load().model.load(folder, request.backbone)
    allowed = _COSINE_TOLERANCE[str(fitted.choices.get("precision", "float32"))]
    require_same(method, "cosines", fitted.model.cosines(pairs)[0], saved.cosines(pairs)[0], allowed)


def _write_results(folder: Path, test: ScoredPairs, found: Similarities, fitted: FittedSimilarity) -> None:
    """Everything that follows from the cosines of the test pairs."""
    metrics = measure_similarity(test.scores, found.cosines, found.scores)
    write_similarities(folder, test, found.cosines, found.scores, metrics)
    step = fitted.history.rows[-1].step if fitted.history else 0
    report({"test_spearman": metrics.spearman.value, "test_pearson": metrics.pearson.value}, step)
    if fitted.history:
        fitted.history.write(folder)


def _record(
    request: Request, method: str, task: SimilarityTask, trained: _Trained, tested: TimedPasses[Similarities]
) -> SimilarityRecord:
    """What `run.json` says, but for the times of the whole command and what was asked for."""
    fitted, seconds = trained.fitted, tested.seconds

    def each(total: float) -> float:
        return round(1000 * total / (2 * len(task.split.test)), 4)

    backbone = find_backbone(request.backbone) if method_entry(method).needs_backbone else None
    return SimilarityRecord(
        method=method,
        task="similarity",
        command=request.command("finetune", "--method", method),
        started="",
        seed=request.train.seed,
        settings=as_record(request.method_settings.named()),
        versions=versions(),
        hardware=hardware(),
        data=data_record(request, task, task.split),
        backbone=BackboneRecord.of(backbone) if backbone else None,
        max_length=request.backbone.max_length,
        choices=fitted.choices,
        train_seconds=round(trained.seconds, 3),
        train_seconds_from_cache=round(fitted.cached_seconds, 3),
        ms_per_text=each(statistics.median(seconds)),
        ms_per_text_range=(each(min(seconds)), each(max(seconds))),
        trainable_parameters=fitted.trainable_parameters,
        size_bytes=fitted.model.size_bytes(),
        peak_memory_bytes=peak_memory_bytes(),
        truncated_test_texts=int(tested.found.truncated.sum()),
    )
