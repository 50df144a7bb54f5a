"""What a command would cost, before it costs anything."""

from collections.abc import Iterable
from dataclasses import dataclass

from trifold.llm.call_log import CallLog
from trifold.llm.settings import Price

# Before a server has answered anything: its time for a short answer, and the answer's length.
_ASSUMED_SECONDS = 1.0
_ASSUMED_TOKENS = 16


@dataclass(frozen=True)
class Estimate:
    """A forecast.

    Attributes:
        calls: That would be made.
        from_log: Answers that are in the log already.
        prompt_tokens: That would be read.
        answer_tokens: That would be written.
        seconds: That it would take.
        exact_tokens: Whether the prompt's tokens are counted rather than guessed from characters.
        basis: What the seconds are from, in words.
    """

    calls: int
    from_log: int
    prompt_tokens: int
    answer_tokens: int
    seconds: float
    exact_tokens: bool
    basis: str

    def money(self, price: Price | None) -> float | None:
        """What it would cost; `None` where no price was given."""
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
    """What asking costs, by what this model's answers in the log cost.

    Args:
        log: Of earlier calls.
        model: Its identity.
        prompt_tokens: Of each call that would be made.
        from_log: Answers that are known.
        concurrency: Calls under way at the same time.
        exact: Whether tokens are counted.
        longest: Tokens that an answer may have.
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
