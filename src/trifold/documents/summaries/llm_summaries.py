"""Summaries in a language model's own words, of a text of any length, and which sentence each claim comes from."""

from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from trifold.documents.language.sentences import Sentence
from trifold.documents.summaries.settings import SummarySettings
from trifold.documents.summaries.summaries import Encode, bounded_sentences
from trifold.errors import LlmError
from trifold.llm.contract import NoRoomError
from trifold.llm.prompt_template import Conversation, Prompt, Variable

# Asks a language model many conversations: of each its answer, or why there is none.
AskAll = Callable[[Sequence[Conversation]], Sequence[str | LlmError]]
Count = Callable[[Conversation], int]
# The answers to what is asked at one time.
_Said = list[str | LlmError]

# Tokens of a piece of a text that is summarized at once; halved until a piece and its answer fit the model.
_PIECE_TOKENS, _FEWEST_TOKENS = 3_000, 100
# Pieces' summaries are combined; more rounds than this would mean that the model does not shorten.
_MOST_ROUNDS = 6
# Of the sentences that people wrote about an article, 96 % are at least so similar to a sentence of it, and 1 % to a
# sentence of another article (docs/decisions/0028).
_SUPPORTED = 0.45
_SUMMARIZE = Prompt(
    role="You summarize texts faithfully.",
    instructions=(
        "Write {sentences} in the language of the text, and nothing else.",
        "Say only what the text says: no opinion, no advice, nothing known from elsewhere.",
        "Keep names, figures and dates as the text has them.",
    ),
    task="Text:\n{text}\n\nSummary:",
    variables={"text": Variable("The text."), "sentences": Variable("How long the summary is.")},
)


@dataclass(frozen=True)
class Claim:
    """A sentence of a summary and what of the text supports it.

    Attributes:
        text: The sentence.
        source: The sentence of the text that is most similar.
        number: Its number in the text, from 0.
        similarity: Their cosine.
    """

    text: str
    source: Sentence
    number: int
    similarity: float

    @property
    def supported(self) -> bool:
        """Whether the sentences are similar enough for one to say what the other does."""
        return self.similarity >= _SUPPORTED


def write_summaries(
    texts: Sequence[str], ask_all: AskAll, count: Count, settings: SummarySettings
) -> list[str | LlmError]:
    """Have a language model summarize texts, all of them at the same time.

    A text that the model cannot read at once is summarized piece by piece.

    Args:
        texts: Of any length.
        ask_all: Asks the model.
        count: Counts the tokens of what it is asked.
        settings: What the summaries are like.

    Returns:
        Each text's summary, or why there is none: the model has no room even for a short piece, answers nothing, or
        does not shorten its pieces.
    """
    found: list[str | LlmError] = [""] * len(texts)
    steps = [_summarizing(text, count, settings) for text in texts]
    said: dict[int, _Said | None] = dict.fromkeys(range(len(texts)))
    while said:
        asked: dict[int, list[Conversation]] = {}
        for number, answers in said.items():
            try:
                asked[number] = next(steps[number]) if answers is None else steps[number].send(answers)
            except StopIteration as end:
                found[number] = end.value
            except LlmError as error:
                found[number] = error
        answered = iter(ask_all([one for some in asked.values() for one in some]) if asked else ())
        said = {number: list(islice(answered, len(some))) for number, some in asked.items()}
    return found


def _summarizing(text: str, count: Count, settings: SummarySettings) -> Generator[list[Conversation], _Said, str]:
    """Gives what is asked next, takes the answers, and returns the summary.

    Raises:
        LlmError: If there is none.
    """
    for _ in range(_MOST_ROUNDS):
        answers = yield from _answers(text, count, settings, _PIECE_TOKENS)
        parts = [answer.strip() for answer in answers if answer.strip()]
        if not parts:
            raise LlmError("the model wrote no summary: try a larger model, or leave out --llm")
        if len(answers) == 1:
            return parts[0]
        text = "\n".join(parts)
    raise LlmError("the model's summaries are no shorter than its texts: try a larger model, or leave out --llm")


def cite(summary: str, text: str, encode: Encode, language: str) -> list[Claim]:
    """The sentence of the text that each sentence of a summary is most similar to.

    Args:
        summary: In other words than the text.
        text: What was summarized.
        encode: Gives vectors of length 1.
        language: Of both, ISO 639-1.
    """
    claims, sources = (list(bounded_sentences(one, language)) for one in (summary, text))
    if not claims or not sources:
        return []
    vectors = encode([sentence.text for sentence in (*claims, *sources)])
    similarities = vectors[: len(claims)] @ vectors[len(claims) :].T
    best = np.argmax(similarities, axis=1)
    return [
        Claim(claim.text, sources[place], int(place), float(row[place]))
        for claim, place, row in zip(claims, best, similarities, strict=True)
    ]


def _answers(
    text: str, count: Count, settings: SummarySettings, most: int
) -> Generator[list[Conversation], _Said, list[str]]:
    """A summary of each piece of a text; a piece that the model has no room for is halved, and no other asked again."""
    answers = []
    pieces = _pieces(text, count, settings, most)
    said = yield [_request(piece, settings) for piece in pieces]
    for piece, answer in zip(pieces, said, strict=True):
        if isinstance(answer, NoRoomError):
            half = min(most, count(_request(piece, settings))) // 2
            if half < _FEWEST_TOKENS:
                raise answer.but("a piece of the text and its summary need more, so use a model that reads more")
            answers += yield from _answers(piece, count, settings, half)
        elif isinstance(answer, LlmError):
            raise answer
        else:
            answers.append(answer)
    return answers


def _request(text: str, settings: SummarySettings) -> Conversation:
    wanted = "one sentence" if settings.sentences == 1 else f"{settings.sentences} sentences"
    return _SUMMARIZE.render({"text": text, "sentences": wanted})


def _pieces(text: str, count: Count, settings: SummarySettings, most: int) -> Sequence[str]:
    """The text, or pieces of whole sentences of it that have at most about `most` tokens each."""
    tokens = count(_request(text, settings))
    if tokens <= most:
        return [text]
    longest = max(1, int(len(text) * most / tokens))
    pieces, begin, end = [], 0, 0
    for sentence in bounded_sentences(text, settings.language):
        if end > begin and sentence.end - begin > longest:
            pieces.append(text[begin:end])
            begin = sentence.start
        end = sentence.end
    return [*pieces, text[begin:]]
