"""PocketForge: a majority class, TF-IDF, and the backbone, frozen and fine-tuned; it ships by validation macro-F1.

    python benchmarks/peers/rival_pocketforge.py ROWS MODEL ANSWERS.json

`pip install 'pocketforge[neural]'`. Its backbone is minilm by its name on the hub; here it is the folder.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import pocketforge.neural
import rival_rows
from pocketforge.core import load_model, train

EPOCHS = 3
rows, model, output = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
pocketforge.neural.MODEL, pocketforge.neural.REVISION = model, None
labels = sorted(set(rival_rows.read(str(rows), "train")[1]))
task = output.with_name("task.yaml")
splits = {part: str(rows / f"{part}.csv") for part in ("train", "validation", "test")}
task.write_text(json.dumps({"name": rows.name, "labels": labels, "splits": splits}))
texts, _ = rival_rows.read(str(rows), "test")
answers, chosen = {}, {}
for epochs in (0, EPOCHS):
    folder = output.with_name(f"run-{epochs}")
    manifest = train(task, folder, neural=True, epochs=epochs)
    name = manifest["selected_model"]
    chosen[epochs] = (manifest["validation"][name]["macro_f1"], name, load_model(folder)[0].predict(texts).tolist())
score, name, found = max(chosen.values(), key=lambda one: one[0])
answers["pocketforge"] = list(map(str, found))
output.write_text(json.dumps(answers))
print(json.dumps({"chose": name, "rival": f"PocketForge {version('pocketforge')}"}))
