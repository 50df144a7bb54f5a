"""Prompting as a method: words, examples, calibration, gaps, servers, and what is saved of it."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import several_labels, write_reviews
from language_models import train_gap_filler
from scripted_server import Reply, scripted
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import ArtifactError, BudgetError, LlmError, PromptError, SettingsError
from trifold.llm.call_log import read_log
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.contract import Fitted
from trifold.methods.prompt import Prompting
from trifold.methods.prompt_predictor import PromptPredictor
from trifold.methods.settings import LabelSettings, MethodSettings
from trifold.models.settings import BackboneSettings
from trifold.tasks.labels import LabelMap
from trifold.types import Examples, Split

CPU = BackboneSettings(device="cpu", precision="float32", offline=True)
CLOZE = "{text}; the film is {mask}."


@pytest.fixture(scope="module")
def split(reviews: Path) -> Split:
    return split_examples(load_examples(reviews, DataSettings()).examples)


@pytest.fixture(scope="module")
def gap_filler(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    with write_reviews(folder / "lines.csv", seed=1).open() as file:
        lines = [(row["text"], {"good": "superb", "bad": "dull"}[row["label"]]) for row in csv.DictReader(file)]
    return train_gap_filler(folder / "filler", tiny_model, lines, CLOZE)


def settings(llm: object, log: Path, backbone: BackboneSettings = CPU, **prompting: object) -> MethodSettings:
    # A server is a connection, which `offline` forbids.
    backbone = backbone if str(llm).startswith("hf:") else replace(backbone, offline=False)
    asked = LlmSettings(llm=str(llm), log=log, timeout_seconds=5.0, retries=0)
    return MethodSettings(backbone=backbone, llm=asked, prompting=PromptingSettings(**prompting))  # type: ignore[arg-type]


def fit(given: MethodSettings, split: Split) -> Fitted:
    return Prompting(given).fit(split.train, split.validation, LabelMap.of(split.train.labels))


def accuracy(fitted: Fitted, part: Examples) -> float:
    predictor = fitted.predictor
    decided = predictor.labels.decide(predictor.labels.probabilities(predictor.score(part.texts).logits))
    return float((decided == predictor.labels.encode(part.labels)).mean())


@pytest.mark.parametrize("choice", ["balanced", "random", "nearest"])
def test_examples_however_chosen_come_back_with_the_model(
    choice: str, decoder: Path, tiny_model: Path, split: Split, tmp_path: Path
) -> None:
    given = settings(
        f"hf:{decoder}", tmp_path / "log", replace(CPU, model=str(tiny_model)), shots=2, shot_choice=choice
    )
    fitted = fit(given, split)
    assert accuracy(fitted, split.test) >= 0.9
    fitted.predictor.save(tmp_path / "model")
    (tmp_path / "log").unlink()
    back = PromptPredictor.load(tmp_path / "model", CPU)
    texts = split.test.texts[:12]
    np.testing.assert_allclose(back.score(texts).logits, fitted.predictor.score(texts).logits, atol=1e-5)
    assert (tmp_path / "model" / "prompt.json").exists()


def test_examples_come_from_the_training_part_alone(decoder: Path, split: Split, tmp_path: Path) -> None:
    fit(settings(f"hf:{decoder}", tmp_path / "log", shots=4), split).predictor.save(tmp_path / "model")
    shots = json.loads((tmp_path / "model" / "prompt.json").read_text())["shots"]
    labelled = dict(zip(split.train.texts, split.train.labels, strict=True))
    assert [labelled[values["text"]] for values, _ in shots] == [label for _, label in shots]
    assert sorted(label for _, label in shots) == ["bad", "bad", "good", "good"]


@pytest.mark.parametrize("choice", ["balanced", "random"])
def test_more_examples_than_rows_are_those_that_there_are(
    choice: str, decoder: Path, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [split.train.labels.index("good"), split.train.labels.index("bad"), len(split.train) - 1]
    few = replace(split, train=split.train.take(rows))
    fitted = fit(settings(f"hf:{decoder}", tmp_path / "log", shots=1_000, shot_choice=choice), few)
    assert "with 3 examples, not 1,000, since training has no more rows" in capsys.readouterr().err
    assert fitted.choices["shots"] == f"3, {choice}"
    fitted.predictor.save(tmp_path / "model")
    assert len(json.loads((tmp_path / "model" / "prompt.json").read_text())["shots"]) == 3


@pytest.mark.parametrize("rule", ["affine", "auto"])
def test_a_label_that_no_validation_row_has_is_told_where_weights_are_learned(
    rule: str, decoder: Path, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [row for row, label in enumerate(split.validation.labels) if label == "good"]
    lopsided = replace(split, validation=split.validation.take(good))
    fitted = fit(settings(f"hf:{decoder}", tmp_path / "log", calibration=rule), lopsided)
    told = (
        "no validation row has the label bad, which --calibration affine then hardly gives" in capsys.readouterr().err
    )
    assert told == (rule == "affine")
    assert rule == "affine" or fitted.choices["calibration"] != "affine"


def test_nearest_examples_are_nearest(decoder: Path, split: Split, tmp_path: Path) -> None:
    """A text that stands in the training part, almost, finds itself, shown last."""
    given = settings(
        f"hf:{decoder}", tmp_path / "log", BackboneSettings(device="cpu", offline=True), shots=2, shot_choice="nearest"
    )
    predictor = fit(given, split).predictor
    seen = split.train.texts[7]
    predictor.score([seen + "!"])
    sent = json.loads(read_log(tmp_path / "log", 1)[0].prompt)
    assert seen in sent[-3]["content"]
    assert sent[-2] == {"role": "assistant", "content": split.train.labels[7]}


def test_calibration_takes_off_what_is_said_of_nothing(decoder: Path, split: Split, tmp_path: Path) -> None:
    raw = Prompting(settings(f"hf:{decoder}", tmp_path / "log", calibration="none"))
    fair = Prompting(settings(f"hf:{decoder}", tmp_path / "log", calibration="contextual"))
    labels = LabelMap.of(split.train.labels)
    given = [method.learn(split.train, split.validation, labels).predictor for method in (raw, fair)]
    texts = ["N/A", "", "[MASK]"]
    plain, calibrated = (predictor.labels.probabilities(predictor.score(texts).logits) for predictor in given)
    assert abs(plain.mean(0)[0] - 0.5) > abs(calibrated.mean(0)[0] - 0.5)
    np.testing.assert_allclose(calibrated.mean(0), 0.5, atol=0.1)


@pytest.mark.parametrize("rule", ["none", "length", "pmi", "contextual", "batch", "affine"])
def test_every_calibration_comes_back_with_the_model(rule: str, decoder: Path, split: Split, tmp_path: Path) -> None:
    fitted = fit(settings(f"hf:{decoder}", tmp_path / "log", calibration=rule), split)
    assert fitted.choices["calibration"] == rule
    assert accuracy(fitted, split.test) >= 0.9
    fitted.predictor.save(tmp_path / "model")
    back = PromptPredictor.load(tmp_path / "model", CPU, LlmSettings(log=tmp_path / "log"))
    texts = split.test.texts[:12]
    np.testing.assert_allclose(back.score(texts).logits, fitted.predictor.score(texts).logits, atol=1e-5)


def test_the_calibration_is_chosen_on_validation_rows(
    decoder: Path, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted = fit(settings(f"hf:{decoder}", tmp_path / "log"), split)
    said = capsys.readouterr().err
    assert f"calibration {fitted.choices['calibration']}, by validation loss" in said
    assert all(rule in said for rule in ("none", "pmi", "contextual", "batch", "affine"))
    # Both words are one token long, so nothing is gained by their length.
    assert "length" not in said


def test_answers_that_depend_on_the_order_of_the_labels_are_counted(
    decoder: Path, split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fitted = fit(settings(f"hf:{decoder}", tmp_path / "log"), split)
    assert 0.0 <= float(str(fitted.choices["order_dependent"])) <= 1.0
    assert "answers depend on the order" in capsys.readouterr().err
    sent = {json.loads(one.prompt)[0]["content"] for one in read_log(tmp_path / "log", 10_000)}
    assert any("bad, good" in one for one in sent)
    assert any("good, bad" in one for one in sent)


def test_several_orders_are_averaged(decoder: Path, split: Split, tmp_path: Path) -> None:
    texts = split.test.texts[:6]
    one, both = (
        fit(settings(f"hf:{decoder}", tmp_path / "log", calibration="none", option_orders=orders), split).predictor
        for orders in (1, 2)
    )
    both.save(tmp_path / "model")
    back = PromptPredictor.load(tmp_path / "model", CPU)
    np.testing.assert_allclose(back.score(texts).logits, both.score(texts).logits, atol=1e-5)
    assert np.abs(both.score(texts).logits - one.score(texts).logits).max() > 0


def test_orders_need_a_prompt_that_lists_its_labels(decoder: Path, split: Split, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        'task = "Text: {text}\\nLabel:"\nrole = "You label texts."\nvariables = { text = "" }\n'
        'output = { format = "Say bad or good.", labels = { bad = "bad", good = "good" } }\n'
    )
    with pytest.raises(SettingsError, match=r"--option-orders 3 .*output format of its own"):
        fit(settings(f"hf:{decoder}", tmp_path / "log", prompt=tmp_path / "p.toml", option_orders=3), split)


def test_a_damaged_map_of_scores_is_refused(decoder: Path, split: Split, tmp_path: Path) -> None:
    fit(settings(f"hf:{decoder}", tmp_path / "log"), split).predictor.save(tmp_path / "model")
    file = tmp_path / "model" / "head.safetensors"
    arrays = load_file(file)
    for name, broken in (("lengths", np.zeros(2)), ("weight", np.full(2, np.nan)), ("bias", np.zeros(3))):
        save_file({**arrays, name: broken}, file)
        with pytest.raises(ArtifactError, match=name):
            PromptPredictor.load(tmp_path / "model", CPU)


def test_labels_get_words_and_integers_come_back(decoder: Path, split: Split, tmp_path: Path) -> None:
    numbered = Split(*(replace(part, labels=tuple(int(label == "good") for label in part.labels)) for part in (split.train, split.validation, split.test)))  # fmt: skip
    given = replace(
        settings(f"hf:{decoder}", tmp_path / "log"), labels=LabelSettings(label_description=("0=bad", "1=good"))
    )
    fitted = fit(given, numbered)
    assert accuracy(fitted, numbered.test) >= 0.9
    assert fitted.predictor.labels.names == (0, 1)
    (tmp_path / "p.toml").write_text(
        'task = "Text: {text}\\nLabel:"\nrole = "You label texts."\noutput = { labels = { 0 = "bad", 1 = "good" } }\nvariables = { text = "" }\n'
    )
    filed = fit(settings(f"hf:{decoder}", tmp_path / "log", prompt=tmp_path / "p.toml"), numbered)
    texts = split.test.texts
    np.testing.assert_array_equal(filed.predictor.score(texts).logits, fitted.predictor.score(texts).logits)


def test_gaps_are_filled_by_a_masked_model(gap_filler: Path, split: Split, tmp_path: Path) -> None:
    words = LabelSettings(label_description=("good=superb", "bad=dull"))
    given = replace(settings(f"hf:{gap_filler}", tmp_path / "log", cloze=CLOZE), labels=words)
    fitted = fit(given, split)
    assert accuracy(fitted, split.test) >= 0.9
    # Words of several tokens, and marks of the model's own that stand in a text, are only words.
    longer = replace(given, labels=LabelSettings(label_description=("good=superb and charming", "bad=dull")))
    scores = fit(longer, split).predictor.score(["a [MASK] film {mask} {text} [SEP]", split.test.texts[0]])
    assert np.isfinite(scores.logits).all()
    fitted.predictor.save(tmp_path / "model")
    back = PromptPredictor.load(tmp_path / "model", CPU)
    np.testing.assert_allclose(
        back.score(split.test.texts).logits, fitted.predictor.score(split.test.texts).logits, atol=1e-5
    )


def test_a_model_without_the_head_is_refused(tiny_model: Path, split: Split, tmp_path: Path) -> None:
    for llm in (f"hf:{tiny_model}", "hf:minilm"):
        with pytest.raises(LlmError, match="has no head for masked words"):
            fit(settings(llm, tmp_path / "log"), split)


@pytest.mark.parametrize("long_text", ["truncate", "head+tail"])
def test_long_texts_are_cut_and_counted(long_text: str, decoder: Path, split: Split, tmp_path: Path) -> None:
    given = settings(f"hf:{decoder}", tmp_path / "log", replace(CPU, max_length=16, long_text=long_text))
    scores = fit(given, split).predictor.score(["the film", "film " * 500, "x" * 1_000_000, "film " * 499 + "awful"])
    assert scores.truncated.tolist() == [False, True, True, True]
    assert np.array_equal(scores.logits[1], scores.logits[3]) == (long_text == "truncate")


def test_a_prompt_that_does_not_fit_is_told_with_its_tokens(decoder: Path, split: Split, tmp_path: Path) -> None:
    with pytest.raises(LlmError, match=r"the prompt has \d,\d{3} tokens and hf:.* reads 1,024: shorten"):
        fit(settings(f"hf:{decoder}", tmp_path / "log", shots=60), split)


def test_no_model_is_an_obstacle() -> None:
    part = Examples(tuple(range(40)), *zip(*several_labels(40), strict=True))
    with pytest.raises(SettingsError, match="it needs a language model: give --llm"):
        Prompting(MethodSettings()).fit(Examples((0,), ("a",), ("b",)), part, LabelMap(("b", "c")))


@pytest.mark.parametrize(
    ("file", "sentence"),
    [
        (
            'task = "{text}"\nvariables = { text = "" }\noutput = { labels = ["yes", "no"] }',
            "labels yes, no, and the data bad, good",
        ),
        ('task = "{a} {b}"\nvariables = { a = "", b = "" }', "exactly one variable without a default"),
        ('role = "{text}"\ntask = "Label it."\nvariables = { text = "" }', "the text must come last"),
    ],
)
def test_a_prompt_that_does_not_suit_the_data(file: str, sentence: str, split: Split, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(file)
    with pytest.raises(PromptError, match=sentence):
        fit(settings("hf:nowhere", tmp_path / "log", prompt=tmp_path / "p.toml"), split)


def answer(text: str) -> str:
    return (
        "good"
        if any(word in text for word in ("wonderful", "brilliant", "moving", "superb", "delightful", "charming"))
        else "bad"
    )


def test_a_server_is_asked_again_and_abstains(split: Split, tmp_path: Path) -> None:
    """It rambles about texts on the plot until it is reminded, and about the cast for ever."""

    def script(_number: int, body: dict[str, object]) -> Reply:
        messages: list[dict[str, str]] = body["messages"]  # type: ignore[assignment]
        first, last = next(m["content"] for m in messages if m["role"] == "user"), messages[-1]["content"]
        if "cast" in first or ("plot" in first and "exactly one" not in last):
            return Reply("Well, hard to say.")
        return Reply(f"**{answer(first).title()}**.")

    with scripted(script) as server:
        fitted = fit(settings(server.llm, tmp_path / "log"), split)
        assert not server.requests, "nothing is asked before a text is to be labelled"
        predictor = fitted.predictor
        scores = predictor.score(split.test.texts)
        fitted.predictor.save(tmp_path / "model")
        before = len(server.requests)
        asked = settings(server.llm, tmp_path / "log").llm
        back = PromptPredictor.load(tmp_path / "model", BackboneSettings(), asked)
        np.testing.assert_array_equal(back.score(split.test.texts).logits, scores.logits)
        assert len(server.requests) == before, "every answer was in the log"
    on_cast = np.array(["cast" in text for text in split.test.texts])
    right = scores.logits.argmax(1) == predictor.labels.encode(split.test.labels)
    assert right[~on_cast].all()
    probabilities = predictor.labels.probabilities(scores.logits)
    shares = np.bincount(predictor.labels.encode(split.train.labels)) + 1
    np.testing.assert_allclose(probabilities[on_cast], np.tile(shares / shares.sum(), (on_cast.sum(), 1)), atol=1e-6)
    assert probabilities[~on_cast].max(1).min() > 0.9
    account = predictor.account()
    assert account["failure_rate"] == pytest.approx(on_cast.mean(), abs=1e-6)
    assert account["calls"] == before


def test_votes_make_probabilities(split: Split, tmp_path: Path) -> None:
    """Three of four say so: the votes are numbered, so each is an answer of its own."""
    with scripted(lambda number, _: Reply("bad" if number % 4 == 0 else "good")) as server:
        given = settings(server.llm, tmp_path / "log", votes=4)
        one = replace(given, llm=replace(given.llm, concurrency=1))
        predictor = fit(one, split).predictor
        probabilities = predictor.labels.probabilities(predictor.score(["a film"]).logits)
        assert len(server.requests) == 4
        assert all(request["temperature"] > 0 for request in server.requests)
    np.testing.assert_allclose(probabilities[0], [0.25, 0.75], atol=0.03)


def test_a_budget_that_does_not_reach_is_told_and_nothing_is_lost(split: Split, tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("good")) as server:
        given = settings(server.llm, tmp_path / "log")
        small = replace(given, llm=replace(given.llm, max_calls=10))
        with pytest.raises(BudgetError, match="--max-calls 10 is reached, and 38 of 48 texts have no answer yet"):
            fit(small, split).predictor.score(split.test.texts)
        fit(given, split).predictor.score(split.test.texts)
        assert len(server.requests) == 48


def test_a_server_that_never_answers_usably_is_no_model(split: Split, tmp_path: Path) -> None:
    with scripted(lambda *_: Reply("I would rather not.")) as server:
        predictor = fit(settings(server.llm, tmp_path / "log"), split).predictor
        with pytest.raises(LlmError, match=r"3 of 3 texts get no label: the model answered 'I would rather not.'"):
            predictor.score(split.test.texts[:3])


@pytest.mark.parametrize("kind", ["systemone", "decisions"])
def test_a_decision_server_is_a_method_like_any_other(kind: str, split: Split, tmp_path: Path) -> None:
    def decide(_: int, body: dict[str, Any]) -> Reply:
        share = 0.9 if "superb" in str(body) else 0.3
        shares = {"bad": 1 - share, "good": share}
        if kind == "systemone":
            answers: object = {"label": {"type": "choice", "choice": "good", "probabilities": shares}}
        else:
            listed = [{"value": value, "probability": one} for value, one in shares.items()]
            answers = [{"type": "choice", "name": "label", "probabilities": listed}]
        return Reply(raw=json.dumps({"answers": answers}).encode())

    with scripted(decide) as server:
        named = server.decides(kind)
        fitted = fit(settings(named, tmp_path / "log"), split)
        texts = split.test.texts[:6]
        scores = fitted.predictor.score(texts).logits
        assert fitted.choices["llm"] == f"{kind}:…#scripted"
        fitted.predictor.save(tmp_path / "model")
        assert server.url not in (tmp_path / "model" / "head.json").read_text()
        with pytest.raises(LlmError, match=f"give --llm {kind}:BASE_URL#MODEL"):
            PromptPredictor.load(tmp_path / "model", replace(CPU, offline=False))
        back = PromptPredictor.load(
            tmp_path / "model", replace(CPU, offline=False), LlmSettings(llm=named, log=tmp_path / "log2")
        )
        np.testing.assert_allclose(back.score(texts).logits, scores, atol=1e-5)
        assert back.account()["failure_rate"] == 0
        for refused in ({"shots": 2}, {"votes": 3}):
            with pytest.raises(LlmError, match="a decision server reads no examples"):
                fit(settings(named, tmp_path / "log", **refused), split)
