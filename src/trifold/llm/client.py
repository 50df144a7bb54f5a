"""Ask a language model: through the log, within the budget, with retries, several calls at a time."""

import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, replace

from trifold.errors import BudgetError, LlmError, TrifoldError
from trifold.events import say, with_this_sink
from trifold.llm.call_log import Call, CallLog, log_path
from trifold.llm.call_pace import FIRST, CallPace
from trifold.llm.contract import Answer, AskedModel, FatalLlmError, OnText, Sampling, TransientError
from trifold.llm.cost_estimate import Estimate, expect_answers
from trifold.llm.prompt_template import Conversation, conversation_to_json
from trifold.llm.retry import RetryPolicy
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit
from trifold.terminal import PrintablePieces, printable

# The most calls at the same time where the user names no number.
_MOST_AT_ONCE = 16
# What a model that answers in batches is given together: a few batches, so that a limit of time is soon noticed.
_ASKED_TOGETHER = 64


@dataclass(frozen=True)
class Failure:
    """Why there is no answer.

    Attributes:
        reason: The reason, for a message.
        unasked: Whether the budget ended before the model was asked.
    """

    reason: str
    unasked: bool = False


class Client:
    """A model with its log and budget.

    Args:
        model: The model to ask.
        log: Holds the answers of earlier calls and takes new ones.
        budget: Limits calls and seconds.
        retries: How often a failed call is made again.
        concurrency: The most calls at the same time, if the model allows several; how many there are is found out.
    """

    def __init__(
        self,
        model: AskedModel,
        log: CallLog,
        budget: SpendingLimit,
        retries: int = 4,
        concurrency: int | None = None,
    ) -> None:
        self.model = model
        self.log = log
        self.budget = budget
        self._retry = RetryPolicy(retries)
        self.concurrency = (concurrency or _MOST_AT_ONCE) if model.parallel else 1
        # What a forecast assumes.
        self._usual_at_once = (concurrency or FIRST) if model.parallel else 1
        self._pace = CallPace(self.concurrency)
        self._stopped = threading.Event()

    @classmethod
    def of(cls, model: AskedModel, settings: LlmSettings) -> "Client":
        """A client with the log and the budget that the settings name."""
        log, budget = CallLog(log_path(settings.log)), SpendingLimit.of(settings)
        return cls(model, log, budget, settings.retries, settings.concurrency)

    def ask(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """One answer, from the log or from the model.

        Args:
            conversation: The messages so far.
            sampling: How the answer is written.
            on_text: Called with each piece of the answer as it comes, with control characters removed.

        Raises:
            BudgetError: If the budget does not allow another call.
            LlmError: If prompt and answer do not fit the model, or no call brought an answer.
        """
        sampling = self._settled(conversation, sampling)
        call = _call(self.model, conversation, sampling)
        show = PrintablePieces(on_text) if on_text else None
        answer = self._from_log(call, sampling)
        if answer is not None:
            if show:
                show(answer.text)
        else:
            answer = self._from_model(call, conversation, sampling, show)
        if show:
            show.end()
        return answer

    def _from_log(self, call: Call, sampling: Sampling) -> Answer | None:
        """The answer if the call was made before; sampling without a vote's number asks for a new answer each time."""
        known = self.log.find(call) if sampling.temperature == 0 or sampling.vote else None
        if known is None or known.answer is None:
            return None
        # Calls that were under way at the same time did not add up in time.
        seconds = known.seconds / self._usual_at_once
        self.budget.charge(known.prompt_tokens, known.answer_tokens, seconds, from_log=True)
        return Answer(known.answer, known.prompt_tokens, known.answer_tokens, known.seconds, from_log=True)

    def _from_model(
        self, call: Call, conversation: Conversation, sampling: Sampling, show: PrintablePieces | None
    ) -> Answer:
        """The answer of the model, asked again as the retry policy says."""

        def wait(error: TransientError, seconds: float) -> None:
            if show:
                show.end()
                say(f"\nnote: {printable(error.reason)}; asking again from the beginning")
            self._wait(seconds)

        try:
            answer = self._retry.run(lambda: self._attempt(call, conversation, sampling, show), wait)
        except TransientError as error:
            kind = FatalLlmError if error.unreachable else LlmError
            calls = self._retry.retries + 1
            raise kind(f"{self.model.name} gave no answer in {calls} calls: {error.reason}") from None
        self.budget.charge(answer.prompt_tokens, answer.answer_tokens, answer.seconds, from_log=False)
        return answer

    def _attempt(
        self, call: Call, conversation: Conversation, sampling: Sampling, show: PrintablePieces | None
    ) -> Answer:
        """Ask the model once; answer or error is logged."""
        while wait := self._pace.begin():
            self._wait(wait)
        began, answered_after = time.monotonic(), None
        try:
            self.budget.take()
            answer = self.model.complete(conversation, sampling, show)
            answered_after = answer.seconds
        except TransientError as error:
            self.log.add(replace(call, error=error.reason, seconds=time.monotonic() - began))
            if error.throttled:
                self._pace.throttled(began, self._retry.wait_seconds(0, error.wait_seconds))
            raise
        except BudgetError:
            raise
        except LlmError as error:
            self.log.add(replace(call, error=str(error), seconds=time.monotonic() - began))
            raise
        finally:
            self._pace.end(answered_after)
        self.log.add(_answered(call, answer))
        return answer

    def ask_all(
        self, conversations: Sequence[Conversation], samplings: Sequence[Sampling]
    ) -> Generator[tuple[int, Answer | Failure]]:
        """Ask many conversations, several at a time.

        If the caller or the user stops early, the calls that were started are still waited for and logged, since they
        cost money.

        Yields:
            The position of a conversation and its answer, in the order in which the answers arrive.

        Raises:
            LlmError: If a call fails in a way that every other call would (a wrong key, an unknown model).
        """
        if self.model.batches:
            yield from self._in_batches(conversations, samplings)
            return
        if self.concurrency == 1:
            for position, (conversation, sampling) in enumerate(zip(conversations, samplings, strict=True)):
                yield position, self._try(conversation, sampling)
            return
        pool, attempt = ThreadPoolExecutor(self.concurrency), with_this_sink(self._try)
        waiting = iter(enumerate(zip(conversations, samplings, strict=True)))
        running: dict[Future[Answer | Failure], int] = {}
        try:
            while True:
                while len(running) < self._pace.now and (one := next(waiting, None)):
                    running[pool.submit(attempt, *one[1])] = one[0]
                if not running:
                    return
                done, _ = wait(running, return_when=FIRST_COMPLETED)
                for future in done:
                    yield running.pop(future), future.result()
        finally:
            self._stopped.set()
            left = [future for future in running if not future.cancel()]
            if any(not future.done() for future in left):
                say("waiting for the answers that are under way")
            pool.shutdown(wait=True, cancel_futures=True)
            self._stopped.clear()

    def _in_batches(
        self, conversations: Sequence[Conversation], samplings: Sequence[Sampling]
    ) -> Iterator[tuple[int, Answer | Failure]]:
        """As `ask_all`, for a model that answers many conversations at once."""
        waiting: list[tuple[int, Call, Conversation, Sampling]] = []
        for position, (conversation, sampling) in enumerate(zip(conversations, samplings, strict=True)):
            try:
                settled = self._settled(conversation, sampling)
                call = _call(self.model, conversation, settled)
                known = self._from_log(call, settled)
                if known is None:
                    self.budget.take()
                    waiting.append((position, call, conversation, settled))
                else:
                    yield position, known
            except FatalLlmError:
                raise
            except TrifoldError as error:
                yield position, Failure(str(error), unasked=isinstance(error, BudgetError))
            if len(waiting) == _ASKED_TOGETHER:
                yield from self._together(waiting)
                waiting = []
        yield from self._together(waiting)

    def _together(
        self, waiting: Sequence[tuple[int, Call, Conversation, Sampling]]
    ) -> Iterator[tuple[int, Answer | Failure]]:
        """Answers of the model, logged as they come."""
        for number, answer in self.model.complete_many([(conversation, how) for _, _, conversation, how in waiting]):
            position, call, *_ = waiting[number]
            if isinstance(answer, LlmError):
                self.log.add(replace(call, error=str(answer)))
                yield position, Failure(str(answer))
                continue
            self.log.add(_answered(call, answer))
            self.budget.charge(answer.prompt_tokens, answer.answer_tokens, answer.seconds, from_log=False)
            yield position, answer

    def expect(self, asked: Sequence[tuple[Conversation, Sampling]]) -> Estimate:
        """What asking all of these would cost; no call is made."""
        asked = [(conversation, self._settled(conversation, sampling)) for conversation, sampling in asked]
        missing = [one for one in asked if self.log.find(_call(self.model, *one)) is None]
        return expect_answers(
            self.log,
            self.model.identity,
            (self.model.count_tokens(conversation) for conversation, _ in missing),
            len(asked) - len(missing),
            self._usual_at_once,
            exact=self.model.counts_exactly,
            longest=asked[0][1].max_tokens or 0 if asked else 0,
        )

    def _settled(self, conversation: Conversation, sampling: Sampling) -> Sampling:
        return replace(sampling, max_tokens=self.model.room(conversation, sampling.max_tokens))

    def _try(self, conversation: Conversation, sampling: Sampling) -> Answer | Failure:
        try:
            return self.ask(conversation, sampling)
        except BudgetError as error:
            return Failure(str(error), unasked=True)
        except FatalLlmError:
            raise
        except TrifoldError as error:
            return Failure(str(error))

    def _wait(self, seconds: float) -> None:
        """Wait before a call is made again.

        Raises:
            BudgetError: If `--max-seconds` would be over by then.
            LlmError: If everything is being stopped.
        """
        if seconds > self.budget.seconds_left:
            raise BudgetError("--max-seconds would be over before the server may be asked again")
        if self._stopped.wait(seconds):
            raise LlmError("stopped before the call was made again")


def _call(model: AskedModel, conversation: Conversation, sampling: Sampling) -> Call:
    return Call.to_make(model.identity, conversation_to_json(conversation), sampling.described())


def _answered(call: Call, answer: Answer) -> Call:
    return replace(
        call,
        answer=answer.text,
        prompt_tokens=answer.prompt_tokens,
        answer_tokens=answer.answer_tokens,
        seconds=answer.seconds,
    )
