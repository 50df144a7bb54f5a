"""The predictor of `prompt`: a language model with its prompt and examples, saved without the model itself."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from trifold.artifact.arrays import Arrays, PromptingFacts, read_state, write_state
from trifold.engines.encoder import Encoder, embed
from trifold.errors import ArtifactError, BudgetError, LlmError, PromptError, SettingsError
from trifold.events import say
from trifold.json_reading import parse_json
from trifold.llm.asking_labeller import AskingLabeller
from trifold.llm.contract import UnnamedServerError
from trifold.llm.few_shot import Embed, FixedShots, NearestShots
from trifold.llm.labeller import Judgements, Labeller, LabellingTask, common_reasons
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.open_model import labeller_of, open_llm
from trifold.llm.prompt_file import format_prompt, parse_prompt
from trifold.llm.prompt_template import Example
from trifold.llm.settings import (
    LOCAL_PREFIX,
    RERANKER_PREFIX,
    SERVER_PREFIX,
    SERVER_PREFIXES,
    LlmSettings,
    Price,
    PromptingSettings,
    local_name,
    without_server,
)
from trifold.methods.contract import Predictor, Scores
from trifold.models.backbone_files import BackboneFiles
from trifold.models.locate import describe_base, find_base
from trifold.models.settings import ComputeSettings
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import choose
from trifold.statistics.score_calibration import ScoreMap
from trifold.tasks.labels import LabelMap
from trifold.terminal import printable
from trifold.types import Text

_PROMPT_FILE = "prompt.json"
# Settings that answers depend on. Server, key and limits come from the user each time, since a run folder may come from
# anyone.
_KEPT = ("max_tokens", "temperature", "stop")


class PromptPredictor(Predictor):
    """A language model with a prompt.

    Args:
        labeller: The model with its task, and the log of its answers.
        labels: Labels of the task, in the order of the task's words.
        kept: As returned by `kept_settings`.
        price: What the model's tokens cost.
        temperature: Divides the logits.
        how: What `load` is given beside the folder, to open the same model again.
    """

    def __init__(
        self,
        labeller: Labeller,
        labels: LabelMap,
        kept: dict[str, Any],
        price: Price | None = None,
        temperature: float = 1.0,
        how: tuple[ComputeSettings, LlmSettings | None] = (ComputeSettings(), None),
    ) -> None:
        self.labels = labels
        self._how = how
        self._labeller = labeller
        self._kept = kept
        self._price = price
        self._temperature = temperature

    def score(self, texts: Sequence[Text]) -> Scores:
        """See `Predictor.score`."""
        found = label_all(self._labeller, self._labeller.task.readable(texts))
        return Scores((found.logits / self._temperature).astype(np.float32), found.truncated, found.seconds_from_log)

    def account(self) -> dict[str, object]:
        """See `Predictor.account`. Calls, tokens and money; how much of the answers named no label."""
        spent = self._labeller.spent
        found: dict[str, object] = {"calls": spent.calls, "answers_from_log": spent.from_log}
        if isinstance(self._labeller, AskingLabeller):
            failures = self._labeller.abstained / max(1, self._labeller.asked)
            found |= {"prompt_tokens": spent.prompt_tokens, "answer_tokens": spent.answer_tokens}
            found["failure_rate"] = round(failures, 6)
            if self._labeller.beside:
                found["probability_beside_labels"] = round(float(np.mean(self._labeller.beside)), 6)
        return {**found, "money": spent.money(self._price)} if self._price else found

    def save(self, folder: Path) -> None:
        """Write the prompt with its examples; the language model is not copied, and no key is stored."""
        task = self._labeller.task
        arrays = {"temperature": np.array([self._temperature])}
        arrays |= {"prior": self._labeller.prior} if isinstance(self._labeller, AskingLabeller) else {}
        arrays |= vars(self._labeller.score_map) if isinstance(self._labeller, LikelihoodLabeller) else {}
        arrays |= {"vectors": task.shots.vectors} if isinstance(task.shots, NearestShots) else {}
        write_state(folder, {**self.labels.described(), **self._kept}, arrays)
        shots = task.shots.examples if isinstance(task.shots, FixedShots | NearestShots) else ()
        said = {"prompt": format_prompt(task.prompt), "shots": [[dict(one.values), one.output] for one in shots]}
        (folder / _PROMPT_FILE).write_text(json.dumps(said, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, compute: ComputeSettings, llm: LlmSettings | None = None) -> "PromptPredictor":
        """See `Predictor.load`.

        Args:
            folder: As given to `save`.
            compute: How to run it, where its weights are here.
            llm: Server, key, log and budget, none of which a run folder stores. Weights on this machine are found by
                the name in the run folder and checked by their hash.

        Raises:
            UnnamedServerError: If the run asks a server and `llm` names none.
        """
        saved, arrays = read_state(folder, PromptingFacts)
        kept: dict[str, Any] = saved
        with _damage_reported(folder):
            kept["stop"] = tuple(kept["stop"])
            LlmSettings(**{name: kept[name] for name in _KEPT})
        named = _llm_settings(folder, kept, llm or LlmSettings(), compute)
        with _damage_reported(folder):
            labels, task = LabelMap.saved(kept), _task(folder, kept, arrays, compute)
            temperature = float(arrays.of_shape("temperature", 1, positive=True)[0])
            votes, orders = int(kept["votes"]), int(kept["option_orders"])
            how = {
                "label_by": kept["label_by"],
                "score_by": kept["score_by"],
                "cloze": task.cloze,
                "hypothesis": task.hypothesis,
            }
            asked = PromptingSettings(votes=votes, option_orders=orders, **how)
            score_map = _score_map(arrays, len(labels)) if "base" in kept and asked.label_by != "answers" else None
            _require_whole(task, labels, arrays)
        if asked.votes > 1:
            say(f"note: this run asks {asked.votes} times for each text")
        model = open_llm(named, compute)
        labeller = labeller_of(model, task, named, asked, arrays.get("prior"), score_map)
        return cls(labeller, labels, kept, named.prices, temperature, (compute, llm))

    def divide_logits(self, temperature: float) -> None:
        """See `Predictor.divide_logits`."""
        self._temperature *= temperature

    def load_arguments(self) -> tuple[ComputeSettings, LlmSettings | None]:
        """See `Predictor.load_arguments`."""
        return self._how

    def size_bytes(self) -> int:
        """See `Predictor.size_bytes`. A model on a server counts nothing."""
        return len(format_prompt(self._labeller.task.prompt).encode()) + int(self._kept["llm_bytes"])


def kept_settings(
    llm: LlmSettings, asked: PromptingSettings, task: LabellingTask, name: str, files: BackboneFiles | None
) -> dict[str, Any]:
    """What a saved predictor stores, to use its model as before.

    Args:
        llm: How the model is called.
        asked: How the task is put to the model.
        task: The prompt, the labels' words and the examples.
        name: The model's name.
        files: The model's files; `None` for a model on a server.
    """
    return {
        "llm": without_server(name),
        "llm_bytes": files.size_bytes() if files else 0,
        **{name: getattr(llm, name) for name in _KEPT},
        "label_by": asked.label_by,
        "score_by": task.score_by,
        "votes": asked.votes,
        "option_orders": asked.option_orders,
        "words": list(task.words),
        "cloze": task.cloze,
        "hypothesis": task.hypothesis,
        "pairs": task.pairs,
        "max_length": task.max_length,
        "long_text": task.long_text,
        **(describe_base(files) if files else {}),
    }


def embedder(files: BackboneFiles, tokenizer: Tokenizer, compute: ComputeSettings) -> Embed:
    """A function from texts to vectors of length 1, by which the nearest examples are found."""
    encoder = Encoder(files, choose(compute.device, compute.precision))
    return lambda texts: embed(encoder, tokenizer, texts, compute.token_budget)[0]


def label_all(labeller: Labeller, texts: Sequence[Text]) -> Judgements:
    """Label texts, all of which must get a label.

    Raises:
        BudgetError: If the budget ends before all texts are labelled.
        LlmError: If no text can be labelled, or a prompt is longer than a model on this machine reads.
    """
    found = labeller.judge(texts)
    if found.unasked:
        reason = found.problems[min(found.unasked)]
        raise BudgetError(
            f"{reason}, and {len(found.unasked):,} of {len(texts):,} texts have no answer yet; the others are in the "
            "log: the same command with a higher limit asks for the rest alone"
        )
    if found.problems and (isinstance(labeller, LikelihoodLabeller) or len(found.problems) == len(texts)):
        reasons = "; ".join(common_reasons(found.problems))
        raise LlmError(f"{len(found.problems):,} of {len(texts):,} texts get no label: {reasons}")
    return found


@contextmanager
def _damage_reported(folder: Path) -> Iterator[None]:
    """Inside the block only the content of a run folder is used, so any error there means that it is damaged."""
    try:
        yield
    except (KeyError, TypeError, ValueError, IndexError, AttributeError, SettingsError):
        raise ArtifactError(f"{folder} holds a damaged file: train again or restore the run folder") from None


def _llm_settings(folder: Path, kept: dict[str, Any], given: LlmSettings, compute: ComputeSettings) -> LlmSettings:
    """The model and how to call it: the user's settings, and from the run those that its answers depend on.

    Raises:
        UnnamedServerError: If the run asks a server and the user names none.
        LlmError: If the user names a server for a run that uses weights on this machine.
        ArtifactError: If the weights are not those that the run was made with.
    """
    default, made_with = LlmSettings(), str(kept["llm"])
    own = {name: kept[name] for name in _KEPT if getattr(given, name) == getattr(default, name)}
    if "base" in kept:
        if given.llm and local_name(given.llm) is None:
            raise LlmError(f"{folder.parent} was made with weights on this machine: leave out --llm, or name them")
        # The weights may have moved; their hash is compared.
        moved = {"base": local_name(given.llm), "base_revision": None} if given.llm else {}
        base = {**kept, **moved}
        files = find_base(base, folder, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
        prefix = RERANKER_PREFIX if made_with.startswith(RERANKER_PREFIX) else LOCAL_PREFIX
        return replace(given, llm=f"{prefix}{files.folder}", **own)
    model = printable(_model_of(made_with))
    prefix = next((one for one in SERVER_PREFIXES if made_with.startswith(one)), SERVER_PREFIX)
    if not given.llm or not given.llm.startswith(SERVER_PREFIXES):
        raise UnnamedServerError(
            f"{folder.parent} asks a server for the model {model}, and a run folder may not say which server gets the "
            f"texts: give --llm {prefix}BASE_URL#MODEL, and --api-key-env where its key is not in OPENAI_API_KEY"
        )
    if _model_of(given.llm) != _model_of(made_with) or not given.llm.startswith(prefix):
        say(f"note: the run was made with the model {model}: its figures are of that, not of {_model_of(given.llm)}")
    return replace(given, **own)


def _require_whole(task: LabellingTask, labels: LabelMap, arrays: dict[str, np.ndarray]) -> None:
    """Raise a `ValueError` if parts of a run contradict each other or are not allowed."""
    words = all(isinstance(word, str) for word in task.words)
    if not words or len(task.words) != len(labels) or ("prior" in arrays and arrays["prior"].shape != (len(labels),)):
        raise ValueError("its parts do not go together")


def _score_map(arrays: Arrays, words: int) -> ScoreMap:
    return ScoreMap(
        arrays.of_shape("lengths", words, positive=True),
        arrays.of_shape("weight", words),
        arrays.of_shape("bias", words),
    )


def _model_of(llm: str) -> str:
    """The model's name without the server's address."""
    return llm.rpartition("#")[2]


def _task(folder: Path, kept: dict[str, Any], arrays: dict[str, np.ndarray], compute: ComputeSettings) -> LabellingTask:
    try:
        said = parse_json((folder / _PROMPT_FILE).read_bytes())
        prompt = parse_prompt(said["prompt"])
        examples = tuple(Example(values, output) for values, output in said["shots"])
        for example in examples:
            prompt.filled_task(example.values)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, PromptError):
        raise ArtifactError(
            f"{folder / _PROMPT_FILE} is missing or damaged: train again or restore the run folder"
        ) from None
    shots: FixedShots | NearestShots = FixedShots(examples)
    if "nearest" in kept:
        files = find_base(kept["nearest"], folder, offline=compute.offline, trust_remote_code=compute.trust_remote_code)
        found = embedder(files, Tokenizer.of(files, kept["nearest"]), compute)
        shots = NearestShots(examples, arrays["vectors"], kept["nearest"]["shots"], found)
    words = tuple(kept["words"])
    how = {name: kept[name] for name in ("max_length", "long_text", "hypothesis", "pairs")}
    return LabellingTask(prompt, words, kept["cloze"], shots, **how, by_letter=kept["score_by"] == "letters")
