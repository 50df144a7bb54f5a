"""Rerankers and cross-encoders as classifiers without labels, on models with random or quickly trained weights."""

import csv
import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import write_pairs, write_reviews
from trifold.cli.main import run
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import LlmError, SettingsError
from trifold.llm.call_log import read_log
from trifold.llm.cross_encoder import CrossEncoder
from trifold.llm.judging_decoder import JudgingDecoder
from trifold.llm.local_reranker import open_reranking_model
from trifold.llm.reranker import Reranker
from trifold.llm.settings import LlmSettings, PromptingSettings
from trifold.methods.prompt import Prompting
from trifold.methods.prompt_predictor import PromptPredictor
from trifold.methods.settings import LabelSettings, MethodSettings
from trifold.models.settings import BackboneSettings, ComputeSettings
from trifold.pipeline.reranker import open_reranker
from trifold.tasks.labels import LabelMap
from trifold.types import Split, TextPair

CPU = ComputeSettings(device="cpu", precision="float32", offline=True)
PAIRS = [
    TextPair("good", "the film is superb"),
    TextPair("bad", "dull"),
    TextPair("the cast", "the plot is dull ; in number 3"),
]


def cross_encoder(folder: Path, encoder: Path, names: tuple[str, ...]) -> Path:
    """A classifier with random weights on an encoder, with these classes."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    torch.manual_seed(1)
    config = BertConfig.from_pretrained(encoder, id2label=dict(enumerate(names)), num_labels=len(names))
    BertForSequenceClassification(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(encoder).save_pretrained(folder)
    return folder


def opened(folder: Path) -> Reranker:
    return open_reranking_model(str(folder), CPU, "--llm rerank:")


def plain_logits(folder: Path, pairs: list[tuple[str, str]]) -> np.ndarray:
    """Logits of one pair at a time, by transformers alone."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model, tokenizer = (
        AutoModelForSequenceClassification.from_pretrained(folder).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    with torch.inference_mode():
        return np.concatenate(
            [
                model(**tokenizer(*pair, return_token_type_ids=True, return_tensors="pt")).logits.numpy()
                for pair in pairs
            ]
        )


def test_a_single_logit_is_the_score_of_query_and_passage(tiny_model: Path, tmp_path: Path) -> None:
    folder = cross_encoder(tmp_path / "model", tiny_model, ("LABEL_0",))
    model = opened(folder)
    assert isinstance(model, CrossEncoder)
    expected = plain_logits(folder, [(pair.first, pair.second) for pair in PAIRS])[:, 0]
    np.testing.assert_allclose(model.log_odds(PAIRS), expected, atol=1e-5)
    assert model.log_odds([]).shape == (0,)


def test_entailment_is_found_by_its_name_and_read_with_the_text_first(tiny_model: Path, tmp_path: Path) -> None:
    folder = cross_encoder(tmp_path / "model", tiny_model, ("Contradiction", "ENTAILMENT", "neutral"))
    logits = plain_logits(folder, [(pair.second, pair.first) for pair in PAIRS]).astype(np.float64)
    probability = (np.exp(logits) / np.exp(logits).sum(1, keepdims=True))[:, 1]
    model = opened(folder)
    np.testing.assert_allclose(model.log_odds(PAIRS), np.log(probability / (1 - probability)), atol=1e-5)
    assert model.hypothesis == "This example is {label}."


def test_two_classes_are_yes_and_no(tiny_model: Path, tmp_path: Path) -> None:
    folder = cross_encoder(tmp_path / "model", tiny_model, ("yes", "no"))
    logits = plain_logits(folder, [(pair.first, pair.second) for pair in PAIRS])
    np.testing.assert_allclose(opened(folder).log_odds(PAIRS), logits[:, 0] - logits[:, 1], atol=1e-5)


QWEN = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n"
    "{% if enable_thinking is defined and enable_thinking is false %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
FOR_RANKING = (
    "{% for m in messages %}{% if m.role == 'system' %}<Instruct>: {{ m.content }}\n{% elif m.role == \"query\" %}"
    "<Query>: {{ m.content }}\n{% else %}<Document>: {{ m.content }}\n{% endif %}{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def judge(folder: Path, template: str) -> Path:
    """A Qwen 3 of two layers with random weights."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, special_tokens=special, initial_alphabet=alphabet)
    tokenizer.train_from_iterator(["yes no yes no Judge whether the Document meets the requirements"] * 9, trainer)
    tokenizer.add_tokens(["<think>", "</think>"])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<|endoftext|>", eos_token="<|im_end|>")
    fast.chat_template = template
    fast.save_pretrained(folder)
    torch.manual_seed(0)
    config = Qwen3Config(
        vocab_size=len(fast), hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, head_dim=8, max_position_embeddings=2048, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    Qwen3ForCausalLM(config).save_pretrained(folder)
    return folder


def next_token_logits(folder: Path, text: str, *words: str) -> list[float]:
    """Logits of words as the next token of a text, by transformers alone."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    model, tokenizer = (
        AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval(),
        AutoTokenizer.from_pretrained(folder),
    )
    with torch.inference_mode():
        logits = model(**tokenizer(text, add_special_tokens=False, return_tensors="pt")).logits[0, -1]
    return [float(logits[tokenizer.convert_tokens_to_ids(word)]) for word in words]


def test_a_decoder_judges_by_yes_and_no_as_it_was_trained_to(tmp_path: Path) -> None:
    folder = judge(tmp_path / "model", QWEN)
    model = opened(folder)
    assert isinstance(model, JudgingDecoder)
    expected = []
    for pair in PAIRS:
        text = (
            "<|im_start|>system\nJudge whether the Document meets the requirements based on the Query and the Instruct "
            'provided. Note that the answer can only be "yes" or "no".<|im_end|>\n<|im_start|>user\n'
            f"<Instruct>: Given a description, judge whether it describes the document\n<Query>: {pair.first}\n"
            f"<Document>: {pair.second}<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
        )
        yes, no = next_token_logits(folder, text, "yes", "no")
        expected.append(yes - no)
    np.testing.assert_allclose(model.log_odds(PAIRS), expected, atol=1e-4)


def test_a_template_made_for_rankings_is_used(tmp_path: Path) -> None:
    folder = judge(tmp_path / "model", FOR_RANKING)
    pair = PAIRS[0]
    text = (
        f"<Instruct>: Given a description, judge whether it describes the document\n<Query>: {pair.first}\n"
        f"<Document>: {pair.second}\n<|im_start|>assistant\n"
    )
    yes, no = next_token_logits(folder, text, "yes", "no")
    np.testing.assert_allclose(opened(folder).log_odds([pair]), [yes - no], atol=1e-4)


@pytest.fixture(scope="module")
def split(reviews: Path) -> Split:
    return split_examples(load_examples(reviews, DataSettings()).examples)


def settings(folder: Path, log: Path, **prompting: Any) -> MethodSettings:
    return MethodSettings(
        backbone=BackboneSettings(device="cpu", precision="float32", offline=True),
        llm=LlmSettings(llm=f"rerank:{folder}", log=log),
        prompting=PromptingSettings(**prompting),
    )


def accuracy(predictor: PromptPredictor, part: Any) -> float:
    decided = predictor.labels.decide(predictor.labels.probabilities(predictor.score(part.texts).logits))
    return float((decided == predictor.labels.encode(part.labels)).mean())


@pytest.fixture(scope="module")
def taught(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cross-encoder that has learned which of two words describes a review."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    home = tmp_path_factory.mktemp("cross")
    folder = cross_encoder(home / "model", tiny_model, ("relevance",))
    with write_reviews(home / "lines.csv", seed=1).open() as file:
        lines = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    model, tokenizer = AutoModelForSequenceClassification.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    optimiser, rng = torch.optim.AdamW(model.parameters(), lr=3e-3), random.Random(0)
    for _ in range(150):
        batch = [(rng.choice(("good", "bad")), *line) for line in rng.sample(lines, 32)]
        inputs = tokenizer([one[0] for one in batch], [one[1] for one in batch], padding=True, return_tensors="pt")
        targets = torch.tensor([float(said == label) for said, _, label in batch])
        torch.nn.functional.binary_cross_entropy_with_logits(model(**inputs).logits[:, 0], targets).backward()
        optimiser.step()
        optimiser.zero_grad()
    model.eval().save_pretrained(folder)
    return folder


def test_labels_are_told_without_a_labelled_text_and_come_back(taught: Path, split: Split, tmp_path: Path) -> None:
    method = Prompting(settings(taught, tmp_path / "log"))
    fitted = method.fit(split.train, split.validation, LabelMap.of(split.train.labels))
    assert isinstance(fitted.predictor, PromptPredictor)
    assert accuracy(fitted.predictor, split.test) >= 0.9
    assert fitted.trainable_parameters == 0
    fitted.predictor.save(tmp_path / "model")
    logged = read_log(tmp_path / "log", 1)[0]
    assert json.loads(logged.prompt)[1:] == ["bad", "good"]
    (tmp_path / "log").unlink()
    back = PromptPredictor.load(tmp_path / "model", CPU)
    texts = split.test.texts[:9]
    np.testing.assert_allclose(back.score(texts).logits, fitted.predictor.score(texts).logits, atol=1e-5)


def test_the_hypothesis_is_the_users(taught: Path, split: Split, tmp_path: Path) -> None:
    given = settings(taught, tmp_path / "log", hypothesis="the film is {label}")
    given = replace(given, labels=LabelSettings(label_description=("good=superb",)))
    Prompting(given).fit(split.train, split.validation, LabelMap.of(split.train.labels)).predictor.save(
        tmp_path / "model"
    )
    assert json.loads(read_log(tmp_path / "log", 1)[0].prompt)[1:] == ["the film is bad", "the film is superb"]
    assert json.loads((tmp_path / "model" / "head.json").read_text())["hypothesis"] == "the film is {label}"
    with pytest.raises(SettingsError, match=r"write \{label\} once"):
        PromptingSettings(hypothesis="about it")


def test_a_decoder_that_judges_labels_a_file(split: Split, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the command line, by a prompt file, whose labels alone are read."""
    folder, texts = judge(tmp_path / "judge", QWEN), list(split.test.texts)
    (tmp_path / "new.csv").write_text("text\n" + "\n".join(f'"{text}"' for text in texts) + "\n")
    (tmp_path / "p.toml").write_text(
        'role = "You judge."\ntask = "{text}"\noutput = { labels = ["good", "bad"] }\nvariables = { text = "" }\n'
    )
    asked = ("--llm", f"rerank:{folder}", "--prompt", str(tmp_path / "p.toml"), "--log", str(tmp_path / "log"))
    to = ("--output", str(tmp_path / "out.csv"), "--calibration", "none", "--device", "cpu", "--precision", "float32")
    assert run(["label", str(tmp_path / "new.csv"), *asked, *to]) == 0
    assert "reads the labels of" in capsys.readouterr().err
    with (tmp_path / "out.csv").open() as file:
        found = [row["label"] for row in csv.DictReader(file)]
    model = opened(folder)
    odds = [model.log_odds([TextPair(word, text) for text in texts]) for word in ("good", "bad")]
    assert found == [("good", "bad")[number] for number in np.argmax(odds, axis=0)]


def test_a_run_of_our_own_on_pairs_judges_like_itself(tiny_model: Path, tmp_path: Path) -> None:
    write_pairs(tmp_path / "pairs.csv")
    text = (tmp_path / "pairs.csv").read_text().replace(",same\n", ",yes\n").replace(",other\n", ",no\n")
    (tmp_path / "pairs.csv").write_text(text)
    done = run(["finetune", str(tmp_path / "pairs.csv"), "--task", "pairs", "--method", "full", "--model", str(tiny_model), "--epochs", "1", "--max-length", "64", "--device", "cpu", "--output-dir", str(tmp_path / "run")])  # fmt: skip
    assert done == 0
    pairs = [TextPair("The plot is superb", "The plot is dull"), TextPair("The cast is superb", "The plot is dull")]
    by_search = open_reranker(tmp_path / "run", CPU)(pairs)
    np.testing.assert_allclose(1 / (1 + np.exp(-opened(tmp_path / "run").log_odds(pairs))), by_search, atol=1e-4)
    np.testing.assert_allclose(open_reranker(tmp_path / "run" / "model", CPU)(pairs), by_search, atol=1e-4)


def test_what_judges_no_pairs_is_refused(
    tiny_model: Path, reviews: Path, split: Split, taught: Path, tmp_path: Path
) -> None:
    with pytest.raises(LlmError, match="tells apart bad, good, of which none is entailment or relevance: give a rer"):
        opened(cross_encoder(tmp_path / "other", tiny_model, ("bad", "good")))
    with pytest.raises(LlmError, match="is a bert that does not judge pairs of texts"):
        opened(tiny_model)
    with pytest.raises(LlmError, match="there is no folder"):
        opened(tmp_path / "nowhere")
    headless = cross_encoder(tmp_path / "headless", tiny_model, ("relevance",))
    from safetensors.torch import load_file, save_file

    weights = {name: one for name, one in load_file(headless / "model.safetensors").items() if "classifier" not in name}
    save_file(weights, headless / "model.safetensors", {"format": "pt"})
    with pytest.raises(LlmError, match="has no head of a classifier"):
        opened(headless)
    done = run(["finetune", str(reviews), "--method", "tfidf", "--output-dir", str(tmp_path / "single")])
    assert done == 0
    with pytest.raises(LlmError, match="is a run that reads single texts"):
        opened(tmp_path / "single")
    labels = LabelMap.of(split.train.labels)
    with pytest.raises(SettingsError, match="--shots 2 is not allowed: a reranker reads a text and a label"):
        Prompting(settings(taught, tmp_path / "log", shots=2)).fit(split.train, split.validation, labels)
    with pytest.raises(LlmError, match="more than the 256 tokens that"):
        opened(taught).log_odds([TextPair("good", "dull " * 300)])


def test_it_writes_no_answers(taught: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "p.toml").write_text('task = "Say yes."\n')
    assert (
        run(["prompt", "run", str(tmp_path / "p.toml"), "--llm", f"rerank:{taught}", "--log", str(tmp_path / "log")])
        == 2
    )
    assert "judges pairs of texts and writes no answers" in capsys.readouterr().err
