"""Labels as options with letters: what is sent, that scores are of the labels in every order, and what is refused."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from made_scorer import MadeScorer
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import PromptError, SettingsError
from trifold.llm.call_log import CallLog, read_log
from trifold.llm.causal_model import CausalModel
from trifold.llm.contract import Gap, Scorer, TextGenerator
from trifold.llm.few_shot import FixedShots
from trifold.llm.label_words import plain_prompt
from trifold.llm.labeller import LabellingTask
from trifold.llm.likelihood_labeller import LikelihoodLabeller
from trifold.llm.open_model import labeller_of, labelling_task, open_llm
from trifold.llm.prompt_template import Example, Output
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.llm.spending_limit import SpendingLimit
from trifold.methods.contract import Fitted
from trifold.methods.prompt import Prompting
from trifold.methods.prompt_predictor import PromptPredictor
from trifold.methods.settings import MethodSettings
from trifold.models.settings import BackboneSettings, ComputeSettings
from trifold.tasks.labels import LabelMap
from trifold.types import Split

WORDS = ("bad", "good", "so-so")
TEXTS = ["a bad film", "a good film", "a so-so film"]
CPU = BackboneSettings(device="cpu", precision="float32", offline=True)
LETTERS = PromptingSettings(score_by="letters")


class Reader(MadeScorer):
    """A model that answers with the letter of the label that the text names; or with A, whatever it reads."""

    name = identity = "reader"

    def __init__(self, *, always_first: bool = False) -> None:
        self._always_first = always_first

    def log_likelihoods(self, gaps: Sequence[Gap]) -> np.ndarray:
        return np.log([[0.8 if word == self._letter(gap) else 0.1 for word in gap.words] for gap in gaps])

    def _letter(self, gap: Gap) -> str:
        listed = [line.split(") ") for line in gap.conversation[0].content.splitlines() if ") " in line]
        asked = gap.conversation[-1].content
        return "A" if self._always_first else next(letter for letter, word in listed if word in asked)


def labeller(model: TextGenerator, log: Path, orders: int = 1) -> LikelihoodLabeller:
    assert isinstance(model, Scorer)
    task = labelling_task(model, plain_prompt(WORDS), WORDS, LETTERS)
    return LikelihoodLabeller(model, task, CallLog(log), SpendingLimit(), orders=orders)


def test_options_are_listed_with_letters_and_examples_answer_by_them() -> None:
    task = labelling_task(Reader(), plain_prompt(WORDS), WORDS, LETTERS)
    task = replace(task, shots=FixedShots((Example({"text": "fine"}, "good"),)))
    for number, listed, answers in (
        (0, "A) bad\nB) good\nC) so-so", ("A", "B", "C")),
        (1, "A) so-so\nB) good\nC) bad", ("C", "B", "A")),
    ):
        ordered = task.in_order(number)
        system, _, shot, _ = ordered.conversations(["a film"])[0]
        assert system.content.endswith(f"Answer with the letter of one of these and nothing else:\n{listed}")
        assert shot.content == "B"
        assert ordered.answers == answers


def test_labels_with_braces_are_listed_as_they_are() -> None:
    words = ("{text}", "{{b}}")
    task = labelling_task(Reader(), plain_prompt(words), words, LETTERS)
    assert "A) {text}\nB) {{b}}" in task.conversations(["a film"])[0][0].content


@pytest.mark.parametrize("orders", [1, 2, 5])
def test_scores_are_of_the_labels_whatever_their_letters(orders: int, tmp_path: Path) -> None:
    found = labeller(Reader(), tmp_path / "log", orders)
    assert found.judge(TEXTS).logits.argmax(1).tolist() == [0, 1, 2]
    assert found.order_dependence(TEXTS, 4) == (0, 3)
    # The same from the log.
    assert labeller(Reader(), tmp_path / "log", orders).judge(TEXTS).logits.argmax(1).tolist() == [0, 1, 2]


def test_a_model_that_goes_by_the_letter_is_found_out(tmp_path: Path) -> None:
    assert labeller(Reader(always_first=True), tmp_path / "log").order_dependence(TEXTS, 2) == (3, 3)


def test_letters_have_the_likelihoods_of_plain_forward_passes(decoder: Path, tmp_path: Path) -> None:
    model = open_llm(LlmSettings(llm=f"hf:{decoder}"), ComputeSettings(device="cpu", precision="float32"))
    assert isinstance(model, CausalModel)
    words = tuple(f"label number {number}" for number in range(26))
    task = labelling_task(model, plain_prompt(words), words, LETTERS)
    found = LikelihoodLabeller(model, task, CallLog(tmp_path / "log"), SpendingLimit()).judge(TEXTS).logits
    gaps = [Gap(turns, ("", ""), tuple("ABCDEFGHIJKLMNOPQRSTUVWXYZ")) for turns in task.conversations(TEXTS)]
    rows = [model.continuations(gap) for gap in gaps]
    np.testing.assert_allclose(found, model.likelihoods.plain(rows), atol=1e-4)


def test_what_letters_cannot_stand_for_is_refused(decoder: Path, tmp_path: Path) -> None:
    many = tuple(f"label {number}" for number in range(27))
    with pytest.raises(SettingsError, match=r"--score-by letters with reader .*26 letters for 27 labels"):
        labelling_task(Reader(), plain_prompt(many), many, LETTERS)
    several = replace(plain_prompt(WORDS), output=Output(labels=dict(zip(WORDS, WORDS, strict=True)), several=True))
    with pytest.raises(SettingsError, match="each judged by itself"):
        labelling_task(Reader(), several, WORDS, LETTERS)
    told = replace(plain_prompt(WORDS), output=replace(plain_prompt(WORDS).output, format="Say one."))
    with pytest.raises(SettingsError, match=r"leave out output\.format"):
        labelling_task(Reader(), told, WORDS, LETTERS)
    odd = replace(plain_prompt(WORDS), examples=(Example({"text": "fine"}, "splendid"),))
    with pytest.raises(PromptError, match="'splendid', which is none of its labels"):
        labelling_task(Reader(), odd, WORDS, LETTERS)
    for llm, more in (
        ("openai:http://localhost:9/v1#m", {}),
        ("decisions:http://localhost:9/v1#m", {}),
        (f"hf:{decoder}", {"label_by": "answers"}),
    ):
        asked = LlmSettings(llm=llm, log=tmp_path / "log")
        task = LabellingTask(plain_prompt(WORDS), WORDS, "{text} {mask}")
        with pytest.raises(SettingsError, match=r"--score-by letters with .*leave it out"):
            labeller_of(open_llm(asked, ComputeSettings()), task, asked, replace(LETTERS, **more))


@pytest.fixture(scope="module")
def split(reviews: Path) -> Split:
    return split_examples(load_examples(reviews, DataSettings()).examples)


def fitted(decoder: Path, split: Split, log: Path, **asked: object) -> Fitted:
    llm, prompting = LlmSettings(llm=f"hf:{decoder}", log=log), PromptingSettings(**asked)  # type: ignore[arg-type]
    method = Prompting(MethodSettings(backbone=CPU, llm=llm, prompting=prompting))
    return method.fit(split.train, split.validation, LabelMap.of(split.train.labels))


def test_letters_come_back_with_the_model(decoder: Path, split: Split, tmp_path: Path) -> None:
    predictor = fitted(decoder, split, tmp_path / "log", score_by="letters", shots=2, option_orders=2).predictor
    predictor.save(tmp_path / "model")
    back = PromptPredictor.load(tmp_path / "model", CPU, LlmSettings(log=tmp_path / "other"))
    texts = split.test.texts[:6]
    np.testing.assert_allclose(back.score(texts).logits, predictor.score(texts).logits, atol=1e-5)
    sent = json.loads(read_log(tmp_path / "other", 1)[0].prompt)
    assert "A) " in sent[0]["content"]
    assert {turn["content"] for turn in sent if turn["role"] == "assistant"} == {"A", "B"}
    assert json.loads((tmp_path / "model" / "prompt.json").read_text())["shots"][0][1] in ("bad", "good")


def test_words_or_letters_are_chosen_on_validation_rows(
    decoder: Path, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = fitted(decoder, split, tmp_path / "log", score_by="auto")
    # It was taught to answer with words.
    assert found.choices["score_by"] == "words"
    assert "scored by words, by validation loss (words 0." in capsys.readouterr().err
    found.predictor.save(tmp_path / "model")
    back = PromptPredictor.load(tmp_path / "model", CPU, LlmSettings(log=tmp_path / "log"))
    texts = split.test.texts[:6]
    np.testing.assert_allclose(back.score(texts).logits, found.predictor.score(texts).logits, atol=1e-5)
