"""Thousands of classes: how long until the first step of `contrastive`, and how memory grows with the rows.

    python benchmarks/many_classes.py

Made-up intents, ten rows a class, 1,125 to 4,500 classes, each size in a process of its own. Preparation is everything
between the file and the first optimiser step: reading, checking, splitting, tokenising, setting up the pairs and
drawing the first. Keeps results/many_classes.json.
"""

import csv
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from provenance import provenance

RESULT = Path(__file__).parent / "results" / "many_classes.json"
SIZES, ROWS_A_CLASS, REPEATS = (1_125, 2_250, 4_500), 10, 3


def write(path: Path, classes: int) -> None:
    """Ten short questions a class, of the class's own three words and five of everyone's."""
    rng = random.Random(0)
    words = ["".join(rng.choice("bcdfghklmnprst") + rng.choice("aeiou") for _ in range(3)) for _ in range(3 * classes)]
    common = [f"word{i}" for i in range(400)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "label"))
        for number in range(classes):
            for _ in range(ROWS_A_CLASS):
                said = [*words[3 * number : 3 * number + 3], *rng.sample(common, 5)]
                writer.writerow((" ".join(rng.sample(said, len(said))), f"intent {number}"))


def prepare(path: Path) -> dict[str, float]:
    """Time and memory of the preparation in this process; the libraries are imported before the clock starts."""
    import numpy as np
    import torch

    from trifold.methods.contrastive import TextPairs
    from trifold.models.locate import locate
    from trifold.models.tokenizer import Tokenizer
    from trifold.pipeline.request import Request, open_task
    from trifold.tasks.labels import LabelMap

    files = locate("minilm")
    Tokenizer(files, 250).encode(["warm"])
    before, begun = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    task = open_task(Request(path))
    labels = LabelMap.of(task.data.examples.labels)
    tokenizer = Tokenizer(files, 250)
    tokens = tokenizer.encode(task.split.train.texts)
    pairs = TextPairs(tokens, labels.encode(task.split.train.labels), tokenizer.pad_id, "cpu", 150 * 16, 0)
    rows = pairs.draw(16, np.random.default_rng(0))
    tokens.batch(rows, tokenizer.pad_id)
    seconds = time.perf_counter() - begun
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    return {"rows": len(task.data.examples), "seconds": seconds, "bytes": grown, "threads": torch.get_num_threads()}


def main() -> None:
    """Each size in a process of its own, three times."""
    if len(sys.argv) > 1:
        print(json.dumps(prepare(Path(sys.argv[1]))))
        return
    measured: dict[int, list[dict[str, float]]] = {size: [] for size in SIZES}
    with tempfile.TemporaryDirectory() as name:
        for size in SIZES:
            write(Path(name) / f"{size}.csv", size)
        for _ in range(REPEATS):
            for size in SIZES:
                command = [sys.executable, __file__, str(Path(name) / f"{size}.csv")]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                measured[size].append(json.loads(done.stdout))
                print(size, measured[size][-1], flush=True)
    facts = {
        **provenance(),
        "measured": measured,
    }
    RESULT.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
