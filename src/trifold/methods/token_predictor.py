"""A predictor that reads tokens: how it scores follows from the steps of its model."""

from abc import abstractmethod
from collections.abc import Sequence

from trifold.engines.token_model import TokenModel
from trifold.methods.contract import Predictor, Scores
from trifold.models.tokenizer import Tokenizer
from trifold.types import Text


class TokenPredictor(Predictor):
    """A predictor that reads tokens."""

    _tokenizer: Tokenizer

    @abstractmethod
    def token_model(self) -> TokenModel:
        """Its model as it is at this moment; what it gives are logits."""

    @property
    def max_length(self) -> int:
        """Tokens of a text, or of each window, that are read."""
        return self._tokenizer.max_length

    def score(self, texts: Sequence[Text]) -> Scores:
        """See `Predictor.score`."""
        return Scores(*self.token_model().results(texts))

    def read_spans(self, text: str) -> list[tuple[int, int]]:
        """See `Predictor.read_spans`."""
        return self._tokenizer.read_spans(text)
