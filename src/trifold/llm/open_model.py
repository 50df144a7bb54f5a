"""From the name given with `--llm` to a model, and to a labeller."""

import json
from typing import TYPE_CHECKING

import numpy as np

from trifold.errors import LlmError, require
from trifold.events import say
from trifold.llm.call_log import CallLog, log_path
from trifold.llm.client import Client
from trifold.llm.contract import AskedModel, Sampling, Scorer, TextGenerator
from trifold.llm.decision_labeller import DecisionLabeller, require_decidable
from trifold.llm.decision_server import DecisionServer
from trifold.llm.generation_labeller import GenerationLabeller
from trifold.llm.label_lines import asking_for_lines
from trifold.llm.labeller import Labeller, LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.option_letters import require_letters
from trifold.llm.prompt_template import Prompt
from trifold.llm.reranker import Reranker
from trifold.llm.settings import (
    RERANKER_PREFIX,
    SERVER_PREFIX,
    SERVER_PREFIXES,
    LlmSettings,
    PromptingSettings,
    local_name,
)
from trifold.llm.spending_limit import SpendingLimit
from trifold.models.settings import ComputeSettings
from trifold.statistics.score_calibration import ScoreMap

if TYPE_CHECKING:
    from trifold.llm.causal_model import CausalModel
    from trifold.llm.masked_model import MaskedModel

_WAY_OUT = (
    "give --llm hf:FOLDER (or a GGUF file or a hub id behind hf:, or gemma-270m) for weights on this machine, --llm "
    "rerank:FOLDER for a reranker, or --llm openai:BASE_URL#MODEL for a server"
)


def open_llm(
    settings: LlmSettings, compute: ComputeSettings
) -> "CausalModel | MaskedModel | Reranker | OpenAIServer | DecisionServer":
    """The model that `--llm` names.

    Raises:
        LlmError: If it names none, or one that cannot be opened.
    """
    given = settings.llm or ""
    prefix = next((one for one in SERVER_PREFIXES if given.startswith(one)), None)
    if prefix:
        if compute.offline:
            raise LlmError(f"--llm {prefix} asks a server, and --offline opens no connection: leave one of them out")
        address = given.removeprefix(prefix)
        return OpenAIServer(address, settings) if prefix == SERVER_PREFIX else DecisionServer(prefix, address, settings)
    if given.startswith(RERANKER_PREFIX) and given != RERANKER_PREFIX:
        from trifold.llm.local_reranker import open_reranking_model

        return open_reranking_model(given.removeprefix(RERANKER_PREFIX), compute, f"--llm {RERANKER_PREFIX}")
    if (name := local_name(given)) is not None:
        from trifold.llm.local_model import open_local

        return open_local(name, compute)
    raise LlmError(
        f"no language model is named: {_WAY_OUT}" if not given else f"--llm {given!r} is none of these: {_WAY_OUT}"
    )


def open_text_generator(settings: LlmSettings, compute: ComputeSettings) -> TextGenerator:
    """The model that `--llm` names, which must be able to write.

    Raises:
        LlmError: As `open_llm`, and if the model only fills gaps.
    """
    model = open_llm(settings, compute)
    if isinstance(model, DecisionServer):
        raise LlmError(f"{model.name} decides and writes no answers: name a model that writes, or use it with label")
    if not isinstance(model, TextGenerator):
        raise LlmError(
            f"{model.name} {_what_it_does(model)} and writes no answers: name a causal model here; this one serves "
            "--method prompt and label"
        )
    return model


def labeller_of(
    model: Scorer | AskedModel,
    task: LabellingTask,
    llm: LlmSettings,
    asked: PromptingSettings,
    prior: np.ndarray | None = None,
    score_map: ScoreMap | None = None,
) -> Labeller:
    """A labeller: by likelihoods if the model gives them, else by asking the model.

    Args:
        model: As returned by `open_llm`.
        task: The labelling task.
        llm: The log, the budget, and how answers are written.
        asked: How the task is put to the model.
        prior: As in `AskingLabeller`.
        score_map: As in `LikelihoodLabeller`.

    Raises:
        SettingsError: If the settings are for the other kind of model.
    """
    _require_for(model, asked)
    if isinstance(model, Scorer) and asked.label_by != "answers":
        log, limit = CallLog(log_path(llm.log)), SpendingLimit.of(llm)
        return LikelihoodLabeller(model, task, log, limit, score_map, asked.option_orders)
    require(
        isinstance(model, AskedModel),
        f"--label-by answers with {model.name}",
        "it writes no answers, so leave it out",
    )
    require(
        asked.label_by != "likelihoods" or isinstance(model, Scorer),
        f"--label-by likelihoods with {model.name}",
        "a server answers in its own way, so leave it out",
    )
    assert isinstance(model, AskedModel)
    if isinstance(model, DecisionServer):
        return DecisionLabeller(Client.of(model, llm), task, asked.votes, prior)
    return GenerationLabeller(Client.of(model, llm), task, asked.votes, prior, sampling_of(llm, task.prompt))


def _require_for(model: Scorer | AskedModel, asked: PromptingSettings) -> None:
    """Refuse settings that are for another kind of model, or for another way of asking it."""
    scored, usual = isinstance(model, Scorer) and asked.label_by != "answers", PromptingSettings()
    fills_gaps = isinstance(model, Scorer) and not isinstance(model, Reranker | TextGenerator)
    by_score = "it is for models whose words are scored, so leave it out"
    allowed = {
        "calibration": (scored, by_score),
        "option_orders": (scored, by_score),
        "score_by": (
            scored and isinstance(model, TextGenerator),
            "it is for models here that write and whose words are scored, so leave it out",
        ),
        "votes": (not scored, "votes are of written answers: leave it out, or add --label-by answers"),
        "cloze": (fills_gaps, "it is for models that fill gaps, so leave it out"),
        "hypothesis": (isinstance(model, Reranker), "it is for --llm rerank:NAME, so leave it out"),
    }
    for name, (fits, way_out) in allowed.items():
        given = getattr(asked, name)
        flag = f"--{name.replace('_', '-')} {given}"
        require(fits or given == getattr(usual, name), f"{flag} with {model.name}", way_out)


def sampling_of(llm: LlmSettings, prompt: Prompt | None = None) -> Sampling:
    """How answers are written, by the flags and the prompt file."""
    stop = (*(prompt.output.stop if prompt else ()), *llm.stop)
    schema = prompt.output.json_schema() if prompt else None
    as_json = None if schema is None else json.dumps(schema, ensure_ascii=False)
    return Sampling(llm.max_tokens, llm.temperature, stop=tuple(dict.fromkeys(stop)), json_schema=as_json)


def labelling_task(
    model: object, prompt: Prompt, words: tuple[str, ...], asked: PromptingSettings, *, pairs: bool = False
) -> LabellingTask:
    """A task as it is put to a model.

    Args:
        model: As returned by `open_llm`.
        prompt: The instructions.
        words: The words for the labels, in class order.
        asked: How the task is put to it.
        pairs: Whether pairs of texts are labelled.

    Raises:
        SettingsError, LlmError: If the model cannot use what it is given.
        PromptError: As `require_letters`.
    """
    _require_readable(model, asked, prompt, len(words))
    if asked.score_by != "words":
        require_letters(prompt, words, str(getattr(model, "name", "")))
    by_line = prompt.output.several and isinstance(model, Scorer) and asked.label_by != "answers"
    if by_line:
        prompt = asking_for_lines(prompt)
    return LabellingTask(
        prompt,
        words,
        asked.cloze,
        hypothesis=asked.hypothesis,
        pairs=pairs,
        by_line=by_line,
        by_letter=asked.score_by == "letters",
    )


def _require_readable(model: object, asked: PromptingSettings, prompt: Prompt, labels: int) -> None:
    """Refuse, or say, what a reranker or a decision server does not read, before anything is asked or computed.

    Args:
        model: As returned by `open_llm`.
        asked: How the task is put to it.
        prompt: The instructions.
        labels: Number of labels.

    Raises:
        SettingsError: If a reranker is to be shown examples: it reads a text and a label, and nothing else.
        LlmError: If a decision server is given what it cannot use.
    """
    if isinstance(model, DecisionServer):
        require_decidable(prompt, asked.shots, asked.votes, labels)
    if isinstance(model, Reranker):
        require(not asked.shots, f"--shots {asked.shots}", "a reranker reads a text and a label, and no examples")
        if asked.prompt is not None:
            say(f"note: {model.name} reads the labels of {asked.prompt}, and none of its instructions")


def _what_it_does(model: object) -> str:
    return "judges pairs of texts" if isinstance(model, Reranker) else "fills gaps"
