"""Similarity by an encoder as it is, nothing trained: Spearman's correlation with people, beside sentence-transformers.

    python benchmarks/similarity_untouched.py

STS-B, development part, 1,500 pairs; one minute. Both libraries compute in float32. Keeps, under
results/similarity_untouched/, the raw rows (row id, what people said, both cosines) and a JSON file with command,
commit, machine and versions. Needs TRIFOLD_DATA.
"""

import json
import os
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from provenance import provenance
from result_tables import read_rows, write_rows
from trifold import TextEmbedder
from trifold.models.locate import MINILM, locate
from trifold.models.settings import EncodingSettings
from trifold.version import package_version

RESULTS = Path(__file__).parent / "results" / "similarity_untouched"
DATA = Path(os.environ.get("TRIFOLD_DATA", "")) / "stsb" / "dev.parquet"


def main() -> None:
    """Encode every pair with both libraries."""
    if not DATA.is_file():
        raise SystemExit(__doc__)
    from sentence_transformers import SentenceTransformer

    rows = read_rows(DATA)
    pairs = [[row[name] for row in rows] for name in ("sentence1", "sentence2")]
    scores = [float(row["score"]) for row in rows]
    embedder = TextEmbedder(settings=EncodingSettings(device="cpu", precision="float32"))
    theirs = SentenceTransformer(str(locate("minilm").folder), device="cpu")
    ours = [embedder.encode(texts) for texts in pairs]
    others = [theirs.encode(texts, show_progress_bar=False) for texts in pairs]
    cosines = {
        name: (both[0] * both[1]).sum(1) for name, both in (("trifold", ours), ("sentence_transformers", others))
    }
    kept = zip(scores, *(found.tolist() for found in cosines.values()), strict=True)
    write_rows(
        RESULTS / "rows.parquet",
        [{"row": number, "score": score, "trifold": a, "sentence_transformers": b}
         for number, (score, a, b) in enumerate(kept, start=1)],
    )  # fmt: skip
    facts = {
        **provenance(),
        "data": "stsb/dev",
        "backbone": MINILM,
        "sentence_transformers": package_version("sentence-transformers"),
        "spearman": {name: float(spearmanr(scores, found).statistic) for name, found in cosines.items()},
        "largest_difference": float(max(np.abs(a - b).max() for a, b in zip(ours, others, strict=True))),
    }
    (RESULTS / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps({name: facts[name] for name in ("spearman", "largest_difference")}, indent=1))


if __name__ == "__main__":
    main()
