"""Token ids of a prompt and of the words that may follow it."""

from collections.abc import Callable, Sequence

from trifold.llm.contract import Gap
from trifold.llm.prompt_template import Conversation
from trifold.llm.token_tree import Continuations

# Tokens at the end of a prompt that say how a word behind it is tokenised, and how many of them a word may change.
_CONTEXT, _MOST_CHANGED = 4, 2
# Ends of prompts whose words are remembered.
_REMEMBERED = 64


class WordTokens:
    """Finds the token ids of words behind prompts.

    Prompt and word are tokenised together and then separated: a word after a space has another token than the word
    alone. The prompts of a task end alike, so the ids of its words are found with the first one; of the others each is
    tokenised with one word, and where that one has the same ids behind the same end, so have the rest.

    Args:
        tokens: From messages and a word behind them to token ids.
        check: Told the tokens of each prompt alone, before its many words are tokenised; raises an error if it does not
            fit the model.
    """

    def __init__(
        self, tokens: Callable[[Conversation, str], list[int]], check: Callable[[int], None] = lambda _: None
    ) -> None:
        self._tokens, self._check = tokens, check
        self._known: dict[tuple[object, ...], tuple[int, tuple[tuple[int, ...], ...]]] = {}

    def of(self, gap: Gap) -> tuple[Continuations, int]:
        """The prompt and the words as token ids, and the number of tokens of the prompt alone."""
        prompt = self._tokens(gap.conversation, "")
        self._check(len(prompt))
        first = self._tokens(gap.conversation, gap.words[0])
        key = (gap.words, *prompt[-_CONTEXT:])
        if key in self._known:
            changed, words = self._known[key]
            shared = len(prompt) - changed
            if first[:shared] == prompt[:shared] and tuple(first[shared:]) == words[0]:
                return Continuations(tuple(first[:shared]), words), len(prompt)
        wholes = [first, *(self._tokens(gap.conversation, word) for word in gap.words[1:])]
        shared = min(common_length([prompt, *wholes]), min(map(len, wholes)) - 1)
        words = tuple(tuple(whole[shared:]) for whole in wholes)
        if len(prompt) >= _CONTEXT and len(prompt) - shared <= _MOST_CHANGED:
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[key] = len(prompt) - shared, words
        return Continuations(tuple(first[:shared]), words), len(prompt)


def common_length(rows: Sequence[list[int]]) -> int:
    """The number of tokens at the beginning that all rows have in common."""
    first, last = min(rows), max(rows)
    most = min(len(first), len(last))
    return next((index for index in range(most) if first[index] != last[index]), most)
