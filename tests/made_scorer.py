"""A model whose scores a test makes up, with no text."""

from trifold.llm.contract import Answer, Gap, OnText, Sampling, Scorer, TextGenerator
from trifold.llm.prompt_template import Conversation


class MadeScorer(TextGenerator, Scorer):
    """All of the contract but `log_likelihoods` and the names: every text fits, and none is written."""

    def count(self, gap: Gap) -> int:  # noqa: ARG002 - the contract has them
        return 1

    def cut(self, text: str, max_tokens: int, long_text: str) -> tuple[str, bool]:  # noqa: ARG002
        return text, False

    def complete(self, conversation: Conversation, sampling: Sampling, on_text: OnText | None = None) -> Answer:
        raise NotImplementedError

    def count_tokens(self, conversation: Conversation) -> int:  # noqa: ARG002
        return 1

    def shown(self, conversation: Conversation) -> str:  # noqa: ARG002
        return ""
