"""Runs that are held open and asked by many clients at the same time; it knows nothing of HTTP."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trifold.errors import SettingsError
from trifold.explanations.settings import ExplanationSettings
from trifold.llm.settings import LlmSettings
from trifold.models.settings import ComputeSettings
from trifold.serve.answers import (
    NO_TIME,
    cut_vectors,
    reply_of,
    require_deadline,
    require_dimensions,
    require_few,
    require_share,
    require_texts,
)
from trifold.serve.errors import UnusableRequestError
from trifold.serve.explainer import Explainer, require_explainable
from trifold.serve.lanes import Lanes, late
from trifold.serve.observer import Observer
from trifold.serve.opening import RunOpener, Version
from trifold.serve.passes import Pass
from trifold.serve.replies import EmbedReply, ExplainReply, Load, Reply, Timing
from trifold.serve.requests import Request
from trifold.serve.served_run import ServedRun
from trifold.serve.settings import QueueSettings
from trifold.serve.shadow import Shadow
from trifold.serve.under_way import UnderWay
from trifold.serve.versions import Versions, version_of
from trifold.types import Text

# Until a pass that is being computed when the server stops is done.
_LAST_PASS_SECONDS = 60.0


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
        self._settings, self._observer = settings or QueueSettings(), observer or Observer()
        self._lanes = Lanes(self._settings, self._observer)
        self._explainer = Explainer(self._lanes)
        self._versions = Versions(folders, RunOpener(compute or ComputeSettings(), llm), self._lanes)
        self._shadow_folder = shadow
        self._shadow: Shadow | None = None
        self._under_way = UnderWay(self._observer)

    async def start(self) -> None:
        """Open the runs and compute a short text and a long one with each.

        Raises:
            TrifoldError: If one cannot be opened; nothing is left running.
        """
        try:
            await self._versions.open_all()
            if self._shadow_folder is not None:
                first = self._versions.first().facts
                version = await self._versions.opened(f"shadow of {first.name}", self._shadow_folder)
                if first.reads_pairs != version.facts.reads_pairs:
                    raise SettingsError(f"{self._shadow_folder} does not read what {first.folder} reads: name another")
                self._shadow = Shadow(version, self._lanes, self._observer)
        except BaseException:
            await self.drain(0)
            raise

    @property
    def runs(self) -> Mapping[str, ServedRun]:
        """The runs that answer at this moment by name, in the order they were given in; the first is the default."""
        return self._versions.runs

    @property
    def texts_per_request(self) -> int:
        """Texts that one request may hold."""
        return self._settings.texts_per_request

    @property
    def load(self) -> Load:
        """How busy it is at this moment."""
        return self._lanes.load

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
        replies = await self.predict_each(
            [run], texts, truncate=truncate, reject_below=reject_below, deadline_seconds=deadline_seconds
        )
        return replies[run]

    def predict_each(
        self,
        runs: Sequence[str],
        texts: Sequence[Text],
        *,
        truncate: bool = True,
        reject_below: float | None = None,
        deadline_seconds: float | None = None,
    ) -> Coroutine[Any, Any, dict[str, Reply]]:
        """As `predict`, by several runs at once: those on one backbone take one forward pass together.

        The versions that answer are those of this call, even where it is awaited later: who read their labels just
        before gets the answers of no others.

        Raises:
            ServingError: If one of them gives no answer.
        """
        held = self._versions.at_present()

        async def replies() -> dict[str, Reply]:
            least, seconds = require_share(reject_below), self._deadline(deadline_seconds)
            require_few(texts, self._settings.texts_per_request)
            return await self._answered({run: version_of(held, run) for run in runs}, texts, truncate, least, seconds)

        return replies()

    async def _answered(
        self, versions: Mapping[str, Version], texts: Sequence[Text], truncate: bool, least: float, seconds: float
    ) -> dict[str, Reply]:
        if not texts:
            return {run: Reply((), NO_TIME, version.facts.version) for run, version in versions.items()}
        by_pass: dict[Pass, list[Version]] = {}
        for version in versions.values():
            by_pass.setdefault(version.work, []).append(version)
        replies: dict[str, Reply] = {}
        async with self._under_way.request(list(versions), "predict"):
            asked = [
                (together, Request(texts, work, [version.labels for version in together], truncate=truncate))
                for work, together in by_pass.items()
            ]
            await self._lanes.answered([(together[0], request) for together, request in asked], seconds)
            for together, request in asked:
                for version, found in zip(together, request.results, strict=True):
                    replies[version.facts.name] = reply_of(version, request, found, least)
        for run, reply in replies.items():
            self._observer.answered(run, "predict", len(texts), reply.timing)
            self._observer.predicted(run, reply)
        if self._shadow is not None:
            self._shadow.ask_beside(self._versions.first().facts.name, asked, texts, seconds)
        return {run: replies[run] for run in versions}

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
        seconds, version = self._deadline(deadline_seconds), self._versions[run]
        require_few(texts, self._settings.texts_per_request)
        async with self._under_way.request([run], "embed"):
            require_texts(texts)
            vectors = version.opened_vectors or await self._versions.off_loop(lambda: version.vectors)
            require_dimensions(vectors, dimensions)
            prompt = vectors.embedder.prompt_text(prompt_name)
            width = dimensions or vectors.embedder.width
            found, timing = np.zeros((0, width), dtype=np.float32), NO_TIME
            request = Request([vectors.embedder.as_read(prompt, text) for text in texts], vectors.work, [vectors.head])
            if texts:
                await self._lanes.answered([(version, request)], seconds)
                found, timing = cut_vectors(np.stack(request.results[0]), dimensions), request.timing()
        self._observer.answered(run, "embed", len(texts), timing)
        return EmbedReply(found, tuple(request.lengths), tuple(request.truncated), timing, version.facts.version)

    async def explain(
        self,
        run: str,
        text: str,
        settings: ExplanationSettings | None = None,
        *,
        deadline_seconds: float | None = None,
    ) -> ExplainReply:
        """Which words of a text decided; the many texts that this takes have their turn among those of all others.

        Raises:
            ServingError: If there is no answer; runs that read pairs are not explained.
        """
        seconds, version = self._deadline(deadline_seconds), self._versions[run]
        begun = time.perf_counter()
        async with self._under_way.request([run], "explain"):
            require_texts([text])
            require_explainable(text)
            if version.facts.reads_pairs:
                raise UnusableRequestError(f"{run} reads pairs of texts, which are not explained: name another run")
            try:
                async with asyncio.timeout(seconds):
                    found = await self._explainer.explain(version, text, settings, seconds)
            except TimeoutError:
                raise late(seconds) from None
        took = time.perf_counter() - begun
        self._observer.answered(run, "explain", 1, Timing(0.0, 0.0, took, took))
        return ExplainReply(found, took, version.facts.version)

    async def canary(self, run: str, seconds: float) -> None:
        """Have a run answer a short text that nobody sent: it is no answer that is counted, and no shadow sees it.

        Raises:
            ServingError: If it does not answer within so long.
        """
        await self._lanes.canary(self._versions[run], seconds)

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
        found = await self._versions.reload(run)
        for name, error in found.items():
            self._observer.reloaded(name, self.runs[name].version, error)
        return {name: error for name, error in found.items() if error}

    async def drain(self, seconds: float) -> bool:
        """Take nothing new, wait until what is under way is answered, and stop.

        Args:
            seconds: Wait so long at most; what is left then is given up with a `StoppingError`.

        Returns:
            Whether everything was answered.
        """
        answered = await self._under_way.drain(seconds)
        self._lanes.close()
        self._explainer.close()
        await asyncio.get_running_loop().run_in_executor(None, self._lanes.join, _LAST_PASS_SECONDS)
        self._versions.close()
        return answered

    def _deadline(self, given: float | None) -> float:
        return self._settings.deadline_seconds if given is None else require_deadline(given)
