"""The unigram loss: cross-entropy under token frequencies, and whether a model is clearly below it."""

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from trifold.pretrain.corpus import Corpus, Part, Span
from trifold.pretrain.unigram import unigram_loss, why_unlearned

# Ids 0 to 4, of which 4 is special; a complement continues a word.
TOKENS = np.array([0, ~1, 1, 4, 2, 0, ~3, 4], dtype=np.int32)
CORPUS = Corpus(TOKENS, np.array([0, 4, 8]), np.array([True, True]), np.array([9, 9]), {})
PARTS = Part((Span(0, 4),), 9), Part((Span(4, 8),), 9)


def vocabulary(mask_id: int | None) -> Any:
    return SimpleNamespace(size=5, special=np.array([4]), mask_id=mask_id)


def test_it_is_the_cross_entropy_under_counts_that_are_one_higher() -> None:
    # Trained on 0, 1, 1 and 4; asked for 2, 0, 3 and 4.
    probabilities = {0: 2 / 9, 2: 1 / 9, 3: 1 / 9, 4: 2 / 9}
    wanted = -sum(math.log(one) for one in probabilities.values()) / 4
    assert unigram_loss(CORPUS, PARTS, vocabulary(None)) == pytest.approx(wanted)


def test_where_words_are_masked_special_tokens_are_left_out() -> None:
    wanted = -(math.log(2 / 7) + 2 * math.log(1 / 7)) / 3
    assert unigram_loss(CORPUS, PARTS, vocabulary(3)) == pytest.approx(wanted)


@pytest.mark.parametrize(("loss", "unigram"), [(4.0, 6.0), (None, 6.0), (6.0, None)])
def test_a_model_that_has_learned_or_does_not_say_is_not_called_ignorant(
    loss: float | None, unigram: float | None
) -> None:
    assert why_unlearned(loss, unigram) is None


@pytest.mark.parametrize("loss", [5.95, 6.0, 9.5])
def test_a_model_that_is_not_clearly_below_knows_nothing(loss: float) -> None:
    said = why_unlearned(loss, 6.0)
    assert said is not None
    assert f"knows nothing yet: its loss on held-out text is {loss:.2f}, and " in said
    assert "has 6.00; train it for longer" in said
