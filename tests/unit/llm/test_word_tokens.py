"""Words behind prompts have the token ids that they have when each is tokenised with the whole prompt."""

from pathlib import Path

import pytest

from trifold.llm.causal_model import CausalModel
from trifold.llm.contract import Gap, NoRoomError
from trifold.llm.open_model import open_llm
from trifold.llm.prompt_template import Conversation, Message
from trifold.llm.settings import LlmSettings
from trifold.llm.word_tokens import WordTokens, common_length
from trifold.models.answer_length import NoRoom
from trifold.models.settings import ComputeSettings

WORDS = ("good", "bad", "wonderful indeed", "no", "not", "nothing", "a dull, tedious thing")
TEXTS = ["fine film", "a bore", "", "so so ", "ends in no", "label", "fine <|end|> film", "good good"]


@pytest.fixture(scope="module")
def model(decoder: Path) -> CausalModel:
    found = open_llm(LlmSettings(llm=f"hf:{decoder}"), ComputeSettings(device="cpu", precision="float32"))
    assert isinstance(found, CausalModel)
    return found


def gap(text: str, words: tuple[str, ...] = WORDS, end: str = "\nLabel:") -> Gap:
    return Gap((Message("user", f"Text: {text}{end}"),), ("", ""), words)


@pytest.mark.parametrize("template", [True, False])
@pytest.mark.parametrize("end", ["\nLabel:", "", "\nLabel: ", ", said the"])
def test_each_word_as_with_the_whole_prompt(
    model: CausalModel, template: bool, end: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not template:
        monkeypatch.setattr(model.tokenizer, "chat_template", None)
    found = WordTokens(model.tokens)
    for text in TEXTS:
        one = gap(text, end=end)
        row, prompt = found.of(one)
        wholes = [model.tokens(one.conversation, word) for word in WORDS]
        assert [[*row.prompt, *word] for word in row.words] == wholes
        assert min(map(len, row.words)) >= 1
        assert prompt == len(model.tokens(one.conversation))


def test_each_prompt_is_tokenised_with_one_word_alone(model: CausalModel) -> None:
    asked: list[str] = []

    def tokens(conversation: Conversation, word: str) -> list[int]:
        asked.append(word)
        return model.tokens(conversation, word)

    hundred = tuple(f"label number {number}" for number in range(100))
    found = WordTokens(tokens)
    for text in TEXTS[:5]:
        found.of(gap(text, hundred))
    assert len(asked) == 101 + 4 * 2
    # Other words behind the same prompt are other tokens.
    assert found.of(gap("fine film", hundred[::-1]))[0].words[0] != found.of(gap("fine film", hundred))[0].words[0]


def test_a_prompt_that_is_too_long_is_refused_before_its_words_are_tokenised() -> None:
    """A thousand labels would be a thousand passes over a long prompt, each time it is asked whether it fits."""
    asked: list[str] = []

    def tokens(_: Conversation, word: str) -> list[int]:
        asked.append(word)
        return [1] * 100

    def check(count: int) -> None:
        raise NoRoomError(NoRoom(f"{count} tokens", "shorten it", 0))

    with pytest.raises(NoRoomError, match="100 tokens"):
        WordTokens(tokens, check).of(gap("fine film"))
    assert asked == [""]


def test_a_scored_prompt_is_counted_without_being_tokenised_again(model: CausalModel) -> None:
    one = gap("fine film")
    expected = model.count(one)
    model.log_likelihoods([one])
    assert model.count(one) == expected == len(model.tokens(one.conversation))


def test_what_all_rows_begin_with() -> None:
    assert common_length([[1, 2, 3], [1, 2, 4], [1, 2]]) == 2
    assert common_length([[1], [2]]) == 0
    assert common_length([[5, 6]]) == 2
