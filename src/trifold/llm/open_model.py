"""From the name given with `--llm` to a model, and to a labeller."""

from typing import TYPE_CHECKING

import numpy as np

from trifold.errors import LlmError, require
from trifold.llm.call_log import CallLog, log_path
from trifold.llm.client import Client
from trifold.llm.contract import Sampling, Scorer, TextGenerator
from trifold.llm.generation_labeller import GenerationLabeller
from trifold.llm.labeller import Labeller, LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.openai_server import OpenAIServer
from trifold.llm.settings import LOCAL_PREFIX, SERVER_PREFIX, LlmSettings, PromptingSettings
from trifold.llm.spending_limit import SpendingLimit
from trifold.models.settings import ComputeSettings
from trifold.statistics.score_calibration import ScoreMap

if TYPE_CHECKING:
    from trifold.llm.causal_model import CausalModel
    from trifold.llm.masked_model import MaskedModel

_WAY_OUT = "give --llm hf:FOLDER (or a hub id) for weights on this machine, or --llm openai:BASE_URL#MODEL for a server"


def open_llm(settings: LlmSettings, compute: ComputeSettings) -> "CausalModel | MaskedModel | OpenAIServer":
    """The model that `--llm` names.

    Raises:
        LlmError: If it names none, or one that cannot be opened.
    """
    given = settings.llm or ""
    if given.startswith(SERVER_PREFIX):
        if compute.offline:
            raise LlmError(
                f"--llm {SERVER_PREFIX} asks a server, and --offline opens no connection: leave one of them out"
            )
        return OpenAIServer(given.removeprefix(SERVER_PREFIX), settings)
    if given.startswith(LOCAL_PREFIX) and given != LOCAL_PREFIX:
        from trifold.llm.local_model import open_local

        return open_local(given.removeprefix(LOCAL_PREFIX), compute)
    raise LlmError(
        f"no language model is named: {_WAY_OUT}" if not given else f"--llm {given!r} is neither: {_WAY_OUT}"
    )


def open_text_generator(settings: LlmSettings, compute: ComputeSettings) -> TextGenerator:
    """The model that `--llm` names, which must be able to write.

    Raises:
        LlmError: As `open_llm`, and if the model only fills gaps.
    """
    model = open_llm(settings, compute)
    if not isinstance(model, TextGenerator):
        raise LlmError(
            f"{model.name} fills gaps and writes no answers: name a causal model here; this one serves --method prompt "
            "and label"
        )
    return model


def labeller_of(
    model: Scorer | TextGenerator,
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
        prior: As in `GenerationLabeller`.
        score_map: As in `LikelihoodLabeller`.

    Raises:
        SettingsError: If the settings are for the other kind of model.
    """
    if isinstance(model, Scorer):
        log, limit = CallLog(log_path(llm.log)), SpendingLimit.of(llm)
        return LikelihoodLabeller(model, task, log, limit, score_map, asked.option_orders)
    for flag, given in (("calibration", asked.calibration != "auto"), ("option-orders", asked.option_orders != 1)):
        require(not given, f"--{flag} with {model.name}", "it is for models whose words are scored, so leave it out")
    return GenerationLabeller(
        Client.of(model, llm), task, asked.votes, prior, Sampling(llm.max_tokens, llm.temperature)
    )
