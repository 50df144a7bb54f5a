"""How long forward passes take, learned while they are done."""

# What an older pass counts, for each one after it: of those of about as many tokens, and of all.
_FADING, _SLOWLY_FADING = 0.9, 0.98
# Where nothing is known.
_GUESSED_SECONDS_PER_TOKEN = 1e-4


class _Mean:
    """Tokens and seconds of some passes, of which the later ones count more."""

    def __init__(self, fading: float) -> None:
        self._fading = fading
        self._count = self._tokens = self._seconds = 0.0

    def add(self, tokens: int, seconds: float) -> None:
        self._count = self._fading * self._count + 1
        self._tokens = self._fading * self._tokens + tokens
        self._seconds = self._fading * self._seconds + seconds

    @property
    def tokens(self) -> float:
        return self._tokens / self._count

    @property
    def seconds(self) -> float:
        return self._seconds / self._count


class Pace:
    """Seconds of a forward pass by its tokens, padding included.

    The mean of passes of about as many tokens, to the nearest power of two; between two such means, the straight line.
    """

    def __init__(self) -> None:
        self._all = _Mean(_SLOWLY_FADING)
        self._sizes: dict[int, _Mean] = {}

    def add(self, tokens: int, seconds: float) -> None:
        """Learn from a pass."""
        self._all.add(tokens, seconds)
        self._sizes.setdefault(tokens.bit_length(), _Mean(_FADING)).add(tokens, seconds)

    @property
    def seconds_per_token(self) -> float:
        """In the mean over all passes."""
        return self._all.seconds / self._all.tokens if self._sizes else _GUESSED_SECONDS_PER_TOKEN

    def seconds(self, tokens: float) -> float:
        """Of a pass. Below the shortest known one, it is as long as that one."""
        known = sorted((mean.tokens, mean.seconds) for mean in list(self._sizes.values()))
        if not known:
            return tokens * _GUESSED_SECONDS_PER_TOKEN
        below = [pair for pair in known if pair[0] <= tokens]
        above = [pair for pair in known if pair[0] > tokens]
        if not below:
            return above[0][1]
        if not above:
            return below[-1][1] * tokens / below[-1][0]
        (low, fast), (high, slow) = below[-1], above[0]
        return fast + (slow - fast) * (tokens - low) / (high - low)

    def tokens_within(self, seconds: float) -> int:
        """Tokens of a pass that takes about so long; few, where even the shortest known one takes longer."""
        known = [(mean.tokens, mean.seconds) for mean in list(self._sizes.values())]
        if not known:
            return int(seconds / _GUESSED_SECONDS_PER_TOKEN)
        fitting = [pair for pair in known if pair[1] <= seconds]
        tokens, taken = max(fitting) if fitting else min(known)
        return int(tokens * seconds / taken)
