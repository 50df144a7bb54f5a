"""Forecast of what asking a language model would cost."""

from collections.abc import Iterable
from dataclasses import dataclass

from trifold.llm.call_log import CallLog
from trifold.llm.settings import Price

# Assumed before a model has answered anything: seconds per call, and tokens per answer.
_ASSUMED_SECONDS = 1.0
_ASSUMED_TOKENS = 16


@dataclass(frozen=True)
class Estimate:
    """A forecast of calls and their cost.

    Attributes:
        calls: Calls that would be made.
        from_log: Answers that are in the log already.
        prompt_tokens: Tokens of the prompts.
        answer_tokens: Tokens of the answers.
        seconds: Duration of all calls.
        exact_tokens: Whether the prompts' tokens are counted, rather than guessed from characters.
        basis: What the seconds are based on, for a message.
    """

    calls: int
    from_log: int
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    exact_tokens: bool
    basis: str

    def money(self, price: Price | None) -> float | None:
        """The cost in money; `None` if no price was given."""
        return price.of(self.prompt_tokens, self.answer_tokens) if price else None

    def __add__(self, other: "Estimate") -> "Estimate":
        sums = {name: getattr(self, name) + getattr(other, name) for name in _ADDED}
        return Estimate(**sums, exact_tokens=self.exact_tokens and other.exact_tokens, basis=self.basis)


_ADDED = ("calls", "from_log", "prompt_tokens", "answer_tokens", "seconds")


def expect_answers(
    log: CallLog,
    model: str,
    prompt_tokens: Iterable[int],
    from_log: int,
    concurrency: int,
    *,
    exact: bool,
    longest: int,
) -> Estimate:
    """Forecast the cost of calls from this model's answers in the log.

    Args:
        log: Holds earlier calls.
        model: The model's identity.
        prompt_tokens: Tokens of each call that would be made.
        from_log: Answers that are in the log.
        concurrency: Calls at the same time.
        exact: Whether tokens are counted, rather than guessed.
        longest: The most tokens that an answer may have.
    """
    tokens = list(prompt_tokens)
    known = log.mean_call(model)
    seconds, answer = known or (_ASSUMED_SECONDS, min(_ASSUMED_TOKENS, longest))
    basis = (
        "this model's calls in the log" if known else f"an assumed {_ASSUMED_SECONDS:g} s and {answer:g} tokens a call"
    )
    return Estimate(
        len(tokens),
        from_log,
        sum(tokens),
        round(answer * len(tokens)),
        seconds * len(tokens) / concurrency,
        exact,
        basis,
    )
