"""Texts to vectors by transformers' pipeline, by sentence-transformers with and without ONNX, and by Trifold.

    python benchmarks/peers/encode.py TEXTS.json MODEL WAY VECTORS.npy

Ways: pipeline, pipeline32, sentence, sentence-int8, trifold-torch, trifold-onnx, trifold-int8.

The clock starts once the model is loaded and warm. Prints one JSON line; vectors are mean-pooled, of length 1.
"""

import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import torch

device = "cuda" if torch.cuda.is_available() else "cpu"
texts = json.loads(Path(sys.argv[1]).read_text())
folder, way, output = sys.argv[2:5]


def pooled(states: list) -> np.ndarray:
    means = np.stack([np.asarray(one[0]).mean(0) for one in states])
    return means / np.linalg.norm(means, axis=1, keepdims=True)


if way.startswith("pipeline"):
    from transformers import pipeline

    model = pipeline("feature-extraction", model=folder, tokenizer=folder, device=device)
    options = {"truncation": True, "max_length": 250}
    batch = 32 if way == "pipeline32" else 1
    run = lambda some: model(some, batch_size=batch, tokenize_kwargs=options)  # noqa: E731
elif way.startswith("trifold"):
    from trifold import TextEmbedder
    from trifold.models.settings import EncodingSettings
    from trifold.runtime import prepare

    prepare()
    embedder = TextEmbedder(folder, settings=EncodingSettings(engine=way.removeprefix("trifold-")))
    run = embedder.encode
else:
    from sentence_transformers import SentenceTransformer

    if way == "sentence":
        model = SentenceTransformer(folder, device=device)
    else:
        from sentence_transformers import export_dynamic_quantized_onnx_model

        model = SentenceTransformer(folder, backend="onnx", device="cpu", model_kwargs={"export": True})
        place = str(Path(output).with_suffix(""))
        instructions = "avx512_vnni" if "avx512_vnni" in Path("/proc/cpuinfo").read_text() else "avx2"
        shutil.copytree(folder, place, dirs_exist_ok=True)
        export_dynamic_quantized_onnx_model(model, instructions, place)
        (quantised,) = Path(place).glob("onnx/*.onnx")
        model = SentenceTransformer(
            place, backend="onnx", device="cpu", model_kwargs={"file_name": f"onnx/{quantised.name}"}
        )
    model.max_seq_length = 250
    run = lambda some: model.encode(some, batch_size=32, normalize_embeddings=True)  # noqa: E731
run(texts[:8])
started = time.perf_counter()
found = run(texts)
seconds = time.perf_counter() - started
np.save(output, pooled(found) if way.startswith("pipeline") else found)
print(json.dumps({"seconds": seconds}))
