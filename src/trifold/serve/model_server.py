"""Runs that are held open and asked by many clients at the same time; it knows nothing of HTTP."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from trifold.explanations.settings import ExplanationSettings
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings
from trifold.serve.observer import Observer
from trifold.serve.replies import EmbedReply, ExplainReply, Load, Reply
from trifold.serve.served_run import ServedRun
from trifold.serve.settings import QueueSettings
from trifold.types import Text


class ModelServer:
    """Answers requests on some runs.

    All methods but the constructor are for one event loop; the work is done in threads of the server's own. Cancelling
    the task that awaits an answer takes its texts out of the queue.

    Args:
        folders: Name of each run to its folder, or to the folder of a comparison, whose best run is taken.
        compute: How models run.
        settings: How requests are gathered, and what is refused.
        llm: The server and its key, for runs that ask a language model's server.
        shadow: Folder of a run that answers beside the first run without being seen; its answers are only counted.
        observer: Hears of everything.
    """

    def __init__(
        self,
        folders: Mapping[str, Path],
        compute: ComputeSettings | None = None,
        settings: QueueSettings | None = None,
        llm: LlmSettings | None = None,
        shadow: Path | None = None,
        observer: Observer | None = None,
    ) -> None:
        raise NotImplementedError

    async def start(self) -> None:
        """Open the runs and compute one text with each.

        Raises:
            TrifoldError: If one cannot be opened; nothing is left running.
        """
        raise NotImplementedError

    @property
    def runs(self) -> Mapping[str, ServedRun]:
        """The runs that answer at this moment, by name, in the order in which they were given; the first is the default."""
        raise NotImplementedError

    @property
    def load(self) -> Load:
        """How busy it is at this moment."""
        raise NotImplementedError

    async def predict(
        self,
        run: str,
        texts: Sequence[Text],
        *,
        truncate: bool = True,
        reject_below: float | None = None,
        deadline_seconds: float | None = None,
    ) -> Reply:
        """The labels of some texts and their probabilities.

        Args:
            run: Name of the run.
            texts: Single texts, or pairs where the run reads pairs.
            truncate: Whether texts that are too long are cut, and not refused.
            reject_below: Give no label where the run is less sure than this.
            deadline_seconds: Of this request; the setting where `None`.

        Raises:
            ServingError: If there is no answer; see `errors.py`.
        """
        raise NotImplementedError

    async def predict_each(
        self,
        runs: Sequence[str],
        texts: Sequence[Text],
        *,
        truncate: bool = True,
        reject_below: float | None = None,
        deadline_seconds: float | None = None,
    ) -> dict[str, Reply]:
        """As `predict`, by several runs at once: those on one backbone take one forward pass together.

        Raises:
            ServingError: If one of them gives no answer.
        """
        raise NotImplementedError

    async def embed(
        self,
        run: str,
        texts: Sequence[str],
        *,
        dimensions: int | None = None,
        prompt_name: str | None = None,
        deadline_seconds: float | None = None,
    ) -> EmbedReply:
        """The vectors of some texts by a run's encoder, as `trifold embed RUN` gives them.

        The encoder is opened when it is first asked for; a run of `features` or `zero-shot` shares its backbone's.

        Args:
            run: Name of the run.
            texts: Single texts.
            dimensions: Numbers of a vector that are kept, the first ones, made length 1 again.
            prompt_name: A prompt that the model knows, such as `query`.
            deadline_seconds: As for `predict`.

        Raises:
            ServingError: If there is no answer, such as for a run without an encoder of its own.
        """
        raise NotImplementedError

    async def explain(
        self,
        run: str,
        text: str,
        settings: ExplanationSettings | None = None,
        *,
        deadline_seconds: float | None = None,
    ) -> ExplainReply:
        """Which words of a text decided; requests for labels go first.

        Raises:
            ServingError: If there is no answer; runs that read pairs are not explained.
        """
        raise NotImplementedError

    async def reload(self, run: str | None = None) -> dict[str, str]:
        """Open folders again, and let the new versions answer from the next request on.

        Requests that came before are answered by the version that they came to. A folder that cannot be opened leaves
        its former version in use.

        Args:
            run: Name of the run; all of them where `None`.

        Returns:
            Name to the error, for those that could not be opened; empty where all could.

        Raises:
            UnknownRunError: If there is no such run.
        """
        raise NotImplementedError

    async def drain(self, seconds: float) -> bool:
        """Take nothing new, wait until what is under way is answered, and stop.

        Args:
            seconds: Wait so long at most; what is left then is given up with a `StoppingError`.

        Returns:
            Whether everything was answered.
        """
        raise NotImplementedError
