"""A cross-encoder: a classifier that reads a pair of texts, for ranking passages or natural language inference."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from trifold.engines.classifier import Logits
from trifold.errors import LlmError
from trifold.llm.reranker import Reranker
from trifold.models.backbone_files import BackboneFiles, read_config
from trifold.models.batching import by_token_budget, default_padding
from trifold.models.context_length import context_length
from trifold.models.long_text import cut_text
from trifold.models.pair_judging import YesClass
from trifold.models.tokenizer import Tokenizer
from trifold.runtime import Runtime
from trifold.types import TextPair

# More tokens than any model reads, for those that do not say how many they read.
_UNLIMITED = 1 << 20
# As the models of natural language inference are commonly asked.
_NLI_HYPOTHESIS = "This example is {label}."


class CrossEncoder(Reranker):
    """A sequence-classification model with a class that means yes.

    Args:
        name: Its name in the log and in reports.
        files: The model's files.
        logits: Computes its logits.
        yes: Which of its classes means that a pair goes together.
        tokenizer: Its fast tokenizer of transformers, by which texts are cut.
        runtime: Device and precision.
        token_budget: The most tokens of one forward pass, padding included.
    """

    def __init__(
        self,
        name: str,
        files: BackboneFiles,
        logits: Logits,
        yes: YesClass,
        tokenizer: Any,
        runtime: Runtime,
        token_budget: int,
    ) -> None:
        self.name = name
        self.files = files
        self.identity = f"{name} {files.sha256()[:16]} {runtime.precision}"
        self.hypothesis = _NLI_HYPOTHESIS if yes.entails else "{label}"
        self._logits = logits
        self._yes = yes
        self._cutting = tokenizer
        self._runtime = runtime
        self._token_budget = token_budget
        self.window = context_length(read_config(files))
        self._tokenizer = Tokenizer(files, self.window or _UNLIMITED)

    def log_odds(self, pairs: Sequence[TextPair]) -> np.ndarray:
        """See `Reranker.log_odds`."""
        tokens = self._tokenizer.encode(self._ordered(pairs))
        if tokens.truncated.any():
            raise LlmError(
                f"the text and a label are more than the {self.window:,} tokens that {self.name} reads: give a "
                "smaller --max-length, or shorten the text"
            )
        found = np.empty(len(pairs))
        for batch in by_token_budget(tokens.lengths, self._token_budget):
            padded = tokens.padded(batch, self._tokenizer.pad_id, default_padding(self._runtime))
            found[batch] = self._yes.log_odds(self._logits(*padded))
        return found

    def count_pairs(self, pairs: Sequence[TextPair]) -> int:
        """See `Reranker.count_pairs`."""
        return len(self._tokenizer.encode(self._ordered(pairs)).ids)

    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:
        """See `Scorer.cut`."""
        return cut_text(self._cutting, text, max_tokens, long_text)

    def _ordered(self, pairs: Sequence[TextPair]) -> Sequence[TextPair]:
        """The pairs in the order in which the model reads their texts: a hypothesis stands behind its premise."""
        return [TextPair(pair.second, pair.first) for pair in pairs] if self._yes.entails else pairs
