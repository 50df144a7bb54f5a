"""A language model opened by name, folder or run, and how well it knows a text."""

from pathlib import Path

import pytest

from trifold.data.settings import TextSettings
from trifold.errors import TrifoldError
from trifold.models.settings import ComputeSettings
from trifold.pipeline.language_model import generate, open_language_model, perplexity
from trifold.pretrain.settings import WritingSettings

CPU = ComputeSettings(device="cpu", precision="float32")
KNOWN = "The film is superb, the plot charming; number 7 in cast\n"


def test_what_was_learned_is_more_likely_than_its_words_in_another_order(decoder: Path, tmp_path: Path) -> None:
    losses = []
    for name, text in (("known", KNOWN), ("turned", " ".join(reversed(KNOWN.split())) + "\n")):
        path = tmp_path / f"{name}.txt"
        path.write_text(text * 20)
        found = perplexity(str(decoder), [path], TextSettings(), CPU)
        assert found.objective == "clm"
        assert found.tokens > 0
        losses.append(found.loss)
    assert losses[0] < losses[1]


def test_perplexity_of_a_text_longer_than_a_block_reads_all_of_it(decoder: Path, tmp_path: Path) -> None:
    (tmp_path / "long.txt").write_text(KNOWN * 400)
    found = perplexity(str(decoder), [tmp_path / "long.txt"], TextSettings(), CPU)
    assert found.tokens > 1_024
    assert found.bytes == pytest.approx(len(KNOWN) * 400, rel=0.01)


def test_a_file_without_text_is_refused(decoder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty.txt").write_text("\n")
    with pytest.raises(TrifoldError, match=r"empty\.txt is empty: give a file with text"):
        perplexity(str(decoder), [tmp_path / "empty.txt"], TextSettings(), CPU)


def test_the_same_seed_writes_the_same_text(decoder: Path) -> None:
    settings = WritingSettings(max_new_tokens=8, seed=3)
    first, again = (generate(str(decoder), "The film is", settings, CPU, None) for _ in range(2))
    assert first == again
    assert len(first) == 1


@pytest.mark.parametrize("objective", ["mlm", "clm"])
def test_a_model_without_the_head_is_refused(objective: str, tiny_model: Path) -> None:
    with pytest.raises(TrifoldError, match="trifold pretrain"):
        open_language_model(str(tiny_model), objective, CPU)  # type: ignore[arg-type]
