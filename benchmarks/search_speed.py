"""How fast an index of documents is built and asked: Trifold beside sentence-transformers with faiss, and LanceDB.

    python benchmarks/search_speed.py [--lance PYTHON] [--folder FOLDER] [--documents 100000] [--million 1000000]
        [--turns 3] [build | queries | million]...

Nothing else may run meanwhile; it takes some 25 minutes on two cores. Needs TRIFOLD_DATA. PYTHON is an interpreter that
has lancedb (0.40) and numpy. Documents are the sentences of reviews and news, each a row; queries are other sentences
of the same. Every part runs in a process of its own, in turns. Raw rows and facts go to results/search_speed/.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results" / "search_speed"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
QUERIES, TOP, WARM_UP = 200, 10, 20


def main() -> None:
    """Run the parts that are asked for, each turn of each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--lance")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/search-speed"))
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--million", type=int, default=1_000_000)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", help="a measurement of its own process, for this script itself")
    asked = parser.parse_args()
    if asked.only:
        print(json.dumps(MEASUREMENTS[asked.only](asked.folder)))
        return
    from provenance import provenance
    from result_tables import write_rows

    asked.folder.mkdir(parents=True, exist_ok=True)
    RESULTS.mkdir(parents=True, exist_ok=True)
    texts_file(asked.folder, asked.documents)
    for part in asked.parts or ("build", "queries", "million"):
        rows, facts = PARTS[part](asked)
        write_rows(RESULTS / f"{part}.parquet", rows)
        kept = {**provenance(), "backbone": "minilm", "documents": asked.documents, **facts}
        (RESULTS / f"{part}.json").write_text(json.dumps(kept, indent=1) + "\n")
        print(json.dumps(facts, indent=1), flush=True)


def texts_file(folder: Path, count: int) -> Path:
    """A Parquet file of distinct sentences, each a row, and one of others as queries."""
    path = folder / f"texts-{count}.parquet"
    if not path.exists():
        import pyarrow as pa
        import pyarrow.parquet as pq

        from trifold.documents.language.sentences import split_sentences

        found: dict[str, None] = {}
        for name in ("ag_news/train", "imdb/unlabelled"):
            for text in pq.read_table(DATA / f"{name}.parquet", columns=["text"])["text"].to_pylist():
                found |= dict.fromkeys(one.text for one in split_sentences(text) if 20 <= len(one.text) <= 250)
                if len(found) >= count + QUERIES + 1_000:
                    break
        texts = list(found)
        # The queries stand between the documents, so that they are of the same kind.
        step = count // QUERIES
        queries = [texts.pop(number * step) for number in range(QUERIES)]
        pq.write_table(pa.table({"text": texts[:count]}), path)
        (folder / "queries.json").write_text(json.dumps(queries))
    (folder / "texts.txt").write_text(str(path))
    return path


def apart(name: str, folder: Path, python: str = sys.executable) -> dict[str, Any]:
    """A measurement in a process of its own: its figures, seconds and peak memory."""
    begun = time.perf_counter()
    done = subprocess.run(
        [python, __file__, "--only", name, "--folder", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{name} failed:\n{done.stderr[-2000:]}")
    return {"process_seconds": time.perf_counter() - begun, **json.loads(done.stdout.splitlines()[-1])}


def peak_bytes() -> int:
    """The largest resident set of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return 1024 * int(line.split()[1])
    return 0


def resident_bytes() -> int:
    """The resident set of this process."""
    return 4096 * int(Path("/proc/self/statm").read_text().split()[1])


def texts_of(folder: Path) -> list[str]:
    import pyarrow.parquet as pq

    texts: list[str] = pq.read_table((folder / "texts.txt").read_text())["text"].to_pylist()
    return texts


def build_trifold(folder: Path) -> dict[str, Any]:
    """`search build` as Python has it: what a user waits for, once the process has started."""
    import shutil

    from trifold.data.settings import TextSettings
    from trifold.documents.search.settings import IndexSettings
    from trifold.models.settings import ComputeSettings
    from trifold.pipeline.search import build_search
    from trifold.runtime import prepare

    shutil.rmtree(folder / "index", ignore_errors=True)
    prepare()
    begun = time.perf_counter()
    source = Path((folder / "texts.txt").read_text())
    built = build_search(source, folder / "index", TextSettings(), IndexSettings(approximate=True), ComputeSettings())
    seconds = time.perf_counter() - begun
    recall = built.approximate.recall if built.approximate else 0
    return {"seconds": seconds, "peak_bytes": peak_bytes(), "encoded": built.encoded, "recall": recall}


def build_peer(folder: Path) -> dict[str, Any]:
    """`encode` of sentence-transformers with its defaults, and a flat index of faiss, written."""
    import faiss
    from sentence_transformers import SentenceTransformer

    from trifold.models.locate import locate

    begun = time.perf_counter()
    model = SentenceTransformer(str(locate("minilm").folder), device="cpu")
    vectors = model.encode(texts_of(folder), convert_to_numpy=True, normalize_embeddings=True, show_progress_bar=False)
    index = faiss.IndexFlatIP(vectors.shape[1])
    index.add(vectors)
    faiss.write_index(index, str(folder / "peer.faiss"))
    seconds = time.perf_counter() - begun
    return {"seconds": seconds, "peak_bytes": peak_bytes(), "encoded": len(vectors)}


def part_build(asked: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Builds in turns."""
    rows = []
    for turn in range(asked.turns):
        for name in ("build_trifold", "build_peer"):
            found = apart(name, asked.folder)
            rows.append({"run": name.removeprefix("build_"), "turn": turn, **found})
            print(rows[-1], flush=True)
    return [{key: row.get(key) for key in ("run", "turn", "seconds", "peak_bytes", "encoded")} for row in rows], {
        "seconds": _medians(rows, "seconds"),
        "peak_bytes": _medians(rows, "peak_bytes"),
    }


def timed(ask: Callable[[np.ndarray], object], queries: np.ndarray) -> list[float]:
    """Milliseconds of each query, asked one by one after some that warm everything up."""
    for query in queries[:WARM_UP]:
        ask(query)
    found = []
    for query in queries:
        begun = time.perf_counter()
        ask(query)
        found.append(1000 * (time.perf_counter() - begun))
    return found


def recall(found: list[list[int]], exact: list[list[int]]) -> float:
    """Share of the true ten that were found."""
    return float(np.mean([len(set(one) & set(true)) / len(true) for one, true in zip(found, exact, strict=True)]))


def _queries(folder: Path) -> np.ndarray:
    vectors: np.ndarray = np.load(folder / "queries.npy")
    return vectors


def query_exact(folder: Path) -> dict[str, Any]:
    """The exact scan of an index on disk, in a process that has no model."""
    return _ask_trifold(folder, approximate=False)


def query_approximate(folder: Path) -> dict[str, Any]:
    """Its approximate search."""
    return _ask_trifold(folder, approximate=True)


def _ask_trifold(folder: Path, *, approximate: bool) -> dict[str, Any]:
    from trifold.documents.search.query import SearchIndex

    queries = _queries(folder)
    index = SearchIndex(folder / "index")
    found: list[list[int]] = []

    def ask(query: np.ndarray) -> None:
        hits = index.hits(query[None], TOP, index.allowed(None), approximate=approximate)[0]
        found.append([hit.position for hit in hits])

    milliseconds = timed(ask, queries)
    answers = timed(
        lambda query: index.answers("a film", index.hits(query[None], TOP, approximate=approximate)[0]), queries
    )
    return {
        "milliseconds": milliseconds,
        "answer_milliseconds": answers,
        "found": found[-len(queries) :],
        "resident_bytes": resident_bytes(),
        "peak_bytes": peak_bytes(),
    }


def query_vectors(folder: Path) -> dict[str, Any]:
    """Queries as vectors, and all vectors of the index as an array, for the others."""
    from trifold.documents.search.query import SearchIndex

    index = SearchIndex(folder / "index")
    queries = json.loads((folder / "queries.json").read_text())
    np.save(folder / "queries.npy", index.embedder.encode_query(queries))
    np.save(folder / "vectors.npy", np.concatenate(index._generation.segments.vectors).astype(np.float32))
    return {"queries": len(queries)}


def query_lance(folder: Path) -> dict[str, Any]:
    """LanceDB on the same vectors: flat, and its index with its defaults and with more partitions searched."""
    import shutil

    import lancedb

    place = folder / "lance"
    shutil.rmtree(place, ignore_errors=True)
    vectors, queries = np.load(folder / "vectors.npy"), _queries(folder)
    database = lancedb.connect(place)
    begun = time.perf_counter()
    rows = [{"id": number, "vector": vector} for number, vector in enumerate(vectors)]
    table = database.create_table("documents", rows)
    del rows, vectors
    results: dict[str, Any] = {"write_seconds": time.perf_counter() - begun}
    found: list[list[int]] = []

    def ask(change: Callable[[Any], Any]) -> Callable[[np.ndarray], None]:
        def one(query: np.ndarray) -> None:
            search = change(table.search(query).metric("dot").limit(TOP).select(["id"]))
            found.append([row["id"] for row in search.to_list()])

        return one

    results["flat"] = {"milliseconds": timed(ask(lambda search: search), queries), "found": found[-len(queries) :]}
    results["flat"] |= {"resident_bytes": resident_bytes(), "peak_bytes": peak_bytes()}
    begun = time.perf_counter()
    table.create_index(metric="dot", index_type="IVF_HNSW_SQ", vector_column_name="vector")
    results["index_seconds"] = time.perf_counter() - begun
    settings = {
        "index": lambda search: search,
        "index, nprobes 16, ef 64": lambda search: search.nprobes(16).ef(64),
        "index, nprobes 64, ef 256": lambda search: search.nprobes(64).ef(256),
    }
    for name, change in settings.items():
        results[name] = {"milliseconds": timed(ask(change), queries), "found": found[-len(queries) :]}
        results[name] |= {"resident_bytes": resident_bytes(), "peak_bytes": peak_bytes()}
    return results


def part_queries(asked: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Queries of an index of so many documents, in turns; LanceDB once a turn where an interpreter has it."""
    if not (asked.folder / "index").exists():
        apart("build_trifold", asked.folder)
    apart("query_vectors", asked.folder)
    runs: dict[str, list[dict[str, Any]]] = {}
    for _ in range(asked.turns):
        for name in ("query_exact", "query_approximate"):
            runs.setdefault(name.removeprefix("query_"), []).append(apart(name, asked.folder))
        if asked.lance:
            for name, found in apart("query_lance", asked.folder, asked.lance).items():
                if isinstance(found, dict):
                    runs.setdefault(f"LanceDB, {name}", []).append(found)
    exact = runs["exact"][0]["found"]
    rows = [
        {"run": name, "turn": turn, "query": number, "milliseconds": value, "answer_milliseconds": told}
        for name, turns in runs.items()
        for turn, found in enumerate(turns)
        for number, (value, told) in enumerate(_pairs(found))
    ]
    memory = {name: float(np.median([one["resident_bytes"] for one in turns])) for name, turns in runs.items()}
    peaks = {name: float(np.median([one["peak_bytes"] for one in turns])) for name, turns in runs.items()}
    return rows, {
        "p50_milliseconds": _p50(rows),
        "recall": {name: recall(turns[0]["found"], exact) for name, turns in runs.items()},
        "resident_bytes": memory,
        "peak_bytes": peaks,
    }


def _pairs(found: dict[str, Any]) -> Iterator[tuple[float, float | None]]:
    told = found.get("answer_milliseconds") or [None] * len(found["milliseconds"])
    return zip(found["milliseconds"], told, strict=True)


def query_million(folder: Path) -> dict[str, Any]:
    """Copies of the vectors with noise, as many as asked for, in an index of their own: for timing alone."""
    import shutil

    from trifold.documents.nearest import nearest
    from trifold.documents.search.approximate import ApproximateIndex
    from trifold.documents.search.passages import Passage
    from trifold.documents.search.segments import Segments, SegmentWriter

    count = int((folder / "million.txt").read_text())
    place = folder / "million"
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    vectors, rng = np.load(folder / "vectors.npy", mmap_mode="r"), np.random.default_rng(0)

    def noisy() -> Iterator[np.ndarray]:
        for start in range(0, count, 20_000):
            block = vectors[np.arange(start, min(start + 20_000, count)) % len(vectors)]
            block = block + rng.normal(scale=0.5 / vectors.shape[1] ** 0.5, size=block.shape).astype(np.float32)
            yield (block / np.linalg.norm(block, axis=1, keepdims=True)).astype(np.float16)

    with SegmentWriter(place, "one", vectors.shape[1]) as writer:
        writer.add([Passage(0, 0, "")] * count)
        segments = Segments(place, [writer.end(noisy())], vectors.shape[1])
    alive = np.ones(count, dtype=bool)
    begun = time.perf_counter()
    index = ApproximateIndex.train(segments, alive)
    record = index.tune(alive)
    seconds = time.perf_counter() - begun
    queries, found = _queries(folder), []
    milliseconds = timed(lambda query: found.append(index.search(query[None], TOP).positions[0].tolist()), queries)
    exact = timed(lambda query: nearest(query[None], segments.vectors, TOP), queries[:40])
    true = nearest(queries, segments.vectors, TOP).positions.tolist()
    return {
        "milliseconds": milliseconds, "exact_milliseconds": exact, "build_seconds": seconds, "probes": record.probes,
        "measured_recall": record.recall, "recall": recall(found[-len(queries) :], true),
        "resident_bytes": resident_bytes(),
    }  # fmt: skip


def part_million(asked: argparse.Namespace) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Queries of very many vectors."""
    (asked.folder / "million.txt").write_text(str(asked.million))
    if not (asked.folder / "vectors.npy").exists():
        apart("build_trifold", asked.folder)
        apart("query_vectors", asked.folder)
    found = apart("query_million", asked.folder)
    rows = [
        {"run": run, "turn": 0, "query": number, "milliseconds": value}
        for run, name in (("approximate", "milliseconds"), ("exact", "exact_milliseconds"))
        for number, value in enumerate(found[name])
    ]
    kept = ("build_seconds", "probes", "measured_recall", "recall", "resident_bytes")
    return rows, {"vectors": asked.million, "p50_milliseconds": _p50(rows), **{name: found[name] for name in kept}}


def _p50(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The median of the turns' medians, of each run."""
    runs: dict[str, dict[int, list[float]]] = {}
    for row in rows:
        runs.setdefault(row["run"], {}).setdefault(row["turn"], []).append(row["milliseconds"])
    return {name: float(np.median([np.median(one) for one in turns.values()])) for name, turns in runs.items()}


def _medians(rows: list[dict[str, Any]], figure: str) -> dict[str, float]:
    return {
        name: float(np.median([row[figure] for row in rows if row["run"] == name]))
        for name in {row["run"] for row in rows}
    }


MEASUREMENTS = {
    name: function
    for name, function in globals().items()
    if name.startswith(("build_", "query_")) and callable(function)
}
PARTS = {"build": part_build, "queries": part_queries, "million": part_million}

if __name__ == "__main__":
    main()
