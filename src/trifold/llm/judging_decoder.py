"""A decoder that was taught to judge whether a document meets a query, by the likelihood of `yes` beside `no`.

Source: Zhang et al. 2025, "Qwen3 Embedding: Advancing Text Embedding and Reranking Through Foundation Models".
"""

from collections.abc import Sequence

import numpy as np

from trifold.llm.causal_model import CausalModel
from trifold.llm.contract import Gap
from trifold.llm.prompt_template import Conversation, Message
from trifold.llm.reranker import Reranker
from trifold.types import TextPair

# The words that the models were trained with.
_JUDGE = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the "
    'answer can only be "yes" or "no".'
)
_INSTRUCTION = "Given a description, judge whether it describes the document"
_ANSWERS = ("yes", "no")


class JudgingDecoder(Reranker):
    """A reranker like Qwen3-Reranker.

    Args:
        name: Its name in the log and in reports.
        model: The decoder.
    """

    def __init__(self, name: str, model: CausalModel) -> None:
        self.name = name
        self.files = model.files
        self.identity = f"{name} {model.identity.partition(' ')[2]}"
        self.window = model.window
        self._model = model
        # What a template that lets the model think first writes to say that it does not.
        opening = model.answer_opening(self._judging(TextPair("", "")))
        self._words = tuple(f"{opening}{answer}" for answer in _ANSWERS)

    def log_odds(self, pairs: Sequence[TextPair]) -> np.ndarray:
        """See `Reranker.log_odds`."""
        if not pairs:
            return np.zeros(0)
        scores = self._model.log_likelihoods([self._gap(pair) for pair in pairs])
        return np.asarray(scores[:, 0] - scores[:, 1])

    def count_pairs(self, pairs: Sequence[TextPair]) -> int:
        """See `Reranker.count_pairs`."""
        return sum(self._model.count(self._gap(pair)) for pair in pairs)

    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
        """See `Scorer.cut`."""
        return self._model.cut(text, max_tokens, long_text)

    def _gap(self, pair: TextPair) -> Gap:
        return Gap(self._judging(pair), ("", ""), self._words)

    def _judging(self, pair: TextPair) -> Conversation:
        """A pair as the model was taught to read it: by a template made for rankings, or in the words of one."""
        if self._model.names_role("query"):
            return (
                Message("system", _INSTRUCTION),
                Message("query", pair.first),
                Message("document", pair.second),
            )
        asked = f"<Instruct>: {_INSTRUCTION}\n<Query>: {pair.first}\n<Document>: {pair.second}"
        return Message("system", _JUDGE), Message("user", asked)
