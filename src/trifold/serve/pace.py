"""How long forward passes take, learned while they are done."""

# What older passes count, for each one after them: those of the last hundred or so say how fast the machine is now.
_FADING = 0.98
_LEAST_SECONDS_PER_TOKEN = 1e-9


class Pace:
    """Seconds of a forward pass as a straight line over its tokens, padding included: a fixed part and one per token.

    Fitted by least squares in which older passes count less and less.
    """

    def __init__(self) -> None:
        self._count = self._tokens = self._seconds = self._squares = self._products = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        """Learn from a pass."""
        self._count = _FADING * self._count + 1
        self._tokens = _FADING * self._tokens + tokens
        self._seconds = _FADING * self._seconds + seconds
        self._squares = _FADING * self._squares + tokens * tokens
        self._products = _FADING * self._products + tokens * seconds

    @property
    def seconds_per_token(self) -> float:
        """What each token adds; 0.1 ms as long as nothing is known."""
        if not self._tokens:
            return 1e-4
        spread = self._count * self._squares - self._tokens**2
        whole = self._seconds / self._tokens
        if spread <= 1e-9 * self._squares:
            return whole
        slope = (self._count * self._products - self._tokens * self._seconds) / spread
        # Noise must not make tokens free of charge, nor the fixed part negative.
        return max(min(slope, whole), 0.2 * whole, _LEAST_SECONDS_PER_TOKEN)

    @property
    def fixed_seconds(self) -> float:
        """What a pass takes however short it is."""
        if not self._count:
            return 0.0
        return max(0.0, (self._seconds - self.seconds_per_token * self._tokens) / self._count)

    def tokens_within(self, seconds: float) -> int:
        """Tokens of a pass that takes so long; less than one where none does."""
        return int((seconds - self.fixed_seconds) / self.seconds_per_token)
