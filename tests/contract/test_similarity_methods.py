"""One suite over the methods of --task similarity: what the contract promises holds for each of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import scored_pairs
from trifold.data.scored_pairs import ScoredPairs, ScoredSplit, split_pairs
from trifold.documents.embedding.embedder import TextEmbedder
from trifold.errors import ArtifactError, SettingsError
from trifold.methods.catalogue import ALL_METHODS, SIMILARITY, method_entry, similarity_entry
from trifold.methods.settings import MethodSettings
from trifold.methods.similarity import FittedSimilarity
from trifold.methods.two_towers import TwoTowers
from trifold.methods.unused_settings import uses_of
from trifold.models.settings import BackboneSettings, EncodingSettings
from trifold.statistics.correlation import spearman
from trifold.train.settings import TrainSettings
from trifold.types import TextPair

EXACT = BackboneSettings(device="cpu", offline=True, precision="float32")
# How many epochs, and at which rate, a random encoder of two layers learns these pairs.
_RATES = {"full": (8, 3e-3), "adapter-lora": (8, 2e-2), "features": (60, 1e-2)}


def settings_for(model: Path, name: str) -> MethodSettings:
    epochs, rate = _RATES.get(name, (None, None))
    backbone = replace(EXACT, model=str(model), cache=False)
    # Few rows make few steps.
    return MethodSettings(backbone=backbone, train=TrainSettings(epochs=epochs, learning_rate=rate, patience=9))


def pairs(rows: int = 300, seed: int = 0) -> ScoredPairs:
    made = scored_pairs(rows, seed)
    texts = tuple(TextPair(first, second) for first, second, _ in made)
    return ScoredPairs(tuple(range(1, rows + 1)), texts, np.array([score for *_, score in made]))


@pytest.fixture(scope="module")
def split() -> ScoredSplit:
    return split_pairs(pairs())


@pytest.fixture(scope="module", params=SIMILARITY)
def fitted(request: pytest.FixtureRequest, tiny_model: Path, split: ScoredSplit) -> tuple[str, FittedSimilarity]:
    method = similarity_entry(request.param).load()(settings_for(tiny_model, request.param))
    return request.param, method.fit(split.train, split.validation)


def figure(fitted: FittedSimilarity, part: ScoredPairs) -> float:
    return spearman(part.scores, fitted.model.cosines(part.pairs)[0])[0]


def test_what_learns_gets_the_order_of_pairs_it_has_not_seen(
    fitted: tuple[str, FittedSimilarity], tiny_model: Path, split: ScoredSplit
) -> None:
    name, found = fitted
    untouched = similarity_entry("zero-shot").load()(settings_for(tiny_model, "zero-shot"))
    before = figure(untouched.fit(split.train, split.validation), split.test)
    if name == "zero-shot":
        assert figure(found, split.test) == pytest.approx(before)
        assert found.trainable_parameters == 0
    elif name == "tfidf":
        assert figure(found, split.test) > 0.2
    else:
        assert figure(found, split.test) > before + (0.3 if name == "full" else 0.03)
        assert found.trainable_parameters > 0
        assert found.history is not None


def test_scores_are_on_the_scale_of_the_data_in_the_order_of_the_cosines(
    fitted: tuple[str, FittedSimilarity], split: ScoredSplit
) -> None:
    found = fitted[1].model.similarities(split.test.pairs)
    assert found.cosines.dtype == np.float32
    assert (np.abs(found.cosines) <= 1 + 1e-5).all()
    assert (found.scores >= 0).all()
    assert (found.scores <= 5).all()
    order = np.argsort(found.cosines, kind="stable")
    assert (np.diff(found.scores[order]) >= 0).all()
    assert not found.truncated.any()


def test_a_pair_is_as_similar_either_way_and_alone(fitted: tuple[str, FittedSimilarity], split: ScoredSplit) -> None:
    model, some = fitted[1].model, split.test.pairs[:10]
    together, _ = model.cosines(some)
    turned, _ = model.cosines([TextPair(pair.second, pair.first) for pair in some])
    alone = np.concatenate([model.cosines([pair])[0] for pair in some])
    np.testing.assert_allclose(turned, together, atol=1e-5)
    np.testing.assert_allclose(alone, together, atol=1e-5)
    same, _ = model.cosines([TextPair(pair.first, pair.first) for pair in some])
    np.testing.assert_allclose(same, 1, atol=1e-5)


def test_no_pair_gives_no_row(fitted: tuple[str, FittedSimilarity]) -> None:
    found = fitted[1].model.similarities([])
    assert len(found.cosines) == len(found.truncated) == len(found.scores) == 0


def test_saved_and_loaded_gives_the_same_cosines_and_scores(
    fitted: tuple[str, FittedSimilarity], split: ScoredSplit, tmp_path: Path
) -> None:
    name, found = fitted
    found.model.save(tmp_path / "model")
    back = similarity_entry(name).load().model.load(tmp_path / "model", EXACT)
    before, after = (one.similarities(split.test.pairs) for one in (found.model, back))
    np.testing.assert_allclose(after.cosines, before.cosines, atol=1e-5)
    np.testing.assert_allclose(after.scores, before.scores, atol=1e-4)
    assert back.size_bytes() == pytest.approx(found.model.size_bytes(), rel=0.02)


def test_a_damaged_scale_is_refused(
    fitted: tuple[str, FittedSimilarity], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, found = fitted
    scale = found.model.scale
    monkeypatch.setattr(found.model, "scale", replace(scale, scores=scale.scores[::-1].copy()))
    found.model.save(tmp_path / "model")
    with pytest.raises(ArtifactError, match="does not rise"):
        similarity_entry(name).load().model.load(tmp_path / "model", EXACT)


def test_what_is_too_long_is_told(fitted: tuple[str, FittedSimilarity], split: ScoredSplit) -> None:
    name, found = fitted
    long = TextPair("The film is " + "wonderful " * 400, "The film is awful")
    _, truncated = found.model.cosines([long, split.test.pairs[0]])
    assert truncated.tolist() == [name != "tfidf", False]


def test_towers_are_saved_as_a_folder_of_sentence_transformers(
    fitted: tuple[str, FittedSimilarity], split: ScoredSplit, tmp_path: Path
) -> None:
    model = fitted[1].model
    if not isinstance(model, TwoTowers):
        pytest.skip("it has no encoder")
    model.save(tmp_path / "model")
    texts = list(split.test.texts[:6])
    embedder = TextEmbedder(str(tmp_path / "model"), settings=EncodingSettings(device="cpu", precision="float32"))
    np.testing.assert_allclose(embedder.encode(texts), model.vectors(texts)[0], atol=1e-5)
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu", local_files_only=True)
    np.testing.assert_allclose(theirs.encode(texts, show_progress_bar=False), model.vectors(texts)[0], atol=1e-5)


def test_names_are_those_of_methods_that_give_labels_and_use_no_more_settings() -> None:
    """What a request sets aside for a method is decided by that, and so are the needs of a name."""
    for name, entry in SIMILARITY.items():
        assert entry.uses <= uses_of(name)
        assert entry.load().name == name
        assert method_entry(name).needs_backbone == (name != "tfidf")
    for name in set(ALL_METHODS) - set(SIMILARITY):
        with pytest.raises(SettingsError, match=f"--method {name} cannot learn similarities: give one of tfidf"):
            similarity_entry(name)
