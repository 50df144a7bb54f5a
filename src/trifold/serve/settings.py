"""How a server gathers requests, and what it refuses."""

from dataclasses import dataclass

from trifold.errors import require


@dataclass(frozen=True, kw_only=True)
class QueueSettings:
    """How a server gathers requests, and what it refuses.

    Attributes:
        deadline_seconds: A request that is not answered after so long is given up, where it names no time of its own.
        queue_seconds: A request that would wait about this long for its turn is refused at once (status 429), with the
            time after which to try again.
        queue_requests: Requests that may wait at the same time; more are refused as well.
        queue_tokens: Tokens of all waiting texts, which bounds the memory that they take.
        texts_per_request: Texts that one request may hold.
    """

    deadline_seconds: float = 30.0
    queue_seconds: float = 1.0
    queue_requests: int = 512
    queue_tokens: int = 1_000_000
    texts_per_request: int = 1_024

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            require(value > 0, f"--{name.replace('_', '-')} {value}", "give a positive number")
