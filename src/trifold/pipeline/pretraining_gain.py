"""`finetune --pretrain-on TEXT`: the same method on the plain and on the pretrained backbone, and what that gains."""

import json
from dataclasses import dataclass
from pathlib import Path

from trifold.artifact.manifest import write_manifest
from trifold.artifact.run_folder import choose_folder, output_folder, require_free
from trifold.atomic import write_json, write_text
from trifold.errors import ArtifactError, TrifoldError
from trifold.evaluate.results import RunResult, lead_over
from trifold.events import say
from trifold.methods.catalogue import method_entry, method_name
from trifold.pipeline.finetune import finetune
from trifold.pipeline.pretrain import pretrain
from trifold.pipeline.pretrain_request import PretrainRequest
from trifold.pipeline.request import Request, open_task, with_model
from trifold.pretrain.settings import CorpusSettings, LearningSettings, SourceSettings, TaskSettings
from trifold.statistics.intervals import Interval
from trifold.statistics.metric import shown, title
from trifold.train.settings import CheckpointSettings
from trifold.types import Examples, parts_of

_PRETRAINING, _PLAIN, _PRETRAINED = "pretraining", "plain", "pretrained"
_HELD_OUT = "held-out.jsonl"


@dataclass(frozen=True)
class Gain:
    """What pretraining brought to a method, on the same test rows.

    Attributes:
        folder: Holds the run folders `pretraining`, `plain` and `pretrained`, and `gain.json`.
        score_name: Name of the metric that decides.
        plain: Score with the backbone as it was.
        pretrained: Score with the pretrained one.
        gain: The lead of the second over the first, with its interval.
    """

    folder: Path
    score_name: str
    plain: float
    pretrained: float
    gain: Interval

    def named(self) -> dict[str, object]:
        """Content of `gain.json`."""
        return {
            "score_name": self.score_name,
            "plain": self.plain,
            "pretrained": self.pretrained,
            "gain": {"value": self.gain.value, "low": self.gain.low, "high": self.gain.high},
        }

    def sentence(self) -> str:
        """In words."""
        value, low, high = (100 * one for one in (self.gain.value, self.gain.low, self.gain.high))
        without, with_it = (shown(self.score_name, one) for one in (self.plain, self.pretrained))
        told = "gains" if low > 0 else "costs" if high < 0 else "is not shown to change anything: it brings"
        return (
            f"Pretraining {told} {value:+.1f} points of {title(self.score_name)} (95 % interval {low:+.1f} to "
            f"{high:+.1f}): {without} without, {with_it} with it."
        )


def pretrain_and_finetune(
    request: Request,
    task: TaskSettings,
    method: str,
    output_dir: Path | None = None,
    keep: CheckpointSettings | None = None,
) -> Gain:
    """Pretrain the backbone on unlabelled text, train the method on both backbones, and compare them row by row.

    Texts of the test and validation rows are left out of the pretraining.

    Args:
        request: The labelled data and settings.
        task: Names the text.
        method: Name of the method.
        output_dir: Where to; `runs/DATE-gain` where `None`.
        keep: When states are saved, and whether to go on with what `output_dir` holds.

    Raises:
        TrifoldError: If anything given cannot be used.
    """
    keep = keep or CheckpointSettings()
    method = method_name(method)
    if not method_entry(method).needs_backbone:
        raise TrifoldError(f"--method {method} has no backbone that could be pretrained: name full or features, say")
    request.require_used([method], keep)
    going_on = keep.resume and output_dir is not None and output_dir.is_dir()
    target = output_dir if going_on and output_dir else choose_folder(output_dir, "gain")
    with output_folder(target):
        if not going_on:
            require_free(target)
        parts = open_task(request).split
        target.mkdir(exist_ok=True)
        try:
            _write_held_out(target / _HELD_OUT, parts.test, parts.validation)
            made = pretrain(_pretraining(request, task, target / _HELD_OUT), target / _PRETRAINING, keep)
        except TrifoldError:
            (target / _HELD_OUT).unlink(missing_ok=True)
            if not any(target.iterdir()):
                target.rmdir()
            raise
        say(f"{method} on the plain backbone")
        plain = finetune(request, method, target / _PLAIN, keep=keep)
        say(f"{method} on the pretrained backbone")
        learned = with_model(request, str(made.folder))
        pretrained = finetune(learned, method, target / _PRETRAINED, announce=False, keep=keep)
        gain = _compare(target, plain, pretrained)
        write_json(target / "gain.json", gain.named())
        write_manifest(target)
        return gain


def _pretraining(request: Request, task: TaskSettings, held_out: Path) -> PretrainRequest:
    backbone = request.backbone
    compute = {name: getattr(backbone, name) for name in vars(SourceSettings())}
    learning = LearningSettings(
        time_limit=task.pretrain_minutes, seed=request.train.seed, report_to=request.train.report_to
    )
    return PretrainRequest(
        sources=task.pretrain_on,
        corpus=CorpusSettings(exclude=(held_out,), documents="line"),
        source=SourceSettings(**compute),
        learning=learning,
    )


def _write_held_out(path: Path, *parts: Examples) -> None:
    texts = (text for part in parts for row in part.texts for text in parts_of(row))
    lines = (json.dumps({"text": text}, ensure_ascii=False) for text in texts)
    write_text(path, "\n".join(lines) + "\n")


def _compare(folder: Path, plain: RunResult, pretrained: RunResult) -> Gain:
    if list(plain.rows) != list(pretrained.rows):
        raise ArtifactError(f"{folder} holds runs on other test rows: name another --output-dir")
    score = plain.record.score_name
    return Gain(
        folder=folder,
        score_name=score,
        plain=plain.figure(score).value,
        pretrained=pretrained.figure(score).value,
        gain=lead_over(score, pretrained, plain),
    )
