"""Forward passes over the rows of many requests: each kind of model's own."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from trifold.engines.interludes import watch_layers
from trifold.engines.token_model import TokenModel
from trifold.methods.contract import Predictor
from trifold.models.tokens import Tokens
from trifold.serve.batches import even_length
from trifold.serve.heads import Head
from trifold.serve.pace import Pace
from trifold.serve.requests import Request, Row
from trifold.types import Text

# A token of a text that is read as it is, in characters: only how long it takes is estimated by it.
_CHARACTERS_PER_TOKEN = 4
# About how long a short text waits at most for what is being computed: a pass, or a layer of it.
_PASS_SECONDS, _LAYER_SECONDS = 0.010, 0.005
# Smaller passes waste time: with minilm on a CPU, those of 250 tokens are 0.88 times as fast as those of 4,096, and of
# 1,024 tokens 0.98 times.
_WORTHWHILE_TOKENS = 1_024
# Texts that a language model is asked about at the same time, as far as its server allows.
_ASKED_AT_ONCE = 32


class Pass(ABC):
    """What computes rows, for one head or several.

    Attributes:
        pace: How fast it is.
        most_tokens: The most tokens of a text.
        token_budget: Tokens of a batch, padding included.
        pass_seconds: About how long a batch takes at most, so that a short text that comes meanwhile does not wait
            long; a single longer text is a batch of its own. `None` for any time. Where others may have their turn
            between two layers, there is more time.
        least_tokens: Tokens that a batch may have however long it takes.
        most_rows: Texts of a batch.
        few_shapes: Whether batches are to have few shapes (`batches.even_length`).
    """

    most_tokens: int
    token_budget: int
    pass_seconds: float | None = _PASS_SECONDS
    least_tokens: int = 0
    most_rows: int = 4_096
    few_shapes: bool = False

    def __init__(self) -> None:
        self.pace = Pace()

    def tokens_of(self, texts: Sequence[Text]) -> int:
        """About how many tokens some texts have, before they are read."""
        return sum(min(self.most_tokens, len(text) // _CHARACTERS_PER_TOKEN + 2) for text in texts)

    def add(self, head: Head) -> None:  # noqa: B027 - most passes give what every head reads
        """Compute for a head, too."""

    @abstractmethod
    def read(self, request: Request, start: int, end: int) -> list[Row]:
        """The rows of some of a request's texts, tokenised."""

    @abstractmethod
    def compute(self, rows: Sequence[Row]) -> tuple[int, int, int]:
        """Write the results of some rows into their requests, by one forward pass.

        Returns:
            How many texts went through, equal ones once; their tokens; and those with the padding.
        """

    @staticmethod
    def _deliver(head: Head, rows: Sequence[tuple[Row, int]], found: np.ndarray) -> None:
        """Hand the results of one head to the requests; with each row comes the head's number in its request."""
        truncated = np.array([row.truncated for row, _ in rows], dtype=bool)
        for (row, number), result in zip(rows, head.results(found, truncated), strict=True):
            row.request.results[number][row.number] = result


def _by_head(rows: Sequence[Row]) -> dict[Head, list[tuple[int, Row, int]]]:
    """Each head that is asked for: of each of its rows the place in the batch, the row, the head's number in it."""
    found: dict[Head, list[tuple[int, Row, int]]] = {}
    for place, row in enumerate(rows):
        for number, head in enumerate(row.request.heads):
            found.setdefault(head, []).append((place, row, number))
    return found


class TextPass(Pass):
    """A predictor that reads texts as they are: `tfidf`, or one that asks a language model.

    Args:
        predictor: The run's.
        asks_llm: Whether it asks a language model, for which time is spent waiting.
    """

    most_tokens = token_budget = 1 << 20

    def __init__(self, predictor: Predictor, *, asks_llm: bool) -> None:
        super().__init__()
        self._predictor = predictor
        if asks_llm:
            self.pass_seconds, self.most_rows = None, _ASKED_AT_ONCE

    def read(self, request: Request, start: int, end: int) -> list[Row]:
        """See `Pass.read`."""
        rows = []
        for number in range(start, end):
            text = request.texts[number]
            size = len(text) // _CHARACTERS_PER_TOKEN + 2
            rows.append(Row(request, number, text, None, (), size, 1, size, truncated=False))
        return rows

    def compute(self, rows: Sequence[Row]) -> tuple[int, int, int]:
        """See `Pass.compute`."""
        scores = self._predictor.score([row.text for row in rows if row.text is not None])
        for row, cut in zip(rows, scores.truncated.tolist(), strict=True):
            row.truncated = row.request.truncated[row.number] = cut
        for head, asked in _by_head(rows).items():
            self._deliver(head, [(row, number) for _, row, number in asked], scores.logits[[p for p, _, _ in asked]])
        tokens = sum(row.size for row in rows)
        return len(rows), tokens, tokens


class TokenPass(Pass):
    """A model that reads tokens.

    Args:
        model: Whose tokenizer reads the texts. All heads make something of the states that `states` gives.
    """

    def __init__(self, model: TokenModel) -> None:
        super().__init__()
        self.most_tokens, self.token_budget = model.tokenizer.most_tokens, model.token_budget
        self._model = model
        self._watch(model)

    def _watch(self, model: TokenModel) -> None:
        """Let others have their turn between the layers of a model."""
        layers = 0 if model.layered() is None else watch_layers(model.layered())
        self.pass_seconds = max(_PASS_SECONDS, layers * _LAYER_SECONDS)
        self.least_tokens = _WORTHWHILE_TOKENS if layers else 0
        self.few_shapes = model.layered() is not None

    def read(self, request: Request, start: int, end: int) -> list[Row]:
        """See `Pass.read`."""
        count = end - start
        tokens = self._model.encode(request.texts[start:end])
        lengths = tokens.lengths.tolist()
        windows = [1] * len(lengths) if tokens.windows is None else tokens.windows.tolist()
        truncated, digests = tokens.truncated.tolist(), tokens.digests
        rows = []
        for place in range(count):
            positions = tuple(range(place, len(lengths), count))
            rows.append(
                Row(
                    request=request,
                    number=start + place,
                    text=None,
                    tokens=tokens,
                    positions=positions,
                    size=sum(lengths[position] for position in positions),
                    windows=sum(windows[position] for position in positions),
                    longest=max(lengths[position] // windows[position] for position in positions),
                    truncated=any(truncated[position] for position in positions),
                    keys=tuple(digests[position] for position in positions),
                )
            )
        return rows

    def compute(self, rows: Sequence[Row]) -> tuple[int, int, int]:
        """See `Pass.compute`. Equal texts go through once, such as one that several runs are asked about."""
        # As it is now: another thread may put one with more layers in its place.
        model = self._model
        tokens, places = _together(rows)
        lengths = tokens.window_lengths(np.arange(len(tokens)))
        padded_to = int(lengths.max())
        if self.few_shapes:
            padded_to = even_length(padded_to, model.tokenizer.max_length)
            tokens = replace(tokens, padded_to=padded_to)
        states = model.states(tokens, np.arange(len(tokens)))
        for head, asked in _by_head(rows).items():
            chosen = places[[place for place, _, _ in asked]]
            # The first texts of all pairs, then the second ones.
            found = self._finish(head, model, states[chosen.T.ravel()])
            self._deliver(head, [(row, number) for _, row, number in asked], found)
        return len(tokens), int(tokens.lengths.sum()), len(lengths) * padded_to

    def _finish(self, head: Head, model: TokenModel, states: np.ndarray) -> np.ndarray:  # noqa: ARG002 - see `PooledPass`
        return head.finish(states)


def _together(rows: Sequence[Row]) -> tuple[Tokens, np.ndarray]:
    """The tokens of a batch, equal texts once, and where those of each row are, `(rows, texts of a row)`."""
    known: dict[bytes, int] = {}
    parts: list[tuple[Tokens, int]] = []
    places = np.empty((len(rows), len(rows[0].positions)), dtype=np.int64)
    for number, row in enumerate(rows):
        tokens = row.tokens
        assert tokens is not None
        for side, (position, key) in enumerate(zip(row.positions, row.keys, strict=True)):
            place = known.setdefault(key, len(parts))
            if place == len(parts):
                parts.append((tokens, position))
            places[number, side] = place
    typed = [tokens.types[_span(tokens, position)] for tokens, position in parts if tokens.types is not None]
    return (
        Tokens.of(
            [tokens.ids[_span(tokens, position)] for tokens, position in parts],
            [bool(tokens.truncated[position]) for tokens, position in parts],
            [1 if tokens.windows is None else int(tokens.windows[position]) for tokens, position in parts],
            typed or None,
        ),
        places,
    )


def _span(tokens: Tokens, position: int) -> slice:
    return slice(int(tokens.offsets[position]), int(tokens.offsets[position + 1]))
