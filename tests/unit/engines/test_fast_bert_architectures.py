"""Every way of adapting, on tiny random models of the architectures that people use."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from conftest import BAD, GOOD, THINGS
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import BackboneError
from trifold.methods import method_entry
from trifold.methods.contract import Fitted
from trifold.methods.defaults import ADAPTER, FULL
from trifold.methods.exported_predictor import ExportedPredictor
from trifold.methods.settings import MethodSettings, TuningSettings
from trifold.models.locate import locate
from trifold.models.settings import BackboneSettings
from trifold.models.tokenizer import Tokenizer
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.types import Split

TEXTS = ["The film is wonderful, the plot brilliant", "The cast is awful", "the"]
EXACT = BackboneSettings(device="cpu", offline=True, precision="float32")
BERT_LIKE = {
    "hidden_size": 32, "embedding_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64
}  # fmt: skip
SIZES = {
    "bert": BERT_LIKE,
    "electra": BERT_LIKE,
    "distilbert": {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 64},
    "roberta": BERT_LIKE,
    "xlm-roberta": BERT_LIKE,
    "mpnet": BERT_LIKE,
    "modernbert": {**BERT_LIKE, "global_attn_every_n_layers": 2, "local_attention": 8},
}
SPECIAL = {
    "bert": ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    "roberta": ("<s>", "<pad>", "</s>", "<unk>", "<mask>"),
    "mpnet": ("<s>", "<pad>", "</s>", "[UNK]", "<mask>"),
}


def word_pieces(folder: Path) -> None:
    """What BERT has had since the beginning: a list of words in a file, and nothing else."""
    (folder / "vocab.txt").write_text("\n".join(pieces(SPECIAL["bert"])))


def pieces(special: tuple[str, ...]) -> list[str]:
    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = [*GOOD, *BAD, *THINGS, "the", "is", "number", "in", ",", ";", "."]
    return [*special, *words, *letters, *(f"##{c}" for c in letters)]


def mpnet_pieces(folder: Path) -> None:
    """BERT's pieces with RoBERTa's special tokens around them."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    found = {piece: number for number, piece in enumerate(pieces(SPECIAL["mpnet"]))}
    made = Tokenizer(models.WordPiece(found, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[(name, found[name]) for name in ("<s>", "</s>")]
    )
    made.save(str(folder / "tokenizer.json"))


def trained_tokenizer(folder: Path, kind: str) -> None:
    """Byte pairs for RoBERTa and ModernBERT, a unigram model for XLM-RoBERTa, learned from a few lines."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

    special = list(SPECIAL["bert" if kind == "modernbert" else "roberta"])
    start, end = (special[2], special[3]) if kind == "modernbert" else (special[0], special[2])
    lines = [f"The {thing} is {word}, number {i}; in" for thing in THINGS for word in (*GOOD, *BAD) for i in range(10)]
    if kind == "xlm-roberta":
        made = Tokenizer(models.Unigram())
        made.pre_tokenizer = pre_tokenizers.Metaspace()
        trainer: Any = trainers.UnigramTrainer(
            vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False
        )
    else:
        made = Tokenizer(models.BPE())
        made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=400, special_tokens=special, initial_alphabet=alphabet, show_progress=False
        )
    made.train_from_iterator(lines, trainer)
    made.post_processor = processors.TemplateProcessing(
        single=f"{start} $A {end}", special_tokens=[(t, made.token_to_id(t)) for t in (start, end)]
    )
    made.save(str(folder / "tokenizer.json"))


@pytest.fixture(scope="module", params=SIZES)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    from transformers import AutoConfig, AutoModel

    kind = request.param
    folder = tmp_path_factory.mktemp("models") / kind
    folder.mkdir()
    pad = 1 if "roberta" in kind or kind == "mpnet" else 0
    config = AutoConfig.for_model(
        kind, vocab_size=400, max_position_embeddings=66, pad_token_id=pad, **SIZES[kind]
    )  # fmt: skip
    torch.manual_seed(0)
    AutoModel.from_config(config).save_pretrained(folder)
    if kind in ("bert", "electra", "distilbert"):
        word_pieces(folder)
    elif kind == "mpnet":
        mpnet_pieces(folder)
    else:
        trained_tokenizer(folder, kind)
    return folder


@pytest.fixture(scope="module")
def split(reviews: Path) -> Split:
    return split_examples(load_examples(reviews, DataSettings()).examples)


def fit(method: str, model: Path, split: Split, cache: bool = True, **tuning: object) -> Fitted:
    # Three times its default each: far beyond, losses follow every last digit of the states.
    rate = 3 * (FULL if method == "full" else ADAPTER).learning_rate
    settings = MethodSettings(
        backbone=replace(EXACT, model=str(model), max_length=48, cache=cache),
        train=TrainSettings(learning_rate=rate, epochs=1),
        tuning=TuningSettings(**tuning),  # type: ignore[arg-type]
    )
    return method_entry(method).load()(settings).fit(split.train, split.validation, LabelMap.of(split.train.labels))


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    ("method", "tuning"),
    [
        ("features", {}),
        ("adapter-lora", {"adapter_layers": 2}),
        ("adapter-bottleneck", {"adapter_layers": 2}),
        ("full", {"train_layers": 1}),
        ("full", {"freeze_embeddings": True}),
        ("full", {}),
        ("contrastive", {}),
    ],
)
def test_it_is_trained_saved_and_loaded(
    method: str, tuning: dict[str, object], model: Path, split: Split, tmp_path: Path
) -> None:
    fitted = fit(method, model, split, **tuning)
    before = fitted.predictor.score(TEXTS)
    assert not before.truncated.any()
    fitted.predictor.save(tmp_path)
    back = method_entry(method).load().predictor.load(tmp_path, EXACT)
    np.testing.assert_allclose(back.score(TEXTS).logits, before.logits, atol=1e-5)
    whole = sum(p.numel() for p in locate_parameters(model))
    assert fitted.trainable_parameters < whole or not tuning


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize("method", ["features", "adapter-bottleneck", "full"])
def test_it_gives_the_same_as_a_graph(method: str, model: Path, split: Split, tmp_path: Path) -> None:
    predictor = fit(method, model, split).predictor
    ExportedPredictor.write(predictor, tmp_path, int8=False)
    graph = ExportedPredictor.load(tmp_path, BackboneSettings())
    np.testing.assert_allclose(graph.score(TEXTS).logits, predictor.score(TEXTS).logits, atol=5e-3)


def locate_parameters(folder: Path) -> list[torch.nn.Parameter]:
    from transformers import AutoModel

    return list(AutoModel.from_pretrained(folder).parameters())


def test_a_full_model_gives_the_same_in_plain_transformers(model: Path, split: Split, tmp_path: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    fitted = fit("full", model, split)
    fitted.predictor.save(tmp_path)
    plain = AutoModelForSequenceClassification.from_pretrained(tmp_path).eval()
    assert set(plain.config.label2id) == {"bad", "good"}
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    ours = fitted.predictor.score(TEXTS).logits
    for text, logits in zip(TEXTS, ours, strict=True):
        with torch.inference_mode():
            theirs = plain(torch.tensor([tokenizer(text).input_ids])).logits[0].numpy()
        np.testing.assert_allclose(logits, theirs, atol=1e-4)


def test_as_many_tokens_as_it_has_places_for_are_read_and_no_more(model: Path, split: Split) -> None:
    """RoBERTa's kin count positions from behind the padding token, so two of their 66 places stay unused."""
    most = 64 if "roberta" in model.name or model.name == "mpnet" else 66
    files = locate(str(model))
    if model.name == "modernbert":
        most = 66
    tokens = Tokenizer(files, most).encode(["film " * 500])
    assert tokens.lengths.tolist() == [most]
    settings = MethodSettings(backbone=BackboneSettings(model=str(model), device="cpu", max_length=most))
    part = split.train.take(range(8))
    texts = tuple(text + " film" * 500 for text in part.texts)
    long = type(part)(part.rows, texts, part.labels)
    fitted = method_entry("features").load()(settings).fit(long, long, LabelMap.of(long.labels))
    assert fitted.predictor.score(texts).truncated.all()
    with pytest.raises(BackboneError, match=f"reads at most {most} tokens"):
        Tokenizer(files, most + 1)


def test_a_model_with_a_list_of_words_for_a_tokenizer_is_read(tmp_path: Path, split: Split) -> None:
    """Legal-BERT, say, was published with a list of words for a tokenizer."""
    from transformers import BertConfig, BertModel

    old = tmp_path / "old"
    old.mkdir()
    word_pieces(old)
    made = BertModel(BertConfig(vocab_size=120, max_position_embeddings=66, **BERT_LIKE))
    made.config.save_pretrained(old)
    save_file(made.state_dict(), old / "model.safetensors")
    fitted = fit("full", old, split)
    fitted.predictor.save(tmp_path / "new")
    assert {"model.safetensors", "tokenizer.json"} <= {path.name for path in (tmp_path / "new").iterdir()}
    back = method_entry("full").load().predictor.load(tmp_path / "new", EXACT)
    np.testing.assert_allclose(back.score(TEXTS).logits, fitted.predictor.score(TEXTS).logits, atol=1e-5)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
@pytest.mark.parametrize(
    ("method", "tuning"),
    [
        ("adapter-lora", {"adapter_layers": 1}),
        ("adapter-bottleneck", {"adapter_layers": 1}),
        ("full", {"train_layers": 1}),
    ],
)
def test_what_is_frozen_is_computed_once_and_changes_no_loss(
    method: str,
    tuning: dict[str, object],
    model: Path,
    split: Split,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    monkeypatch.setenv("TRIFOLD_CACHE", str(tmp_path))
    fits = [fit(method, model, split, cache, **tuning) for cache in (False, True, True)]
    said = capsys.readouterr().err
    assert said.count("the lowest 2 layers are frozen and computed once") == 2
    assert f"{len(split.train)} of {len(split.train)} texts come from the cache" in said
    losses = [[row.train_loss for row in one.history.rows] for one in fits if one.history]
    np.testing.assert_allclose(losses[1], losses[0], atol=1e-2)
    assert losses[2] == losses[1]
    assert fits[0].cached_seconds == fits[1].cached_seconds == 0.0 < fits[2].cached_seconds
    # Used as a whole again, it gives what it gave in training.
    np.testing.assert_allclose(
        fits[1].predictor.score(split.validation.texts).logits, fits[1].validation_logits, atol=2e-2
    )
