"""sentence-transformers' vectors and scikit-learn's logistic regression, C chosen on the validation rows.

python benchmarks/peers/rival_embeddings.py ROWS MODEL ANSWERS.json
"""

import json
import sys
from pathlib import Path

import rival_rows
import sentence_transformers
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

parts = {part: rival_rows.read(sys.argv[1], part) for part in ("train", "validation", "test")}
encoder = SentenceTransformer(sys.argv[2], device="cpu")
encoder.max_seq_length = 250
train, validation, test = (
    encoder.encode(parts[part][0], batch_size=32, show_progress_bar=False) for part in ("train", "validation", "test")
)
heads = [LogisticRegression(C=c, max_iter=1000).fit(train, parts["train"][1]) for c in (1, 10, 100)]
best = max(heads, key=lambda head: head.score(validation, parts["validation"][1]))
Path(sys.argv[3]).write_text(json.dumps({"embeddings": best.predict(test).tolist()}))
print(json.dumps({"chose": f"C={best.C}", "rival": f"sentence-transformers {sentence_transformers.__version__}"}))
