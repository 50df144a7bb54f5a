"""What is told of a server's work while it runs, for metrics and logs."""

from trifold.serve.replies import Reply, Timing


class Observer:
    """Hears of everything; what is not overridden is ignored.

    Calls come from the server's own threads as well as from the event loop, so they must be quick and thread-safe, and
    must not raise. Names of runs are those that the server was given.
    """

    def answered(self, run: str, kind: str, texts: int, timing: Timing) -> None:
        """A request was answered.

        Args:
            run: Which run was asked.
            kind: `predict`, `embed` or `explain`.
            texts: How many it had.
            timing: Where the time went.
        """

    def predicted(self, run: str, reply: Reply) -> None:
        """A request for labels was answered: its labels, confidences, tokens and truncated texts."""

    def refused(self, run: str, kind: str, reason: str) -> None:
        """A request got no answer.

        Args:
            run: Which run was asked.
            kind: As in `answered`.
            reason: Name of the class in `errors.py`, or `cancelled` where the client went away.
        """

    def batch(self, runs: tuple[str, ...], texts: int, tokens: int, computed_tokens: int, seconds: float) -> None:
        """A forward pass was done.

        Args:
            runs: Whose answers it gave.
            texts: How many; equal ones count once.
            tokens: Of these.
            computed_tokens: With the padding.
            seconds: How long it took, heads included.
        """

    def reloaded(self, run: str, version: str, error: str) -> None:
        """A folder was opened again.

        Args:
            run: Which run.
            version: That answers from now on.
            error: Why the former version goes on; empty where the new one answers.
        """

    def shadowed(self, run: str, shadow: str, texts: int, disagreements: int) -> None:
        """A shadow answered beside a run: how many texts, and how many of them got other labels."""

    def shadow_dropped(self, shadow: str, texts: int) -> None:
        """A shadow did not answer, because the server was busy or the shadow failed."""
