"""Why a request to a server gets no answer."""

from trifold.errors import TrifoldError


class ServingError(TrifoldError):
    """A request gets no answer; the message is for whoever sent it."""


class UnknownRunError(ServingError):
    """The request names a run that the server does not hold (404)."""


class QueueFullError(ServingError):
    """More is asked than the server can answer in time (429).

    Attributes:
        retry_after_seconds: About when there is room again.
    """

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class DeadlineError(ServingError):
    """The answer was not there in time (504)."""


class StoppingError(ServingError):
    """The server is about to stop and takes nothing new, or stopped before the answer was there (503)."""


class BrokenModelError(ServingError):
    """The model failed on this request, which is a fault of the server (500)."""


class TooManyTextsError(ServingError):
    """A request holds more texts than one may (413)."""


class TextTooLongError(ServingError):
    """A text is longer than the model reads, and the request asked not to cut it (413)."""


class UnusableTextError(ServingError):
    """A text is empty, or no text, or of the wrong kind: a pair where single texts are read, or the reverse (422)."""


class UnusableRequestError(ServingError):
    """The run cannot do what is asked: it has no encoder, or the label is none of its own (422)."""
