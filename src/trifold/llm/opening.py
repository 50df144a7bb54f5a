"""From what `--llm` says to a model, and to one with a labelling task."""

from typing import TYPE_CHECKING

import numpy as np

from trifold.backbone.settings import ComputeSettings
from trifold.errors import LlmError
from trifold.llm.asker import Asker
from trifold.llm.asking_labeller import AskingLabeller
from trifold.llm.budget import Budget
from trifold.llm.contract import Sampling, Scorer, Speaker
from trifold.llm.labelling import Labeller, LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.log import Log, log_path
from trifold.llm.remote import PREFIX as REMOTE
from trifold.llm.remote import RemoteModel
from trifold.llm.settings import LlmSettings

if TYPE_CHECKING:
    from trifold.llm.causal import CausalModel
    from trifold.llm.masked import MaskedModel

LOCAL = "hf:"
_WAY_OUT = "give --llm hf:FOLDER (or a hub id) for weights on this machine, or --llm openai:BASE_URL#MODEL for a server"


def open_llm(settings: LlmSettings, compute: ComputeSettings) -> "CausalModel | MaskedModel | RemoteModel":
    """The model that `--llm` names.

    Raises:
        LlmError: If it names none, or one that cannot be opened.
    """
    given = settings.llm or ""
    if given.startswith(REMOTE):
        if compute.offline:
            raise LlmError(f"--llm {REMOTE} asks a server, and --offline opens no connection: leave one of them out")
        return RemoteModel(given.removeprefix(REMOTE), settings)
    if given.startswith(LOCAL) and given != LOCAL:
        from trifold.llm.local import open_local

        return open_local(given.removeprefix(LOCAL), compute)
    raise LlmError(
        f"no language model is named: {_WAY_OUT}" if not given else f"--llm {given!r} is neither: {_WAY_OUT}"
    )


def open_speaker(settings: LlmSettings, compute: ComputeSettings) -> Speaker:
    """The same, where answers are wanted.

    Raises:
        LlmError: Also if the model only fills gaps.
    """
    model = open_llm(settings, compute)
    if not isinstance(model, Speaker):
        raise LlmError(
            f"{model.name} fills gaps and writes no answers: name a causal model here; this one serves --method prompt "
            "and label"
        )
    return model


def labeller_of(
    model: Scorer | Speaker,
    task: LabellingTask,
    llm: LlmSettings,
    votes: int,
    prior: np.ndarray | None = None,
    bias: np.ndarray | None = None,
) -> Labeller:
    """The model with a task: by likelihood where it gives likelihoods, by asking where it does not.

    Args:
        model: From `open_llm`.
        task: What to label with.
        llm: The log, the budget, and how answers are written.
        votes: Answers for each text, where it is asked.
        prior: As in `AskingLabeller`.
        bias: As in `LikelihoodLabeller`.
    """
    if isinstance(model, Scorer):
        return LikelihoodLabeller(model, task, Log(log_path(llm.log)), Budget.of(llm), bias)
    return AskingLabeller(Asker.of(model, llm), task, votes, prior, Sampling(llm.max_tokens, llm.temperature))
