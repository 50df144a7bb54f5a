"""Exports in transformers.js: the probabilities of PyTorch, in Node."""

import csv
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from conftest import several_labels
from shown_commands import ROOT
from trifold import TextClassifier
from trifold.data.settings import LabelledSettings
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.models.settings import ComputeSettings
from trifold.pipeline.export import export

TEXTS = 50
SCRIPT = Path(__file__).with_name("transformers_js.mjs")


@pytest.fixture(scope="module")
def node_modules() -> Path:
    """The folder that holds transformers.js; the test is skipped, saying so, where it is not set."""
    folder, node = os.environ.get("TRIFOLD_NODE_MODULES"), shutil.which("node")
    if not node or not folder or not (Path(folder) / "@huggingface" / "transformers").is_dir():
        pytest.skip("TRIFOLD_NODE_MODULES names no folder with @huggingface/transformers, or there is no node")
    return Path(folder).resolve()


@pytest.fixture(scope="module")
def reviews_of_demo() -> list[tuple[str, str]]:
    with (ROOT / "examples" / "reviews.csv").open(newline="", encoding="utf-8") as file:
        rows = [(row["text"], row["label"].strip().lower()) for row in csv.DictReader(file)]
    return [(text, label) for text, label in rows if text and label]


def in_node(node_modules: Path, folder: Path, texts: list[str], place: Path) -> list[dict[str, float]]:
    """Label to probability, of each text, by transformers.js."""
    (place / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    command = ["node", SCRIPT, node_modules, folder, place / "texts.json"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [{one["label"]: one["score"] for one in row} for row in json.loads(done.stdout)]


def exported(made: TextClassifier, rows: list[tuple[str, str]], place: Path) -> tuple[Path, Path]:
    """A run, and its export."""
    made.save(place / "run")
    with (place / "held-out.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("text", "label"), *rows])
    found = export(
        place / "run", place / "small", data=place / "held-out.csv", reading=LabelledSettings(), max_drop=100
    )
    return place / "run", found.folder


def furthest(run: Path, found: list[dict[str, float]], texts: list[str]) -> float:
    """The most that a probability differs from PyTorch's."""
    predictor = load_run(run, ComputeSettings(device="cpu", precision="float32")).predictor
    wanted = [one.probabilities for one in predict_texts(predictor, texts)]
    assert [set(one) for one in found] == [set(map(str, one)) for one in wanted]
    return max(
        abs(one[str(label)] - value) for one, by in zip(found, wanted, strict=True) for label, value in by.items()
    )


@pytest.mark.slow
@pytest.mark.parametrize("method", ["features", "full"])
def test_node_gives_the_probabilities_of_pytorch(
    method: str, node_modules: Path, reviews_of_demo: list[tuple[str, str]], tmp_path: Path
) -> None:
    learned, asked = reviews_of_demo[:64], reviews_of_demo[64:]
    options = {"epochs": 1, "max_length": 64} if method == "full" else {"head": "logistic", "max_length": 64}
    made = TextClassifier(method, "minilm", device="cpu", precision="float32", **options)
    made.fit(*map(list, zip(*learned, strict=True)))
    run, folder = exported(made, asked[:TEXTS], tmp_path)
    texts = [text for text, _ in asked[:TEXTS]]
    # Of all lengths, some of which are cut.
    texts[:3] = ["Good.", " ".join(texts[:4]), "Ça va? Voilà, naïve café — 電影 👍 don't, it's 3.50 $"]
    found = in_node(node_modules, folder, texts, tmp_path)
    whole = [number for number in range(TEXTS) if number != 1]
    assert furthest(run, [found[number] for number in whole], [texts[number] for number in whole]) < 1e-3
    # Of a text that is cut, transformers.js takes the closing token away as well.
    assert furthest(run, found[1:2], texts[1:2]) < 0.05


def test_several_labels_come_with_their_probabilities(node_modules: Path, tiny_model: Path, tmp_path: Path) -> None:
    rows = several_labels(200)
    texts, labels = [text for text, _ in rows], [list(labels) for _, labels in rows]
    made = TextClassifier("features", str(tiny_model), head="logistic", max_length=16).fit(texts, labels)
    run, folder = exported(made, [(text, "|".join(y)) for text, y in zip(texts, labels, strict=True) if y], tmp_path)
    assert furthest(run, in_node(node_modules, folder, texts[:TEXTS], tmp_path), texts[:TEXTS]) < 1e-3


def test_a_graph_that_reads_windows_is_not_found_there(tiny_model: Path, tmp_path: Path) -> None:
    rows = [(text, "praise" if "praise" in labels else "other") for text, labels in several_labels(120)]
    made = TextClassifier("features", str(tiny_model), head="logistic", max_length=16, long_text="window")
    _, folder = exported(made.fit(*map(list, zip(*rows, strict=True))), rows, tmp_path)
    assert [path.name for path in folder.glob("onnx/*")] == ["model_windows.onnx"]
    assert np.isclose(sum(predict_texts(load_run(folder).predictor, ["film"])[0].probabilities.values()), 1)
