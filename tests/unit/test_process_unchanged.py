"""What fitting, predicting and opening a run leave behind in the process: nothing, seen in a fresh interpreter."""

import subprocess
import sys
from pathlib import Path

# The libraries that Trifold stands on are imported first: what their own import changes is theirs.
STATE = """
import logging, os, random, sys, warnings
import numpy as np, torch, transformers, peft, sklearn.linear_model, sklearn.feature_extraction.text, sklearn.model_selection

def state():
    loggers = [logging.getLogger(name) for name in ("", "transformers", "torch", "peft", "trifold", "sklearn")]
    return {
        "environment": dict(os.environ),
        "threads": torch.get_num_threads(),
        "denormal": (torch.tensor(1e-310, dtype=torch.float64) * 1.0).item() > 0,
        "attention": torch.backends.cuda.cudnn_sdp_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "default type": torch.get_default_dtype(),
        "gradients": torch.is_grad_enabled(),
        "matmul": torch.get_float32_matmul_precision(),
        "random numbers": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "warnings": list(warnings.filters),
        "levels": [logger.level for logger in loggers],
        "handlers": [list(logger.handlers) for logger in loggers],
        "verbosity": transformers.logging.get_verbosity(),
        "progress": transformers.utils.logging.is_progress_bar_enabled(),
    }

torch.set_num_threads(3)
random.random(), np.random.random(), torch.rand(1)
before = state()
"""
WORK = """
from trifold import TextClassifier
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run

def compare(what):
    after = state()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, (what, changed)

compare("importing")
texts = [f"the {word} film number {i}" for i, word in enumerate(["superb", "dull"] * 20)]
labels = ["good", "bad"] * 20

def work(method, model, folder):
    own = {} if method == "tfidf" else {"model": model, "max_length": 16, "device": "cpu", "epochs": 1}
    made = TextClassifier(method, **own).fit(texts, labels)
    compare(f"fitting {method}")
    expected = made.predict_proba(texts)
    compare(f"predicting with {method}")
    made.save(folder)
    run = load_run(folder)
    compare(f"opening a run of {method}")
    found = predict_texts(run.predictor, texts)
    compare(f"predicting with a run of {method}")
    np.testing.assert_allclose([one.probabilities["bad"] for one in found], expected[:, 0], atol=1e-6)
    TextClassifier.load(folder, offline=True).predict(texts)
    compare(f"loading {method}")

for method in ("tfidf", "features", "full", "adapter-lora"):
    work(method, sys.argv[1], os.path.join(sys.argv[2], method))
"""
EXPORT = """
import csv
from pathlib import Path
from trifold.data.settings import LabelledSettings
from trifold.errors import DataError
from trifold.inference.predict import predict_texts
from trifold.inference.run import load_run
from trifold.models.settings import ComputeSettings
from trifold.pipeline.evaluate import evaluate
from trifold.pipeline.export import export

def compare(what):
    after = state()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, (what, changed)

folder = Path(sys.argv[2])
with (folder / "held-out.csv").open("w", newline="") as file:
    csv.writer(file).writerows([("text", "label"), ("the superb film", "good"), ("the dull film", "bad")])
export(folder / "features", folder / "onnx", data=folder / "held-out.csv")
compare("exporting")
predict_texts(load_run(folder / "onnx").predictor, ["the superb film"])
compare("opening an export")
offline = ComputeSettings(offline=True)
evaluate(folder / "features", folder / "held-out.csv", LabelledSettings(), offline)
compare("evaluating offline")
import datasets
libraries = (datasets.config.HF_HUB_OFFLINE, datasets.are_progress_bars_disabled())
try:
    evaluate(folder / "features", Path("hf:no/where"), LabelledSettings(), offline)
except DataError:
    compare("asking for a data set offline")
assert (datasets.config.HF_HUB_OFFLINE, datasets.are_progress_bars_disabled()) == libraries
"""

DOCUMENTS = """
import csv
from pathlib import Path
from trifold import TextEmbedder
from trifold.documents.duplicates.settings import DuplicateSettings
from trifold.models.settings import EncodingSettings
from trifold.pipeline.duplicates import DuplicatesRequest, duplicates
from trifold.pipeline.summarize import Summarizer
from trifold.pipeline.topics import TopicsRequest, topics

def compare(what):
    after = state()
    changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
    assert not changed, (what, changed)

model, data = sys.argv[1], Path(sys.argv[2]) / "texts.csv"
texts = [f"the {word} film number {i}" for i, word in enumerate(["superb", "dull"] * 20)]
with data.open("w", newline="") as file:
    csv.writer(file).writerows([("text",), *((text,) for text in texts)])
cpu = EncodingSettings(device="cpu")
TextEmbedder(model, settings=cpu).encode(texts)
compare("embedding")
Summarizer(model, cpu).summarize([". ".join(texts)])
compare("summarizing")
topics(TopicsRequest(data=data, model=model, encoding=cpu))
compare("sorting into topics")
duplicates(DuplicatesRequest(data=data, model=model, encoding=cpu, duplicates=DuplicateSettings(semantic=True)))
compare("looking for duplicates")
"""


def test_a_process_is_afterwards_as_it_was(tiny_model: Path, tmp_path: Path) -> None:
    for script in (WORK, EXPORT, DOCUMENTS):
        command = [sys.executable, "-c", STATE + script, str(tiny_model), str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]


def test_importing_sets_no_environment_variable_and_does_not_import_pytorch() -> None:
    script = (
        "import os, sys; before = dict(os.environ)\n"
        "import trifold, trifold.runtime, trifold.inference.stream, trifold.cli.main\n"
        "assert dict(os.environ) == before\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
