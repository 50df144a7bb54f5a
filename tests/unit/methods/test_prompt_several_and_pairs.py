"""Prompting models on this machine where a row may have several labels, or is a pair of texts."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import several_labels
from language_models import train_gap_filler
from trifold.cli.main import run
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import DataError, LlmError, PromptError, SettingsError
from trifold.llm.call_log import read_log
from trifold.llm.contract import Gap
from trifold.llm.local_model import open_local
from trifold.llm.prompt_template import Message
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.contract import Fitted
from trifold.methods.prompt import Prompting
from trifold.methods.prompt_predictor import PromptPredictor
from trifold.methods.settings import MethodSettings
from trifold.models.settings import BackboneSettings
from trifold.tasks.labels import LabelMap
from trifold.types import Examples, Split, TextPair

CPU = BackboneSettings(device="cpu", precision="float32", offline=True)
LABELS = LabelMap(("blame", "cast", "praise"), multi_label=True)


def settings(llm: str, log: Path, backbone: BackboneSettings = CPU, **prompting: Any) -> MethodSettings:
    return MethodSettings(
        backbone=backbone, llm=LlmSettings(llm=llm, log=log), prompting=PromptingSettings(**prompting)
    )


def fit(given: MethodSettings, split: Split) -> Fitted:
    return Prompting(given).fit(split.train, split.validation, LabelMap.of(split.train.labels))


@pytest.fixture(scope="module")
def several() -> Split:
    rows = several_labels(240, seed=3)
    found = Examples(tuple(range(240)), tuple(text for text, _ in rows), tuple(labels for _, labels in rows))
    return Split(*(found.take(range(*part)) for part in ((0, 80), (80, 160), (160, 240))))


@pytest.fixture(scope="module")
def taught(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder that has learned whether a label applies to a text."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    folder = tmp_path_factory.mktemp("cross") / "model"
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    model = BertForSequenceClassification(BertConfig.from_pretrained(tiny_model, num_labels=1))
    optimiser, rng, lines = torch.optim.AdamW(model.parameters(), lr=3e-3), random.Random(0), several_labels(seed=1)
    for _ in range(350):
        batch = [(str(rng.choice(LABELS.names)), *line) for line in rng.sample(lines, 32)]
        inputs = tokenizer(
            [one[0] for one in batch], [one[1] for one in batch],
            padding=True, return_tensors="pt", return_token_type_ids=True,
        )  # fmt: skip
        targets = torch.tensor([float(said in labels) for said, _, labels in batch])
        torch.nn.functional.binary_cross_entropy_with_logits(model(**inputs).logits[:, 0], targets).backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval().save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def test_each_label_is_judged_by_itself_and_comes_back(taught: Path, several: Split, tmp_path: Path) -> None:
    fitted = fit(settings(f"rerank:{taught}", tmp_path / "log"), several)
    predictor = fitted.predictor
    assert isinstance(predictor, PromptPredictor)
    truth = predictor.labels.encode(several.test.labels)
    decided = predictor.labels.decide(predictor.labels.probabilities(predictor.score(several.test.texts).logits))
    assert (decided == truth).mean() >= 0.8, "of all decisions, of which always no is right in 0.57"
    assert len(predictor.labels.thresholds) == 3
    assert fitted.choices["calibration"] == "affine"
    predictor.save(tmp_path / "model")
    back = PromptPredictor.load(tmp_path / "model", CPU)
    texts = several.test.texts[:9]
    np.testing.assert_allclose(back.score(texts).logits, predictor.score(texts).logits, atol=1e-5)
    assert back.labels == predictor.labels


def test_the_score_is_that_of_a_line_with_yes_beside_the_line_with_no(decoder: Path) -> None:
    model = open_local(str(decoder), CPU)
    asked = (Message("user", "a superb film"),)
    words = ("praise", "no cast", "cast")
    plain = model.log_likelihoods(
        [Gap(asked, ("", ""), tuple(f"{w}: {said}" for w in words for said in ("yes", "no")))]
    )
    expected = [plain[0, 0] - plain[0, 1], plain[0, 2] - plain[0, 3], plain[0, 4] - plain[0, 5]]
    np.testing.assert_allclose(model.separate_scores([Gap(asked, ("", ""), words)]), [expected], atol=1e-6)


def test_examples_show_a_line_for_every_label(decoder: Path, several: Split, tmp_path: Path) -> None:
    fit(settings(f"hf:{decoder}", tmp_path / "log", shots=2), several).predictor.save(tmp_path / "model")
    shots = json.loads((tmp_path / "model" / "prompt.json").read_text())["shots"]
    labelled = dict(zip(several.train.texts, several.train.labels, strict=True))
    for values, said in shots:
        lines = dict(line.split(": ") for line in said.splitlines())
        assert tuple(name for name in LABELS.names if lines[str(name)] == "yes") == labelled[values["text"]]


def test_a_decoder_with_several_labels_comes_back(decoder: Path, several: Split, tmp_path: Path) -> None:
    fitted = fit(settings(f"hf:{decoder}", tmp_path / "log"), several)
    sent = json.loads(read_log(tmp_path / "log", 1)[0].prompt)
    assert "Answer with a line for each of these, with yes or no behind it" in sent[0]["content"]
    fitted.predictor.save(tmp_path / "model")
    back = PromptPredictor.load(tmp_path / "model", CPU)
    texts = several.test.texts[:9]
    np.testing.assert_allclose(back.score(texts).logits, fitted.predictor.score(texts).logits, atol=1e-5)
    assert back.score([]).logits.shape == (0, 3)


def test_what_does_not_go_with_several_labels_is_said(
    decoder: Path, tiny_model: Path, several: Split, tmp_path: Path
) -> None:
    with pytest.raises(
        SettingsError, match="--calibration batch is not allowed with several labels a row: give none, c"
    ):
        fit(settings(f"hf:{decoder}", tmp_path / "log", calibration="batch"), several)
    lines = [("the film is superb", "superb"), ("the film is dull", "dull")] * 20
    filler = train_gap_filler(tmp_path / "filler", tiny_model, lines, "{text}; {mask}.", steps=1)
    with pytest.raises(LlmError, match="fills a gap with one label, and rows have several: name a model that writes"):
        fit(settings(f"hf:{filler}", tmp_path / "log"), several)


def test_a_file_is_labelled_with_several_labels(taught: Path, several: Split, tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text(
        'task = "{text}"\nvariables = { text = "" }\noutput = { labels = ["blame", "cast", "praise"], several = true }\n'
    )
    rows = list(zip(several.test.texts, several.test.labels, strict=True))
    (tmp_path / "new.csv").write_text("text\n" + "".join(f"{text}\n" for text, _ in rows))
    asked = ("--llm", f"rerank:{taught}", "--prompt", tmp_path / "p.toml", "--log", tmp_path / "log")
    to = ("--output", tmp_path / "out.csv", "--calibration", "none", "--device", "cpu")
    assert run([str(word) for word in ("label", tmp_path / "new.csv", *asked, *to)]) == 0
    with (tmp_path / "out.csv").open() as file:
        found = [row["label"].split("|") for row in csv.DictReader(file)]
    pairs = [(one, labels) for one, (_, labels) in zip(found, rows, strict=True)]
    right = [(name in one) == (name in labels) for one, labels in pairs for name in LABELS.names]
    assert np.mean(right) >= 0.8


@pytest.fixture(scope="module")
def pairs(pair_file: Path) -> Split:
    return split_examples(load_examples(pair_file, DataSettings(task="pairs")).examples)


@pytest.mark.parametrize("choice", ["balanced", "nearest"])
def test_both_texts_of_a_pair_stand_in_the_prompt(
    choice: str, decoder: Path, tiny_model: Path, pairs: Split, tmp_path: Path
) -> None:
    backbone = replace(CPU, model=str(tiny_model))
    given = settings(f"hf:{decoder}", tmp_path / "log", backbone, shots=2, shot_choice=choice)
    predictor = fit(given, pairs).predictor
    pair = pairs.test.texts[0]
    assert isinstance(pair, TextPair)
    predictor.score([pair])
    sent = json.loads(read_log(tmp_path / "log", 1)[0].prompt)
    assert sent[-1]["content"] == f"First text: {pair.first}\nSecond text: {pair.second}\nLabel:"
    assert sent[2]["content"] in ("same", "other")
    predictor.save(tmp_path / "model")
    back = PromptPredictor.load(tmp_path / "model", CPU)
    texts = pairs.test.texts[:7]
    np.testing.assert_allclose(back.score(texts).logits, predictor.score(texts).logits, atol=1e-5)
    with pytest.raises(DataError, match="single texts were given where pairs"):
        back.score(["one text"])


def test_each_text_of_a_pair_is_cut(decoder: Path, pairs: Split, tmp_path: Path) -> None:
    predictor = fit(settings(f"hf:{decoder}", tmp_path / "log", replace(CPU, max_length=8)), pairs).predictor
    scores = predictor.score([TextPair("dull " * 50, "fine"), TextPair("fine", "fine"), TextPair("a", "dull " * 50)])
    assert scores.truncated.tolist() == [True, False, True]


def test_prompt_files_for_pairs_have_two_variables(decoder: Path, pairs: Split, tmp_path: Path) -> None:
    file = tmp_path / "p.toml"
    file.write_text('task = "{premise} / {claim}"\nvariables = { premise = "", claim = "" }\n')
    fit(settings(f"hf:{decoder}", tmp_path / "log", prompt=file), pairs)
    sent = json.loads(read_log(tmp_path / "log", 1)[0].prompt)
    assert " / " in sent[-1]["content"]
    file.write_text('task = "{text}"\nvariables = { text = "" }\n')
    with pytest.raises(PromptError, match="needs exactly two variables without a default"):
        fit(settings(f"hf:{decoder}", tmp_path / "log", prompt=file), pairs)


def test_pairs_are_compared_from_the_command_line(decoder: Path, pair_file: Path, tmp_path: Path) -> None:
    words = ("compare", pair_file, "--task", "pairs", "--methods", "tfidf,prompt", "--llm", f"hf:{decoder}")
    more = ("--device", "cpu", "--log", tmp_path / "log", "--output-dir", tmp_path / "run")
    assert run([str(word) for word in (*words, *more)]) == 0
    with (tmp_path / "run" / "leaderboard.csv").open() as file:
        assert {row["method"] for row in csv.DictReader(file)} >= {"tfidf", "prompt"}
    assert run(["predict", str(tmp_path / "run" / "prompt"), "--text", "a film", "--text-pair", "another"]) == 0
