"""What one writes by hand: FastAPI around a text-classification pipeline of transformers.

    python benchmarks/peers/plain_endpoint.py MODEL_FOLDER PORT

`POST /predict {"inputs": "text" | ["…"]}`. Texts are cut at the run's own length, as Trifold cuts them.
"""

import json
import sys
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from transformers import pipeline

folder, port = Path(sys.argv[1]), int(sys.argv[2])
longest = json.loads((folder / "tokenizer_config.json").read_text()).get("model_max_length", 250)
classify = pipeline("text-classification", model=str(folder), tokenizer=str(folder), device="cpu", top_k=None)
app = FastAPI()


@app.post("/predict")
def predict(body: dict[str, Any]) -> list[list[dict[str, Any]]]:
    """In a thread of FastAPI's pool, as an endpoint that is not `async` is."""
    inputs = body["inputs"]
    texts = [inputs] if isinstance(inputs, str) else inputs
    found: list[list[dict[str, Any]]] = classify(texts, truncation=True, max_length=min(longest, 250))
    return found


@app.get("/health")
def health() -> dict[str, str]:
    """Ready."""
    return {"status": "ok"}


uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")
