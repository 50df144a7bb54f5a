"""The forecast: from a measurement and arithmetic, before PyTorch is imported."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from trifold.data.examples import load_examples
from trifold.data.settings import DataSettings
from trifold.data.split import split_examples
from trifold.evaluate.forecast import flops_per_token, forecast
from trifold.methods.settings import MethodSettings, TuningSettings
from trifold.models.locate import locate
from trifold.models.settings import BackboneSettings
from trifold.train.settings import TrainSettings


def test_the_operations_of_minilm_are_counted() -> None:
    # Six layers of four 384 x 384 and two 384 x 1536 products, and attention over 205 tokens.
    by_hand = 6 * (2 * (4 * 384 * 384 + 2 * 384 * 1536) + 4 * 205 * 384)
    assert flops_per_token(locate("minilm"), 205) == pytest.approx(by_hand)


def test_the_quickest_comes_first_and_more_epochs_take_longer(reviews: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The rate of a busy machine differs between two forecasts.
    monkeypatch.setattr("trifold.evaluate.forecast.matrix_rate", lambda _settings: 1e11)
    split = split_examples(load_examples(reviews, DataSettings()).examples)
    few, many = (
        forecast(split, ["full", "tfidf", "features"], MethodSettings(train=TrainSettings(epochs=epochs))).seconds
        for epochs in (1, 50)
    )
    assert next(iter(few)) == "tfidf"
    assert many["full"] > 5 * few["full"] - 50
    assert many["features"] == pytest.approx(few["features"], rel=0.5)


def test_what_is_computed_once_is_not_forecast_for_every_epoch(reviews: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Beside what a fast machine takes for so few texts, what every method takes to start would count for much.
    monkeypatch.setattr("trifold.evaluate.forecast.matrix_rate", lambda _settings: 1e11)
    split = split_examples(load_examples(reviews, DataSettings()).examples)
    train, methods = TrainSettings(epochs=50), ["adapter-bottleneck", "full"]
    whole = forecast(split, methods, MethodSettings(train=train)).seconds
    top = forecast(split, methods, MethodSettings(train=train, tuning=TuningSettings(adapter_layers=3, train_layers=3)))
    for method in methods:
        assert 0.4 * whole[method] < top.seconds[method] < 0.75 * whole[method]


def test_no_backbone_is_looked_for_where_no_method_needs_one(reviews: Path) -> None:
    split = split_examples(load_examples(reviews, DataSettings()).examples)
    settings = MethodSettings(backbone=BackboneSettings(model="./nowhere", offline=True))
    assert list(forecast(split, ["tfidf"], settings).seconds) == ["tfidf"]


def test_pytorch_is_not_imported_for_it(reviews: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from trifold.pipeline.request import Request, open_task;"
        "from trifold.evaluate.forecast import forecast; from trifold.models.settings import BackboneSettings;"
        "r = Request(Path(sys.argv[1]), backbone=BackboneSettings(device='cpu'));"
        "forecast(open_task(r).split, ['tfidf', 'features', 'full'], r.method_settings); sys.exit('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(reviews)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr or "PyTorch was imported"


def test_a_file_sorted_by_length_does_not_skew_it(reviews: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[float] = []
    monkeypatch.setattr("trifold.evaluate.forecast.Workload", lambda **facts: seen.append(facts["characters_per_text"]))
    monkeypatch.setattr("trifold.evaluate.forecast.SAMPLE_TEXTS", 50)
    split = split_examples(load_examples(reviews, DataSettings()).examples)
    texts = tuple("x" * length for length in range(1, len(split.train) + 1))
    train = replace(split.train, texts=texts)
    forecast(replace(split, train=train), [], MethodSettings())
    assert seen[0] == pytest.approx(len(texts) / 2, rel=0.25)
