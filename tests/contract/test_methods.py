"""One suite over every method: what the contract promises holds for each of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from conftest import several_labels
from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.errors import ArtifactError, BackboneError, SettingsError
from trifold.explanations.explain import explain_texts
from trifold.llm.settings import LlmSettings
from trifold.methods import METHODS, PRESETS, method_entry
from trifold.methods.contract import Fitted
from trifold.methods.exported_predictor import ExportedPredictor
from trifold.methods.settings import MethodSettings
from trifold.models.settings import BackboneSettings
from trifold.statistics.calibration import best_temperature
from trifold.statistics.metrics import measure
from trifold.tasks.labels import LabelMap
from trifold.train.settings import TrainSettings
from trifold.types import Examples, Split

# Methods that learn from labels.
EVERY = (*METHODS, *PRESETS)
LEARNERS = tuple(name for name in EVERY if name != "zero-shot")
# What is told rather than trained, with a language model of its own.
TOLD = "prompt"
READERS = tuple(name for name in EVERY if name != "tfidf")
# What is promised to be equal is so where numbers have enough digits; a test of its own has bfloat16.
EXACT = BackboneSettings(device="cpu", offline=True, precision="float32")
HOPES = ["The film is wonderful, the plot brilliant", "The cast is awful, the pace tedious"]


def settings_for(model: Path, epochs: int | None = 4, rate: float = 3e-3, **backbone: object) -> MethodSettings:
    chosen = replace(EXACT, model=str(model), **backbone)  # type: ignore[arg-type]
    return MethodSettings(backbone=chosen, train=TrainSettings(learning_rate=rate, epochs=epochs))


@pytest.fixture(scope="module")
def split(reviews: Path) -> Split:
    return split_examples(load_examples(reviews, DataSettings()).examples)


@pytest.fixture(scope="module", params=(*EVERY, TOLD))
def fitted(request: pytest.FixtureRequest, tiny_model: Path, split: Split) -> tuple[str, Fitted]:
    settings = settings_for(tiny_model)
    if request.param == TOLD:
        settings = replace(settings, llm=LlmSettings(llm=f"hf:{request.getfixturevalue('decoder')}"))
    if request.param.startswith(("adapter", "zero")):
        # What changes little or nothing of a backbone needs one that knows something.
        settings = settings_for(Path("minilm"), 6, 2e-3)
    elif request.param == "classic":
        settings = settings_for(Path("minilm"), 20, 1e-3)
    elif request.param == "contrastive":
        settings = settings_for(tiny_model, 1)
    method = method_entry(request.param).load()(settings)
    return request.param, method.fit(split.train, split.validation, LabelMap.of(split.train.labels))


def test_it_learns(fitted: tuple[str, Fitted], split: Split) -> None:
    if fitted[0] not in (*LEARNERS, TOLD):
        pytest.skip("it learns nothing; tests/unit/methods/test_zero_shot.py shows what it knows")
    scores = fitted[1].predictor.score(split.test.texts)
    truth = fitted[1].predictor.labels.encode(split.test.labels)
    assert (scores.logits.argmax(1) == truth).mean() >= 0.9


def test_probabilities_are_a_distribution_and_rows_keep_their_order(fitted: tuple[str, Fitted], split: Split) -> None:
    predictor = fitted[1].predictor
    together = predictor.score(split.test.texts)
    assert together.logits.shape == (len(split.test), 2)
    assert together.logits.dtype == np.float32
    np.testing.assert_allclose(predictor.labels.probabilities(together.logits).sum(1), 1.0, atol=1e-9)
    alone = np.concatenate([predictor.score([text]).logits for text in split.test.texts[:10]])
    # Vectors are rounded to half precision, and a last digit of another batch may fall on the other side.
    np.testing.assert_allclose(alone, together.logits[:10], rtol=1e-4, atol=1e-4)


def test_probabilities_are_calibrated_on_validation(fitted: tuple[str, Fitted], split: Split) -> None:
    result = fitted[1]
    if fitted[0] == "zero-shot":
        assert result.validation_logits.shape == (0, 2)
        return
    truth = result.predictor.labels.encode(split.validation.labels)
    np.testing.assert_allclose(
        result.predictor.score(split.validation.texts).logits, result.validation_logits, atol=5e-3
    )
    if (result.validation_logits.argmax(1) != truth).any():
        assert best_temperature(result.validation_logits, truth) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("name", [name for name in LEARNERS if name not in ("tfidf", "contrastive")])
def test_half_the_digits_learn_as_well(name: str, split: Split, tmp_path: Path) -> None:
    """Where the processor multiplies bfloat16 it is the default; elsewhere it is slow, and no less right."""
    rates = {"full": (2, 3e-4), "classic": (20, 1e-3)}
    settings = settings_for(Path("minilm"), *rates.get(name, (4, 2e-3)), precision="bfloat16", max_length=32)
    predictor = method_entry(name).load()(settings).fit(split.train, split.validation, LabelMap.of(split.train.labels))
    predictor.predictor.save(tmp_path)
    texts, kind = split.test.texts, method_entry(name).load().predictor
    rough, exact = (
        kind.load(tmp_path, replace(EXACT, precision=p)).score(texts).logits for p in ("bfloat16", "float32")
    )
    assert (exact.argmax(1) == LabelMap.of(split.train.labels).encode(split.test.labels)).mean() >= 0.9
    spread = np.ptp(exact, axis=0).max()
    assert 0 < np.abs(rough - exact).max() < 0.05 * spread


def test_no_text_gives_no_row(fitted: tuple[str, Fitted]) -> None:
    scores = fitted[1].predictor.score([])
    assert scores.logits.shape == (0, 2)
    assert scores.truncated.shape == (0,)


def test_saved_and_loaded_gives_the_same_logits(fitted: tuple[str, Fitted], split: Split, tmp_path: Path) -> None:
    name, result = fitted
    result.predictor.save(tmp_path / "model")
    back = method_entry(name).load().predictor.load(tmp_path / "model", EXACT)
    assert back.labels == result.predictor.labels
    texts = split.test.texts[:20]
    np.testing.assert_allclose(back.score(texts).logits, result.predictor.score(texts).logits, atol=1e-5)


def test_the_words_that_decide_are_named_the_same_each_time(fitted: tuple[str, Fitted]) -> None:
    if fitted[0] not in (*LEARNERS, TOLD):
        pytest.skip("it learns nothing, so a random model may go by any word")
    # The small language model says good of whatever holds no blame, so that no praise decides.
    text, words = (HOPES[1], {"awful", "tedious"}) if fitted[0] == TOLD else (HOPES[0], {"wonderful", "brilliant"})
    once, again = (next(explain_texts(fitted[1].predictor, [text], asks_llm=True)) for _ in range(2))
    assert once == again
    assert {word.text for word in once.deciding} & words
    assert once.probability_without < once.probability_without_random


def test_nothing_saved_is_a_pickle(fitted: tuple[str, Fitted], tmp_path: Path) -> None:
    fitted[1].predictor.save(tmp_path / "model")
    assert {path.suffix for path in (tmp_path / "model").iterdir()} <= {".json", ".safetensors", ".txt"}


def test_an_empty_folder_is_refused(fitted: tuple[str, Fitted], tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is missing"):
        method_entry(fitted[0]).load().predictor.load(tmp_path, EXACT)


def test_it_accounts_for_its_size_and_parameters(fitted: tuple[str, Fitted]) -> None:
    assert (fitted[1].trainable_parameters > 0) == (fitted[0] in LEARNERS)
    assert fitted[1].predictor.size_bytes() > 0


@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_gives_the_same_model(name: str, tiny_model: Path, split: Split) -> None:
    labels = LabelMap.of(split.train.labels)
    first, second = (
        method_entry(name).load()(settings_for(tiny_model, epochs=1)).fit(split.train, split.validation, labels)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.predictor.score(HOPES).logits, second.predictor.score(HOPES).logits)


@pytest.mark.parametrize("name", LEARNERS)
def test_integer_labels_come_back_as_integers(name: str, tiny_model: Path, split: Split, tmp_path: Path) -> None:
    def numbered(part: Examples) -> Examples:
        return Examples(part.rows, part.texts, tuple(7 if label == "good" else -1 for label in part.labels))

    labels = LabelMap.of((7, -1))
    fitted = (
        method_entry(name)
        .load()(settings_for(tiny_model, epochs=1))
        .fit(numbered(split.train), numbered(split.validation), labels)
    )
    fitted.predictor.save(tmp_path)
    assert method_entry(name).load().predictor.load(tmp_path, EXACT).labels.names == (-1, 7)


@pytest.mark.parametrize("name", EVERY)
def test_many_classes_and_one_that_only_validation_holds(name: str, tiny_model: Path, split: Split) -> None:
    words = ("film", "plot", "cast", "score")
    texts = tuple(f"the {word} number {i}" for i in range(12) for word in words)
    train = Examples(tuple(range(48)), texts, tuple(word for _ in range(12) for word in words))
    validation = Examples((100, 101), ("the film number 90", "the story number 91"), ("film", "story"))
    fitted = (
        method_entry(name)
        .load()(settings_for(tiny_model, epochs=1))
        .fit(train, validation, LabelMap.of((*words, "story")))
    )
    assert fitted.predictor.score(["the plot"]).logits.shape == (1, 5)
    assert np.isfinite(fitted.predictor.score(["the plot"]).logits).all()


@pytest.mark.parametrize("name", READERS)
def test_long_texts_are_cut_and_counted(name: str, tiny_model: Path, split: Split) -> None:
    method = method_entry(name).load()(settings_for(tiny_model, epochs=1, max_length=16))
    predictor = method.fit(split.train, split.validation, LabelMap.of(split.train.labels)).predictor
    scores = predictor.score(["the film", "film " * 500, "x" * 1_000_000])
    assert scores.truncated.tolist() == [False, True, True]


@pytest.mark.parametrize("name", READERS)
def test_the_end_of_a_long_text_can_be_read_too(name: str, tiny_model: Path, split: Split, tmp_path: Path) -> None:
    method = method_entry(name).load()(settings_for(tiny_model, epochs=1, max_length=16, long_text="head+tail"))
    predictor = method.fit(split.train, split.validation, LabelMap.of(split.train.labels)).predictor
    texts = ["film " * 500 + "awful", "film " * 500 + "wonderful"]
    scores = predictor.score(texts)
    assert scores.truncated.tolist() == [True, True]
    assert not np.array_equal(scores.logits[0], scores.logits[1])
    predictor.save(tmp_path)
    back = method_entry(name).load().predictor.load(tmp_path, EXACT)
    np.testing.assert_allclose(back.score(texts).logits, scores.logits, atol=1e-5)


@pytest.mark.parametrize("name", READERS)
def test_all_of_a_long_text_can_be_read_in_windows(name: str, tiny_model: Path, split: Split, tmp_path: Path) -> None:
    settings = settings_for(tiny_model, epochs=1, max_length=16, long_text="window", max_windows=4)
    fitted = method_entry(name).load()(settings).fit(split.train, split.validation, LabelMap.of(split.train.labels))
    texts = [f"{'film ' * 10}{word} {'film ' * 20}" for word in ("awful", "wonderful", "film")]
    texts += ["the film", "x" * 1_000_000, split.test.texts[0]]
    scores = fitted.predictor.score(texts)
    assert scores.truncated.tolist() == [False, False, False, False, True, False]
    assert not np.array_equal(scores.logits[0], scores.logits[1]), "words in the middle count"
    alone = np.concatenate([fitted.predictor.score([text]).logits for text in texts])
    np.testing.assert_allclose(alone, scores.logits, rtol=1e-4, atol=1e-4)
    if name != "zero-shot":
        again = fitted.predictor.score(split.validation.texts).logits
        np.testing.assert_allclose(again, fitted.validation_logits, atol=5e-3)
    fitted.predictor.save(tmp_path / "saved")
    back = method_entry(name).load().predictor.load(tmp_path / "saved", EXACT)
    np.testing.assert_allclose(back.score(texts).logits, scores.logits, atol=1e-5)
    ExportedPredictor.write(fitted.predictor, tmp_path / "graph", int8=False)
    graph = ExportedPredictor.load(tmp_path / "graph", BackboneSettings()).score(texts)
    np.testing.assert_allclose(graph.logits, scores.logits, atol=2e-2, rtol=2e-3)
    np.testing.assert_array_equal(graph.truncated, scores.truncated)


@pytest.mark.parametrize("name", READERS)
def test_what_fits_in_a_window_is_learned_and_read_as_without_windows(
    name: str, tiny_model: Path, split: Split
) -> None:
    labels = LabelMap.of(split.train.labels)
    plain, windows = (
        method_entry(name)
        .load()(settings_for(tiny_model, epochs=1, long_text=rule))
        .fit(split.train, split.validation, labels)
        .predictor.score(split.test.texts)
        for rule in ("truncate", "window")
    )
    np.testing.assert_array_equal(windows.logits, plain.logits)


def test_a_prompt_is_not_read_in_windows(split: Split, decoder: Path, tiny_model: Path) -> None:
    settings = replace(settings_for(tiny_model, long_text="window"), llm=LlmSettings(llm=f"hf:{decoder}"))
    with pytest.raises(SettingsError, match="a prompt holds one piece of a text: give --long-text truncate"):
        method_entry(TOLD).load()(settings).fit(split.train, split.validation, LabelMap.of(split.train.labels))


@pytest.mark.parametrize("name", READERS)
def test_a_backbone_that_cannot_read_so_many_tokens_says_so(name: str, tiny_model: Path, split: Split) -> None:
    method = method_entry(name).load()(settings_for(tiny_model, max_length=4_000))
    with pytest.raises(BackboneError, match="reads at most 256 tokens"):
        method.fit(split.train, split.validation, LabelMap.of(split.train.labels))


@pytest.mark.parametrize("name", LEARNERS)
def test_logits_are_divided_and_shifted_by_the_model_itself(name: str, tiny_model: Path, split: Split) -> None:
    method = method_entry(name).load()(settings_for(tiny_model, epochs=1))
    predictor = method.learn(split.train, split.validation, LabelMap.of(split.train.labels)).predictor
    texts = split.test.texts[:20]
    before, shift = predictor.score(texts).logits, np.array([0.5, -1.0], dtype=np.float32)
    predictor.divide_logits(2.0)
    predictor.shift_logits(shift)
    np.testing.assert_allclose(predictor.score(texts).logits, before / 2 + shift, atol=1e-4)


SEVERAL = tuple(name for name in LEARNERS if name != "contrastive")


@pytest.fixture(scope="module")
def several() -> tuple[Examples, Examples, Examples]:
    """Training, validation and test part of a task with several labels a row."""
    everything = Examples(tuple(range(480)), *zip(*several_labels(480), strict=True))
    return tuple(everything.take(range(*ends)) for ends in ((0, 320), (320, 400), (400, 480)))  # type: ignore[return-value]


@pytest.mark.parametrize("name", SEVERAL)
def test_several_labels_a_row(
    name: str, tiny_model: Path, several: tuple[Examples, Examples, Examples], tmp_path: Path
) -> None:
    train, validation, test = several
    labels = LabelMap.of(train.labels)
    settings = {
        "full": settings_for(Path("minilm"), 2, 3e-4),
        "adapter-lora": settings_for(Path("minilm"), 3, 4e-3),
        "adapter-bottleneck": settings_for(Path("minilm"), 3, 4e-3),
        "classic": settings_for(Path("minilm"), 20, 1e-3),
    }.get(name, settings_for(tiny_model))
    predictor = method_entry(name).load()(settings).fit(train, validation, labels).predictor
    assert len(predictor.labels.thresholds) == 3
    predictor.save(tmp_path)
    back = method_entry(name).load().predictor.load(tmp_path, EXACT)
    assert back.labels == predictor.labels
    probabilities = back.labels.probabilities(back.score(test.texts).logits)
    metrics = measure(labels.encode(test.labels), back.labels.decide(probabilities), probabilities)
    assert metrics.macro_f1.value > 0.9
    assert metrics.accuracy.value > 0.75


@pytest.mark.parametrize("name", ["zero-shot", "contrastive"])
def test_what_cannot_work_with_several_labels_says_so(
    name: str, tiny_model: Path, several: tuple[Examples, Examples, Examples]
) -> None:
    train, validation, _ = several
    assert "several labels" in str(method_entry(name).skip_reason(train, settings_for(tiny_model)))
    with pytest.raises(SettingsError, match="cannot work here: rows have several labels"):
        method_entry(name).load()(settings_for(tiny_model)).fit(train, validation, LabelMap.of(train.labels))


def test_as_a_graph_it_gives_the_same(fitted: tuple[str, Fitted], split: Split, tmp_path: Path) -> None:
    predictor = fitted[1].predictor
    if predictor.exportable() is None:
        assert fitted[0] in ("tfidf", "prompt")
        with pytest.raises(SettingsError, match="no neural network to export"):
            ExportedPredictor.write(predictor, tmp_path, int8=False)
        return
    before = predictor.score(split.test.texts)
    ExportedPredictor.write(predictor, tmp_path, int8=False)
    graph = ExportedPredictor.load(tmp_path, BackboneSettings())
    assert graph.labels == predictor.labels
    np.testing.assert_allclose(graph.score(split.test.texts).logits, before.logits, atol=2e-2, rtol=2e-3)
    # And exporting leaves the predictor as it was.
    np.testing.assert_allclose(predictor.score(split.test.texts).logits, before.logits, atol=1e-5)
    graph.labels = replace(graph.labels, names=graph.labels.names[:1])
    with pytest.raises(ArtifactError, match="classes and the run 1 labels: export again"):
        graph.score(split.test.texts[:2])
