"""Which encoder a name stands for: a folder, a run with an encoder of its own, a run on a kept backbone."""

from pathlib import Path

import numpy as np
import pytest

from trifold import TextClassifier, TextEmbedder
from trifold.documents.embedding.models import own_reading
from trifold.errors import BackboneError
from trifold.models.settings import EncodingSettings

SETTINGS = EncodingSettings(device="cpu", precision="float32")
TEXTS = ["the film is superb", "a dull plot"]


def fitted(method: str, folder: Path, **more: object) -> Path:
    texts = [f"the {word} film number {number}" for number, word in enumerate(["superb", "dull"] * 20)]
    TextClassifier(method, **more).fit(texts, ["good", "bad"] * 20).save(folder)  # type: ignore[arg-type]
    return folder


def test_a_run_on_a_frozen_backbone_embeds_like_the_backbone(tiny_model: Path, tmp_path: Path) -> None:
    run = fitted("features", tmp_path / "run", model=str(tiny_model), device="cpu", head="logistic", cache=False)
    found = [TextEmbedder(str(place), settings=SETTINGS).encode(TEXTS) for place in (tiny_model, run)]
    np.testing.assert_allclose(found[1], found[0], atol=1e-6)


def test_a_run_without_an_encoder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BackboneError, match=r"holds no encoder of its own \(tfidf\): name the backbone"):
        TextEmbedder(str(fitted("tfidf", tmp_path / "run")), settings=SETTINGS)


def test_only_a_run_that_was_trained_on_labels_has_columns_of_its_own(tiny_model: Path, tmp_path: Path) -> None:
    assert own_reading(str(tiny_model)) is None
    assert own_reading(str(fitted("tfidf", tmp_path / "run"))) is not None
