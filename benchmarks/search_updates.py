"""A hundred updates of an index, each of 1 % of the documents: what is encoded, and how large the folder gets.

    python benchmarks/search_updates.py [--documents 20000] [--updates 100] [--folder FOLDER]

Needs TRIFOLD_DATA; takes some 20 minutes on two cores. A row an update goes to results/search_updates/updates.parquet,
the facts beside it.
"""

import argparse
import json
import random
import shutil
import time
from pathlib import Path

from provenance import provenance
from result_tables import write_rows
from search_speed import texts_file, texts_of
from trifold.documents.document import given_documents
from trifold.documents.search.build import build_index
from trifold.documents.search.generation import open_generation
from trifold.documents.search.query import SearchIndex
from trifold.documents.search.settings import IndexSettings
from trifold.models.settings import ComputeSettings
from trifold.runtime import prepare

RESULTS = Path(__file__).parent / "results" / "search_updates"


def main() -> None:
    """Build, update, and build afresh at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--documents", type=int, default=20_000)
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--folder", type=Path, default=Path("/tmp/search-updates"))
    asked = parser.parse_args()
    shutil.rmtree(asked.folder, ignore_errors=True)
    asked.folder.mkdir(parents=True)
    changed = asked.documents // 100
    texts_file(asked.folder, asked.documents + asked.updates * changed)
    spare = texts_of(asked.folder)
    texts, spare = spare[: asked.documents], spare[asked.documents :]
    prepare()
    rng, rows = random.Random(0), []

    def build(name: str) -> dict[str, object]:
        begun = time.perf_counter()
        built = build_index(given_documents(texts), asked.folder / name, IndexSettings(), ComputeSettings())
        seconds = time.perf_counter() - begun
        return {
            "seconds": seconds,
            "encoded": built.encoded,
            "encoded_passages": built.encoded_passages,
            "unchanged": built.unchanged,
            "removed": built.removed,
            "size_bytes": size_bytes(asked.folder / name),
        }

    first = build("index")
    for number in range(asked.updates):
        for place in rng.sample(range(len(texts)), changed):
            texts[place] = spare.pop()
        rows.append({"update": number, **build("index")})
    fresh = build("fresh")
    open_generation(asked.folder / "index")  # looks at every file
    same = same_answers(asked.folder, rng.sample(texts, 100))
    write_rows(RESULTS / "updates.parquet", rows)
    facts = {
        **provenance(),
        "backbone": "minilm",
        "documents": asked.documents,
        "changed": changed,
        "updates": asked.updates,
        "first": first,
        "fresh": fresh,
        "size_share": rows[-1]["size_bytes"] / fresh["size_bytes"],
        "largest_size_share": max(row["size_bytes"] for row in rows) / fresh["size_bytes"],
        "encoded": sorted({row["encoded"] for row in rows}),
        "same_answers": same,
    }
    (RESULTS / "updates.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts, indent=1))


def size_bytes(folder: Path) -> int:
    """Of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def same_answers(folder: Path, queries: list[str]) -> float:
    """Share of queries to which the updated index and the fresh one give the same ten passages."""
    both = [SearchIndex(folder / name).search_all(queries, 10) for name in ("index", "fresh")]
    pairs = zip(*([{one.passage for one in answers} for answers in found] for found in both), strict=True)
    return sum(updated == fresh for updated, fresh in pairs) / len(queries)


if __name__ == "__main__":
    main()
