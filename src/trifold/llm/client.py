"""Ask a model: the log first, within the budget, again where a call fails, several at a time."""

import json
import random
import threading
import time
from collections.abc import Generator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, replace

from trifold.errors import BudgetError, LlmError, TrifoldError
from trifold.events import say, with_this_sink
from trifold.json_reading import parse_json
from trifold.llm.call_log import Call, CallLog, log_path
from trifold.llm.contract import Answer, FatalLlmError, OnText, Sampling, TextGenerator, TransientError
from trifold.llm.cost_estimate import Estimate, expect_answers
from trifold.llm.prompt_template import Conversation, Message
from trifold.llm.settings import LlmSettings
from trifold.llm.spending_limit import SpendingLimit
from trifold.terminal import PrintablePieces, printable

_FIRST_WAIT_SECONDS = 0.5
_LONGEST_WAIT_SECONDS = 60.0


@dataclass(frozen=True)
class Failure:
    """Why there is no answer.

    Attributes:
        reason: In plain words.
        unasked: Whether the budget was spent before it could be asked.
    """

    reason: str
    unasked: bool = False


class Client:
    """A model with its log and budget.

    Args:
        model: Whom to ask.
        log: Where answers are kept and found.
        budget: What may be spent.
        retries: How often a failed call is made again.
        concurrency: Calls under way at the same time, where the model takes that.
    """

    def __init__(
        self, model: TextGenerator, log: CallLog, budget: SpendingLimit, retries: int = 4, concurrency: int = 4
    ) -> None:
        self.model = model
        self.log = log
        self.budget = budget
        self._retries = retries
        self.concurrency = concurrency if model.parallel else 1
        self._stopped = threading.Event()

    @classmethod
    def of(cls, model: TextGenerator, settings: LlmSettings) -> "Client":
        """With the log and the budget that the flags name."""
        log, budget = CallLog(log_path(settings.log)), SpendingLimit.of(settings)
        return cls(model, log, budget, settings.retries, settings.concurrency)

    def ask(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        """One answer.

        Args:
            conversation: What was said so far.
            sampling: How the answer is written.
            on_text: Told each piece of the answer as it comes, fit for a terminal.

        Raises:
            BudgetError: If the budget does not allow another call.
            LlmError: If no call brought an answer.
        """
        asked = _call(self.model, conversation, sampling)
        # Who asks for variety and numbers no votes wants another answer each time.
        show = PrintablePieces(on_text) if on_text else None
        known = self.log.find(asked) if sampling.temperature == 0 or sampling.vote else None
        if known is not None and known.answer is not None:
            answer = Answer(known.answer, known.prompt_tokens, known.answer_tokens, known.seconds, from_log=True)
            # What was asked at the same time did not add up then, either.
            self.budget.charge(
                answer.prompt_tokens, answer.answer_tokens, answer.seconds / self.concurrency, from_log=True
            )
            if show:
                show(answer.text)
                show.end()
            return answer
        for attempt in range(self._retries + 1):
            self.budget.take()
            begun = time.perf_counter()
            try:
                answer = self.model.complete(conversation, sampling, show)
            except (TransientError, LlmError) as error:
                reason = error.reason if isinstance(error, TransientError) else str(error)
                self.log.add(replace(asked, error=reason, seconds=time.perf_counter() - begun))
                if isinstance(error, LlmError):
                    raise
                if attempt == self._retries:
                    kind = FatalLlmError if error.unreachable else LlmError
                    raise kind(f"{self.model.name} gave no answer in {attempt + 1} calls: {reason}") from None
                if show:
                    show.end()
                    say(f"\nnote: {printable(reason)}; asking again from the beginning")
                self._wait(attempt, error.wait_seconds)
                continue
            self.log.add(
                replace(
                    asked,
                    answer=answer.text,
                    prompt_tokens=answer.prompt_tokens,
                    answer_tokens=answer.answer_tokens,
                    seconds=answer.seconds,
                )
            )
            if show:
                show.end()
            self.budget.charge(answer.prompt_tokens, answer.answer_tokens, answer.seconds, from_log=False)
            return answer
        raise AssertionError("the last attempt returns or raises")

    def ask_all(
        self, conversations: Sequence[Conversation], samplings: Sequence[Sampling]
    ) -> Generator[tuple[int, Answer | Failure]]:
        """Ask many, several at a time; answers come as they are there, each with its position.

        What is under way when the caller stops, or the user does, is still waited for, since it is paid for.

        Raises:
            LlmError: If a call fails in a way that no other call can escape (a wrong key, an unknown model).
        """
        if self.concurrency == 1:
            for place, (conversation, sampling) in enumerate(zip(conversations, samplings, strict=True)):
                yield place, self._try(conversation, sampling)
            return
        pool, attempt = ThreadPoolExecutor(self.concurrency), with_this_sink(self._try)
        waiting = iter(enumerate(zip(conversations, samplings, strict=True)))
        running: dict[Future[Answer | Failure], int] = {}
        try:
            while True:
                # Few are handed over at a time, so that stopping does not have to call back thousands.
                while len(running) < 2 * self.concurrency and (one := next(waiting, None)):
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

    def expect(self, asked: Sequence[tuple[Conversation, Sampling]]) -> Estimate:
        """What asking so much would cost; no call is made."""
        missing = [one for one in asked if self.log.find(_call(self.model, *one)) is None]
        return expect_answers(
            self.log,
            self.model.identity,
            (self.model.count_tokens(conversation) for conversation, _ in missing),
            len(asked) - len(missing),
            self.concurrency,
            exact=self.model.counts_exactly,
            longest=asked[0][1].max_tokens if asked else 0,
        )

    def _try(self, conversation: Conversation, sampling: Sampling) -> Answer | Failure:
        try:
            return self.ask(conversation, sampling)
        except BudgetError as error:
            return Failure(str(error), unasked=True)
        except FatalLlmError:
            raise
        except TrifoldError as error:
            return Failure(str(error))

    def _wait(self, attempt: int, wanted: float | None) -> None:
        """Twice as long each time, with some chance so that callers do not return all at once; or as the server says.

        Raises:
            BudgetError: If there is no time left for it.
            LlmError: If everything is being stopped.
        """
        seconds = min(_FIRST_WAIT_SECONDS * 2**attempt, _LONGEST_WAIT_SECONDS) * random.uniform(0.5, 1.0)  # noqa: S311
        if wanted is not None:
            seconds = min(max(wanted, 0.0), _LONGEST_WAIT_SECONDS)
        if seconds > self.budget.seconds_left:
            raise BudgetError("--max-seconds would be over before the server may be asked again")
        if self._stopped.wait(seconds):
            raise LlmError("stopped before the call was made again")


def as_json(conversation: Conversation) -> str:
    """Messages as they are logged and sent."""
    return json.dumps([asdict(message) for message in conversation], ensure_ascii=False)


def from_json(text: str) -> Conversation:
    """The inverse of `as_json`.

    Raises:
        ValueError: If it is no conversation.
    """
    turns = parse_json(text)
    if not isinstance(turns, list) or not all(
        isinstance(one, dict) and set(one) == {"role", "content"} for one in turns
    ):
        raise ValueError("this is no list of messages")
    return tuple(Message(one["role"], str(one["content"])) for one in turns)


def _call(model: TextGenerator, conversation: Conversation, sampling: Sampling) -> Call:
    return Call.to_make(model.identity, as_json(conversation), json.dumps(asdict(sampling), sort_keys=True))
