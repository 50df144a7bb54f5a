"""What every test may ask for: the real data, and models small enough to build in a second."""

import csv
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from browsers import browser as browser

if TYPE_CHECKING:
    from trifold import TextEmbedder


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What tests cache is theirs alone."""
    os.environ["TRIFOLD_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder with the real data sets; the test is skipped, saying so, where it is not set."""
    folder = os.environ.get("TRIFOLD_DATA")
    if not folder:
        pytest.skip("TRIFOLD_DATA is not set: no real data on this machine")
    return Path(folder)


GOOD = ("wonderful", "brilliant", "moving", "superb", "delightful", "charming")
BAD = ("awful", "boring", "dull", "terrible", "clumsy", "tedious")
THINGS = ("film", "plot", "cast", "score", "ending", "script", "story", "dialogue", "camera", "pace")


def write_reviews(path: Path, rows: int = 240, seed: int = 0) -> Path:
    """Short made-up reviews that any method can learn, with labels `good` and `bad`."""
    rng = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label"])
        for number in range(rows):
            words, label = (GOOD, "good") if number % 2 else (BAD, "bad")
            things = rng.sample(THINGS, 3)
            text = f"The {things[0]} is {rng.choice(words)}, the {things[1]} {rng.choice(words)}; number {number} in {things[2]}"
            writer.writerow([text, label])
    return path


def scored_pairs(rows: int = 240, seed: int = 0) -> list[tuple[str, str, float]]:
    """Pairs of remarks with a score from 0 to 5: high where both praise or both blame, higher where it is the same thing."""
    rng = random.Random(seed)
    found = []
    for number in range(rows):
        words = [rng.choice((GOOD, BAD)) for _ in range(2)]
        things = [rng.choice(THINGS)] * 2 if rng.random() < 0.5 else rng.sample(THINGS, 2)
        first, second = (f"The {thing} is {rng.choice(kind)}" for thing, kind in zip(things, words, strict=True))
        score = 3.5 * (words[0] is words[1]) + 1.5 * (things[0] == things[1])
        found.append((first, f"{second}; number {number}", score))
    return found


def write_scored_pairs(path: Path, rows: int = 240, seed: int = 0) -> Path:
    """Those pairs as a CSV."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sentence1", "sentence2", "score"])
        writer.writerows(scored_pairs(rows, seed))
    return path


def several_labels(rows: int = 480, seed: int = 0) -> list[tuple[str, tuple[str, ...]]]:
    """Texts that praise, blame, do both or neither, and may speak of the cast, with any of three labels."""
    rng = random.Random(seed)
    found = []
    for number in range(rows):
        labels = tuple(name for name, share in (("blame", 0.5), ("cast", 0.3), ("praise", 0.5)) if rng.random() < share)
        words = {"praise": rng.choice(GOOD), "blame": rng.choice(BAD), "cast": "cast"}
        said = [words[name] for name in labels] + ["film", "number", str(number)]
        found.append((" ".join(rng.sample(said, len(said))), labels))
    return found


@pytest.fixture(scope="session")
def reviews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of 240 easy reviews, labels `good` and `bad`."""
    return write_reviews(tmp_path_factory.mktemp("data") / "reviews.csv")


def write_pairs(path: Path, rows: int = 240, seed: int = 0) -> Path:
    """Pairs of short sentences that are about the same thing, label `same`, or about two things, label `other`."""
    rng = random.Random(seed)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sentence1", "sentence2", "label"])
        for number in range(rows):
            one, other = rng.sample(THINGS, 2)
            second = one if number % 2 else other
            first = f"The {one} is {rng.choice(GOOD)} in number {number}"
            writer.writerow([first, f"The {second} is {rng.choice(BAD)}", "same" if number % 2 else "other"])
    return path


@pytest.fixture(scope="session")
def pair_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV of 240 pairs of sentences, labels `same` and `other`."""
    return write_pairs(tmp_path_factory.mktemp("data") / "pairs.csv")


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of two layers and width 32 with random weights and a small WordPiece vocabulary."""
    import torch
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted({*GOOD, *BAD, *THINGS, "the", "is", "number", "in", ",", ";", "."})
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    pieces += [*"abcdefghijklmnopqrstuvwxyz0123456789", *(f"##{c}" for c in "abcdefghijklmnopqrstuvwxyz0123456789")]
    tokenizer = Tokenizer(models.WordPiece({piece: i for i, piece in enumerate(pieces)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    folder = tmp_path_factory.mktemp("models") / "tiny"
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=256, pad_token_id=0,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def embedder(tiny_model: Path) -> "TextEmbedder":
    """The tiny model's vectors in single precision."""
    from trifold import TextEmbedder
    from trifold.models.settings import EncodingSettings

    return TextEmbedder(str(tiny_model), settings=EncodingSettings(device="cpu", precision="float32"))


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small Llama with a chat template that answers `good` or `bad` when it is prompted for a review's label."""
    from language_models import prompted, train_decoder, writing

    with write_reviews(tmp_path_factory.mktemp("lines") / "lines.csv", seed=1).open() as file:
        lines = [(row["text"], row["label"]) for row in csv.DictReader(file)]
    return train_decoder(tmp_path_factory.mktemp("models") / "decoder", prompted(lines, random.Random(0)), writing())


@pytest.fixture(scope="session")
def trifold_command() -> Iterator[Callable[..., subprocess.CompletedProcess[str]]]:
    """Run the command line as a user would; in a fresh interpreter where it gets an environment of its own."""
    from warm_commands import WarmCommands

    warm = WarmCommands()

    def run(
        *arguments: object, timeout: float = 600, cwd: Path | None = None, env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        words = list(map(str, arguments))
        if env is None:
            return warm.run(words, cwd, timeout)
        # Libraries read variables when they are imported.
        return subprocess.run(
            [sys.executable, "-m", "trifold", *words],
            capture_output=True, text=True, timeout=timeout, stdin=subprocess.DEVNULL, check=False, cwd=cwd, env=env,
        )  # fmt: skip

    yield run
    warm.close()
