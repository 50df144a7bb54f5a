"""How well documents are found by keywords, by vectors, by both, and reranked: SciFact's claims and abstracts.

    python benchmarks/search_quality.py dev [INDEX]         its 300 dev queries; an index is built unless one is named
    python benchmarks/search_quality.py pairs FOLDER        pairs of its train queries and passages, for a reranker
    python benchmarks/search_quality.py dev INDEX RERANKER  the same, reranked by a run that learned from those
    python benchmarks/search_quality.py speed               keywords and completions of 100,000 short documents

A reranker is trained between the two by

    trifold finetune FOLDER/train.csv --validation-file FOLDER/validation.csv --test-file FOLDER/test.csv --task pairs
        --text-column query,passage --label-column label --method full --epochs 2 --max-length 192 --output-dir RERANKER

Keeps, under results/search/, where the relevant documents of every query stand among the first 100, and JSON files with
the figures, command, commit, machine and versions. Needs TRIFOLD_DATA. Alone on two cores, `dev` takes some six minutes
(one, where an index is named), `speed` one, and the training of a reranker an hour.
"""

import csv
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from provenance import provenance
from result_tables import read_rows, write_rows
from trifold.data.settings import TextSettings
from trifold.documents.language.sentences import split_sentences
from trifold.documents.search.evaluation import SearchEvaluation
from trifold.documents.search.keywords import KeywordIndex, build_keywords
from trifold.documents.search.phrases import Phrases
from trifold.documents.search.ranking import best
from trifold.documents.search.settings import IndexSettings
from trifold.models.settings import ComputeSettings
from trifold.pipeline.search import build_search
from trifold.pipeline.search_eval import evaluate_search

RESULTS = Path(__file__).parent / "results" / "search"
DATA = Path(os.environ.get("TRIFOLD_DATA", ""))
SCIFACT = DATA / "scifact"
OFFLINE = ComputeSettings(offline=True)
# Of a train query's pairs; and queries that are set aside for validation and for a test.
NEGATIVES, SET_ASIDE = 3, 60
SHORT_DOCUMENTS, ASKED = 100_000, 200


def main() -> None:
    """Run what is asked for."""
    what = {"dev": dev, "pairs": pairs, "speed": speed}
    if not DATA.is_dir() or len(sys.argv) < 2 or sys.argv[1] not in what:
        raise SystemExit(__doc__)
    RESULTS.mkdir(parents=True, exist_ok=True)
    what[sys.argv[1]](*map(Path, sys.argv[2:]))


def dev(index: Path | None = None, reranker: Path | None = None) -> None:
    """Measure the dev queries, and keep where their relevant documents stand."""
    with tempfile.TemporaryDirectory() as folder:
        index = index or build(Path(folder) / "index")
        measured = evaluate_search(
            index, SCIFACT / "queries.parquet", SCIFACT / "qrels.parquet", "dev", reranker, OFFLINE
        )
    rows = []
    for name, lists in measured.ranked.items():
        for query, found, relevance in zip(measured.judgements.ids, lists, measured.judgements.relevance, strict=True):
            relevant = {document for document, gain in relevance.items() if gain > 0}
            ranks = [rank for rank, document in enumerate(found, start=1) if document in relevant]
            rows.append({"run": name, "query": int(query), "relevant": len(relevant), "ranks": ranks})
    write_rows(RESULTS / "scifact-dev.parquet", rows)
    keep("scifact-dev", {"backbone": "sentence-transformers/all-MiniLM-L6-v2", "figures": as_dict(measured.found)})


def build(folder: Path) -> Path:
    """An index of SciFact's abstracts under their titles."""
    reading = TextSettings(text_column="title,text")
    build_search(SCIFACT / "corpus.parquet", folder, reading, IndexSettings(id_column="_id"), OFFLINE)
    return folder


def as_dict(found: SearchEvaluation) -> dict[str, object]:
    """Figures and leads with their intervals."""
    return {
        "rankings": {one.name: {name: vars(value) for name, value in one.figures.items()} for one in found.rankings},
        "leads": [{"ahead": one.ahead, "behind": one.behind, **vars(one.by)} for one in found.leads],
    }


def pairs(folder: Path) -> None:
    """Write pairs of train queries: relevant abstracts, and others that keywords rank high."""
    rng = np.random.default_rng(0)
    corpus = read_rows(SCIFACT / "corpus.parquet")
    texts = [f"{row['title']}\n{row['text']}" for row in corpus]
    rows_of = {str(row["_id"]): number for number, row in enumerate(corpus)}
    relevant: dict[str, set[int]] = {}
    for row in read_rows(SCIFACT / "qrels.parquet"):
        if row["split"] == "train" and row["score"] > 0:
            relevant.setdefault(str(row["query_id"]), set()).add(rows_of[str(row["corpus_id"])])
    queries = {str(row["_id"]): row["text"] for row in read_rows(SCIFACT / "queries.parquet")}
    order = rng.permutation(sorted(relevant)).tolist()
    parts = {"test": order[:SET_ASIDE], "validation": order[SET_ASIDE : 2 * SET_ASIDE], "train": order[2 * SET_ASIDE :]}
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as made:
        build_keywords(texts, Path(made))
        keywords = KeywordIndex(Path(made))
        for name, ids in parts.items():
            found = []
            for one in ids:
                ranked = best(keywords.scores(queries[one]), 40).positions
                pool = [number for number in ranked.tolist() if number not in relevant[one]]
                others = [*rng.choice(pool[:10], NEGATIVES - 1, replace=False), rng.choice(pool[10:])]
                found += [(queries[one], texts[number], 1) for number in sorted(relevant[one])]
                found += [(queries[one], texts[number], 0) for number in others]
            with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
                csv.writer(file).writerows([("query", "passage", "label"), *found])


def speed() -> None:
    """Time keywords and completions of short documents: sentences of books."""
    found: list[str] = []
    for row in read_rows(DATA / "gutenberg" / "books.parquet"):
        found += [one.text for one in split_sentences(row["text"]) if 5 <= len(one.text.split()) <= 20]
        if len(found) >= SHORT_DOCUMENTS:
            break
    texts = found[:SHORT_DOCUMENTS]
    rng = np.random.default_rng(0)
    asked = [texts[number].split() for number in rng.integers(len(texts), size=ASKED)]
    with tempfile.TemporaryDirectory() as folder:
        built = seconds(lambda: build_keywords(texts, Path(folder)))
        opened = seconds(lambda: KeywordIndex(Path(folder)))
        keywords, phrases = KeywordIndex(Path(folder)), Phrases(Path(folder))
        queried = [seconds(lambda words=words: best(keywords.scores(" ".join(words[:6])), 10)) for words in asked]
        typed = [" ".join(words[: 1 + number % 3]) + " " * (number % 2) for number, words in enumerate(asked)]
        completed = [seconds(lambda one=one: phrases.complete(one)) for one in typed]
    keep(
        "keywords-speed",
        {
            "documents": len(texts),
            "build_seconds": built,
            "open_seconds": opened,
            "query_seconds": queried,
            "complete_seconds": completed,
        },
    )


def seconds(work: object) -> float:
    """How long a function takes."""
    begun = time.perf_counter()
    work()  # type: ignore[operator]
    return round(time.perf_counter() - begun, 6)


def keep(name: str, facts: dict[str, object]) -> None:
    """Write a result, and print its figures."""
    (RESULTS / f"{name}.json").write_text(json.dumps({**provenance(), **facts}, indent=1) + "\n")
    for key, value in facts.items():
        print(key, np.median(value) if isinstance(value, list) else json.dumps(value, indent=1))


if __name__ == "__main__":
    main()
