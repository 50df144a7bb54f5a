"""What is said where prompt and answer do not fit a model, or where nothing is written."""

import pytest

from trifold.models.answer_length import reason_against, why_empty


@pytest.mark.parametrize(("asked", "window"), [(None, 11), (5, 15), (0, 10), (10_000, None)])
def test_what_fits_is_not_refused(asked: int | None, window: int | None) -> None:
    assert reason_against("it", 10, asked, window, "--max-tokens") is None


@pytest.mark.parametrize(
    ("tokens", "asked", "sentence"),
    [
        (
            250,
            1_000,
            "the prompt has 250 tokens, --max-tokens asks for 1,000 more, and it reads 256: "
            "give --max-tokens 6 or less, or shorten the prompt",
        ),
        (
            1_256,
            20,
            "the prompt has 1,256 tokens, --max-tokens asks for 20 more, and it reads 256: "
            "shorten the prompt, or use a model that reads more",
        ),
        (256, None, "the prompt has 256 tokens and it reads 256: shorten the prompt, or use a model that reads more"),
        (257, 0, "the prompt has 257 tokens and it reads 256: shorten the prompt, or use a model that reads more"),
    ],
)
def test_what_does_not_fit_is_one_sentence_with_a_way_out(tokens: int, asked: int | None, sentence: str) -> None:
    assert str(reason_against("it", tokens, asked, 256, "--max-tokens")) == sentence


def test_why_nothing_was_written_is_said() -> None:
    assert "the model ended it at once" in why_empty("", 1, 256, "--max-tokens")
    assert "all 4 tokens that it may have went into what is not shown: give more with --max-tokens" in why_empty(
        "", 4, 4, "--max-tokens"
    )
    assert "the model wrote only white space" in why_empty(" \n", 4, 4, "--max-tokens")
    assert "or began with a text that ends answers (--stop" in why_empty("", 2, 256, "--max-tokens", stopped=None)
    assert "it begins with a text that --stop names" in why_empty(" ", 4, 4, "--max-new-tokens", stopped=True)
