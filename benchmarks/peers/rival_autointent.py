"""AutoIntent's preset `classic-light`: nearest neighbours, linear and other heads on the backbone's vectors, by Optuna.

    python benchmarks/peers/rival_autointent.py ROWS MODEL ANSWERS.json [PRESET]

`pip install autointent`. The embedder is the folder of the backbone; all else is as the preset has it.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import rival_rows
from autointent import Dataset, Pipeline
from autointent.configs import SentenceTransformerEmbeddingConfig

preset = sys.argv[4] if len(sys.argv) > 4 else "classic-light"
parts = {part: rival_rows.read(sys.argv[1], part) for part in ("train", "validation", "test")}
labels = sorted(set(parts["train"][1]))
number = {label: place for place, label in enumerate(labels)}
dataset = Dataset.from_dict(
    {
        part: [{"utterance": text, "label": number[label]} for text, label in zip(*parts[part], strict=True)]
        for part in ("train", "validation")
    }
)
pipeline = Pipeline.from_preset(preset)
pipeline.set_config(SentenceTransformerEmbeddingConfig(model_name=sys.argv[2], device="cpu"))
pipeline.fit(dataset)
answers = [labels[place] if place is not None else "" for place in pipeline.predict(parts["test"][0])]
Path(sys.argv[3]).write_text(json.dumps({"autointent": answers}))
chosen = {str(kind): type(node.module).__name__ for kind, node in pipeline.nodes.items()}
print(json.dumps({"chose": chosen, "preset": preset, "rival": f"AutoIntent {version('autointent')}"}))
