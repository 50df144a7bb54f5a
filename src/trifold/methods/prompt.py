"""`prompt`: a language model is given instructions, with a few examples or none; nothing is trained."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trifold.engines.encoder import Encoder
from trifold.errors import SettingsError
from trifold.events import say
from trifold.features.pooled_vectors import pool_through_cache
from trifold.llm.answer_parser import NO_LABEL
from trifold.llm.contract import Scorer
from trifold.llm.few_shot import FixedShots, NearestShots, choose_balanced, choose_random
from trifold.llm.label_lines import lines_of
from trifold.llm.label_words import word_labels
from trifold.llm.labeller import Labeller, LabellingTask, Shots
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.open_model import labeller_of, labelling_task, open_llm
from trifold.llm.prompt_file import read_prompt
from trifold.llm.prompt_template import Example
from trifold.llm.score_rules import LABEL_FREE, label_free_map
from trifold.llm.settings import without_server
from trifold.methods.contract import Fitted, Method
from trifold.methods.prompt_predictor import PromptPredictor, embedder, kept_settings, label_all
from trifold.methods.skip_reasons import nothing_to_prompt
from trifold.models.locate import describe_base, find_backbone
from trifold.models.tokenizer import Tokenizer
from trifold.models.vector_steps import unit_length
from trifold.runtime import choose
from trifold.statistics.calibration import calibrated_loss
from trifold.statistics.score_calibration import ScoreMap, affine, affine_of_each, choose_map
from trifold.tasks.labels import LabelMap
from trifold.types import Examples, Text, labels_of

# Validation rows that are read with the labels in reversed order, to see whether that changes answers.
_ORDER_ROWS = 100


@dataclass(frozen=True)
class _Read:
    """Validation rows as a model scores them, and what becomes of the scores.

    Attributes:
        task: As it was put to the model.
        scores: `(texts, words)`.
        rule: Name of the way from scores to logits.
        score_map: The way itself.
        loss: Its log loss; not a number where rows have several labels.
        seconds: Time that scores from the log once took.
    """

    task: LabellingTask
    scores: np.ndarray
    rule: str
    score_map: ScoreMap
    loss: float
    seconds: float


class Prompting(Method):
    """In-context learning, zero-shot or few-shot.

    Source: Brown et al. 2020, "Language Models are Few-Shot Learners".
    """

    name = "prompt"
    summary = "a language model is told what to do, and nothing is trained"
    predictor = PromptPredictor

    def learn(self, train: Examples, validation: Examples, labels: LabelMap) -> Fitted:
        """See `Method.learn`. A server is not asked about validation rows: calls cost money.

        Raises:
            SettingsError: If no language model is named, or a setting is for another kind of model.
            PromptError: If the prompt file cannot be read, or is for other labels.
            LlmError: If the model cannot be used.
        """
        asked = self.settings.prompting
        labeller, kept = self.prepare(train, labels)
        shown = min(asked.shots, len(train))
        said = {0: "no example", 1: "one example"}.get(shown, f"{shown:,} examples")
        fewer = f", not {asked.shots:,}, since training has no more rows" if shown < asked.shots else ""
        say(f"prompt: {kept['llm']} is told what to do, with {said}{fewer}")
        choices: dict[str, object] = {"shots": f"{shown}, {asked.shot_choice}" if shown else "none"}
        if not isinstance(labeller, LikelihoodLabeller):
            choices["votes"] = asked.votes
            return self.fitted(labeller, labels, kept, choices, np.zeros((0, len(labels))))
        read = [self._read(labeller, one, train, validation, labels) for one in self._ways(labeller.task)]
        best = min(read, key=lambda one: one.loss)
        if len(read) > 1:
            losses = ", ".join(f"{one.task.score_by} {one.loss:.3f}" for one in read)
            say(f"prompt: scored by {best.task.score_by}, by validation loss ({losses})")
        labeller.task, labeller.score_map = best.task, best.score_map
        kept["score_by"] = best.task.score_by
        choices |= {"score_by": best.task.score_by, "calibration": best.rule}
        choices |= _order_dependence(labeller, validation.texts)
        logits = labeller.score_map(best.scores)
        return self.fitted(labeller, labels, kept, choices, logits, sum(one.seconds for one in read))

    def _ways(self, task: LabellingTask) -> list[LabellingTask]:
        """The task as it was asked for, or with words and with letters where validation rows are to choose."""
        both = self.settings.prompting.score_by == "auto"
        return [task, replace(task, by_letter=True)] if both else [task]

    def _read(
        self,
        labeller: LikelihoodLabeller,
        task: LabellingTask,
        train: Examples,
        validation: Examples,
        labels: LabelMap,
    ) -> "_Read":
        """The validation rows as the labeller scores them for a task, and the best way from there to logits."""
        labeller.task, labeller.score_map = task, ScoreMap.plain(len(task.words))
        # Examples bias a model for any text. An empty text has no nearest examples, so balanced ones are shown.
        shots = FixedShots(self._fixed(train, task, labels, labeller.model))
        found = label_all(labeller, validation.texts)
        rule, score_map, loss = self._score_map(labeller, shots, found.logits, labels.encode(validation.labels))
        return _Read(task, found.logits, rule, score_map, loss, found.seconds_from_log)

    def fitted(
        self,
        labeller: Labeller,
        labels: LabelMap,
        kept: dict[str, Any],
        choices: dict[str, object],
        validation_logits: np.ndarray,
        cached_seconds: float = 0.0,
    ) -> Fitted:
        """What `learn` returns.

        Args:
            labeller: The model with its task.
            labels: Of the task.
            kept: As returned by `prepare`.
            choices: What is peculiar to a way of labelling.
            validation_logits: `(validation rows, classes)`, without a row where there are none.
            cached_seconds: As in `Fitted`.
        """
        llm, asked, compute = self.settings.llm, self.settings.prompting, self.settings.backbone
        local = isinstance(labeller, LikelihoodLabeller)
        precision = {"precision": choose(compute.device, compute.precision).precision} if local else {}
        said: dict[str, object] = {
            "llm": without_server(labeller.identity),
            "prompt": str(asked.prompt or "made from the labels"),
            "words": list(labeller.task.words),
            "shots": "none",
        }
        return Fitted(
            predictor=PromptPredictor(labeller, labels, kept, llm.prices, how=(compute, llm)),
            history=None,
            trainable_parameters=0,
            choices={**said, **choices, **precision},
            validation_logits=validation_logits.astype(np.float32),
            cached_seconds=cached_seconds,
        )

    def _score_map(
        self, labeller: LikelihoodLabeller, shots: Shots, scores: np.ndarray, truth: np.ndarray
    ) -> tuple[str, ScoreMap, float]:
        """The way from scores to logits that was asked for, or the best on validation rows: its name, and its log loss.

        Args:
            labeller: The model, which has scored the validation rows as it is.
            shots: Examples that are shown with texts that say nothing.
            scores: `(texts, words)` of the validation rows.
            truth: As `LabelMap.encode` returns it.
        """
        asked = self.settings.prompting.calibration
        if labeller.task.several and asked in ("affine", "auto"):
            return "affine", affine_of_each(scores, truth), math.nan
        if asked == "affine":
            _tell_missing(labeller.task.words, truth)
        if asked != "auto":
            found = (
                affine(scores, truth) if asked == "affine" else label_free_map(asked, labeller, lambda: scores, shots)
            )
            return asked, found, math.nan if labeller.task.several else calibrated_loss(found(scores), truth)
        # Words of one length only get another temperature by it.
        even = len(set(labeller.word_lengths())) == 1
        rules = [rule for rule in LABEL_FREE if not (even and rule == "length")]
        maps = {rule: label_free_map(rule, labeller, lambda: scores, shots) for rule in rules}
        best, found, losses = choose_map(maps, scores, truth)
        others = ", ".join(f"{name} {loss:.3f}" for name, loss in losses.items() if name != best)
        say(f"prompt: calibration {best}, by validation loss {losses[best]:.3f} ({others})")
        return best, found, losses[best]

    def reload(self, folder: Path) -> PromptPredictor:
        """See `Method.reload`."""
        return PromptPredictor.load(folder, self.settings.backbone, self.settings.llm)

    def prepare(self, train: Examples, labels: LabelMap) -> tuple[Labeller, dict[str, Any]]:
        """The model with its task, and the settings that a saved predictor stores; no call is made yet."""
        skip_reason = nothing_to_prompt(train, self.settings)
        if skip_reason:
            raise SettingsError(f"prompt cannot work here: {skip_reason}")
        llm, asked, backbone = self.settings.llm, self.settings.prompting, self.settings.backbone
        given = read_prompt(asked.prompt) if asked.prompt else None
        prompt, words = word_labels(given, labels, self.settings.labels.described(), pairs=train.pairs)
        model = open_llm(llm, backbone)
        task = labelling_task(model, prompt, words, asked, pairs=train.pairs)
        if isinstance(model, Scorer):
            task = replace(task, max_length=backbone.max_length, long_text=backbone.long_text)
        kept = kept_settings(llm, asked, task, model.name, getattr(model, "files", None))
        shots: Shots = FixedShots(self._fixed(train, task, labels, model))
        if asked.shots and asked.shot_choice == "nearest":
            shots = self._nearest(train, task, labels, model, kept)
        prior = _class_priors(train, labels) if self.uses_labels else None
        return labeller_of(model, replace(task, shots=shots), llm, asked, prior), kept

    def _fixed(self, train: Examples, task: LabellingTask, labels: LabelMap, model: object) -> tuple[Example, ...]:
        """Examples shown with every text: random ones, or equally many of each label."""
        asked, seed = self.settings.prompting, self.settings.train.seed
        choice = choose_random if asked.shot_choice == "random" else choose_balanced
        return _prompt_examples(train.take(choice(train, asked.shots, seed)), task, labels, model)

    def _nearest(
        self, train: Examples, task: LabellingTask, labels: LabelMap, model: object, kept: dict[str, object]
    ) -> NearestShots:
        """For each text the most similar examples, by vectors that other methods may have cached."""
        backbone = self.settings.backbone
        files = find_backbone(backbone)
        tokenizer = Tokenizer(files, backbone.max_length, backbone.long_text)
        encoder = Encoder(files, choose(backbone.device, backbone.precision))
        read = pool_through_cache(encoder, tokenizer, [str(text) for text in train.texts], files, backbone)
        vectors = unit_length(read.pooled.join([(encoder.layers, "mean")]))
        shots = self.settings.prompting.shots
        kept["nearest"] = {**describe_base(files), **tokenizer.described(), "shots": shots}
        kept["llm_bytes"] = int(str(kept["llm_bytes"])) + files.size_bytes() + vectors.nbytes
        embed = embedder(files, tokenizer, backbone)
        return NearestShots(_prompt_examples(train, task, labels, model), vectors, shots, embed)


def _tell_missing(words: Sequence[str], truth: np.ndarray) -> None:
    """Say which labels no validation row has: a map that is learned from these gives them to hardly any text."""
    missing = [word for number, word in enumerate(words) if number not in truth]
    if missing:
        more = f" and {len(missing) - 1:,} more" if len(missing) > 1 else ""
        say(
            f"note: no validation row has the label {missing[0]}{more}, which --calibration affine then hardly gives: "
            "take auto, or more rows"
        )


def _order_dependence(labeller: LikelihoodLabeller, texts: Sequence[Text]) -> dict[str, object]:
    """The share of answers that depend on the order of the labels in the prompt; empty where none are listed."""
    if not labeller.lists_labels:
        return {}
    different, compared = labeller.order_dependence(texts[:_ORDER_ROWS], max(2, labeller.orders))
    if not compared:
        say("note: whether answers depend on the order in which labels are listed is not known: the limit was reached")
        return {}
    share = different / compared
    say(f"prompt: {share:.1%} of {compared:,} answers depend on the order in which labels are listed")
    return {"order_dependent": round(share, 6)}


def _prompt_examples(chosen: Examples, task: LabellingTask, labels: LabelMap, model: object) -> tuple[Example, ...]:
    """Labelled rows as examples of the prompt, cut to the length of the texts that are labelled."""

    def cut(text: str) -> str:
        if not isinstance(model, Scorer) or task.max_length is None:
            return text
        return model.cut(text, task.max_length, task.long_text)[0]

    words = dict(zip(labels.names, task.words, strict=True))
    said = [[words[label] for label in labels_of(target)] for target in chosen.labels]
    answers = [lines_of(task.words, one) if task.by_line else ", ".join(one) or NO_LABEL for one in said]
    rows = zip(chosen.texts, answers, strict=True)
    return tuple(
        Example({name: cut(value) for name, value in task.values(text).items()}, answer) for text, answer in rows
    )


def _class_priors(train: Examples, labels: LabelMap) -> np.ndarray:
    """Class priors, `(classes,)`, with one row added to each class so that no prior is 0.

    Where a row may have several labels, the prior of each by itself, with a row that has it and one that has not.
    """
    encoded = labels.encode(train.labels)
    if labels.multi_label:
        shares: np.ndarray = (encoded.sum(0) + 1.0) / (len(train) + 2.0)
        return shares
    counts = np.bincount(encoded, minlength=len(labels)) + 1.0
    priors: np.ndarray = counts / counts.sum()
    return priors
