"""Do the words that `explain` names decide? And how long does that take?

    python benchmarks/explanations.py                  # trains the runs, then measures; hours beside other work
    python benchmarks/explanations.py tfidf --most 20  # 20 more reviews of one run; what is done already is kept
    python benchmarks/explanations.py keep             # makes the results of what is done; or of the runs named
    python benchmarks/explanations.py speed            # seconds a review, on a quiet machine: 4 minutes

Three runs on reviews of imdb/movie.csv (`tfidf` and `features` on all 4,000 rows, `full` on 1,500) label 200 reviews of
imdb/train.parquet that are not among those. Of each review, words are left out and the run is asked again:

- the five that `explain` names;
- five drawn by chance, the mean of ten draws;
- five found greedily, the upper bound: of all words the one without which the label's probability falls furthest, five
  times over. From the second on, the encoders try the 64 words that did most so far; on every tenth review all
  words are tried, to see what that misses;
- the five with the largest attributions of captum's integrated gradients (LayerIntegratedGradients on the word
  vectors, 50 steps, padding as baseline) on the same model; of `tfidf`, which is linear, they are weight times value.

`again` tells whether another process names the same words. Settings were chosen on other reviews
(log/explanations.md). Work stands in build/explanations/; results/explanations/ keeps the raw rows. Needs TRIFOLD_DATA,
and captum where Python finds it (`pip install --target FOLDER --no-deps captum`, PYTHONPATH=FOLDER).
"""

import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.special import expit

from provenance import provenance
from result_tables import read_rows, write_rows
from trifold.explanations.deciding import chance_words
from trifold.explanations.explain import explain_texts, label_number
from trifold.explanations.explanation import Explanation
from trifold.explanations.variants import Variants
from trifold.explanations.words import Span, find_words, without
from trifold.inference.run import load_run
from trifold.methods.contract import Predictor
from trifold.runtime import prepare_own

ROOT = Path(__file__).parents[1]
WORK, RESULTS = ROOT / "build" / "explanations", ROOT / "benchmarks" / "results" / "explanations"
DATA = Path(os.environ.get("TRIFOLD_DATA", "")) / "imdb"
# Rows of movie.csv that each run is trained on.
RUNS = {"tfidf": 4_000, "features": 4_000, "full": 1_500}
REVIEWS, NAMED, DRAWS, SEED = 200, 5, 10, 38
GREEDY_WORDS, ALL_WORDS_EVERY = 64, 10
CAPTUM_STEPS, CAPTUM_BATCH = 50, 10
TIMED_REVIEWS = 50


def main(arguments: Sequence[str]) -> None:
    """Do what the words ask for."""
    if not DATA.is_dir():
        raise SystemExit(__doc__)
    prepare_own()
    what = arguments[0] if arguments else ""
    if what == "keep":
        keep(arguments[1:] or list(RUNS))
    elif what == "speed":
        measure_speed()
    elif what == "words":
        print(json.dumps(dict(words_again(arguments[1]))))
    else:
        most = int(arguments[1]) if len(arguments) > 1 else REVIEWS
        for run in [what] if what else RUNS:
            measure(run, most)
        if not what:
            keep(list(RUNS))


def reviews() -> list[tuple[int, str]]:
    """Row number and text of the reviews in the order of their drawing; those after `REVIEWS` are for choosing."""
    rows = read_rows(DATA / "train.parquet", ["text"])
    with (DATA / "movie.csv").open(newline="", encoding="utf-8") as file:
        known = {row["text"].strip() for row in csv.DictReader(file)}
    others = [number for number, row in enumerate(rows) if row["text"].strip() not in known]
    return [(number, rows[number]["text"]) for number in np.random.default_rng(SEED).permutation(others).tolist()]


def trained(run: str) -> Path:
    """The folder of a run, which is trained where it is not there."""
    folder = WORK / run
    if not (folder / "run.json").exists():
        data = WORK / f"movie-{RUNS[run]}.csv"
        data.parent.mkdir(parents=True, exist_ok=True)
        with (DATA / "movie.csv").open(newline="", encoding="utf-8") as file:
            rows = [row for number, row in enumerate(csv.reader(file)) if number <= RUNS[run]]
        with data.open("w", newline="", encoding="utf-8") as file:
            csv.writer(file).writerows(rows)
        command = ["finetune", data, "--method", run, "--output-dir", folder]
        subprocess.run([sys.executable, "-m", "trifold", *map(str, command)], check=True)
    return folder


def measure(run: str, most: int) -> None:
    """Measure the next reviews by a run, at most so many."""
    predictor, path, done = load_run(trained(run)).predictor, WORK / f"{run}.jsonl", len(measured(run))
    for place, (number, text) in enumerate(reviews()[:REVIEWS]):
        if not done <= place < done + most:
            continue
        row = measure_review(predictor, number, text, thorough=place % ALL_WORDS_EVERY == 0)
        with path.open("a") as file:
            file.write(json.dumps({"run": run, **row}) + "\n")
        shown = {name: round(value, 3) for name, value in row.items() if isinstance(value, float)}
        print(run, place, shown, flush=True)


def measure_review(predictor: Predictor, number: int, text: str, *, thorough: bool) -> dict[str, Any]:
    """The probability of a review's label without the words that each way names."""
    one = next(explain_texts(predictor, [text]))
    label = label_number(predictor.labels, str(one.label))
    words = find_words(text, predictor.read_spans(text))
    variants = Variants(predictor, text, words, label)

    def left(numbers: Sequence[int]) -> float:
        return float(expit(variants([numbers])[0]))

    places = {word.start: place for place, word in enumerate(words)}
    drawn = chance_words(len(words), NAMED, DRAWS, [SEED, number])
    linear = predictor.contributions("a", np.zeros(len(predictor.labels))) is not None
    attributions = weights_of(one) if linear else captum_weights(predictor, text, words, label)
    bound = greedy(variants, len(words) if linear else GREEDY_WORDS)
    whole = greedy(variants, len(words)) if thorough and not linear else bound
    return {
        "review": number,
        "label": str(one.label),
        "words": len(words),
        "probability": left(()),
        "named": left([places[word.start] for word in one.deciding]),
        "chance": float(np.mean([left(numbers) for numbers in drawn])),
        "greedy": left(bound),
        "greedy_all": left(whole) if thorough else None,
        "captum": left(np.argsort(-attributions, kind="stable")[:NAMED].tolist()),
        "largest_weights": left(np.argsort(-weights_of(one), kind="stable")[:NAMED].tolist()),
        "named_words": named_words(one),
        "evaluations": one.evaluations,
    }


def named_words(one: Explanation) -> str:
    """The words that an explanation names, as one text."""
    return " ".join(word.text[:20] for word in one.deciding)


def weights_of(one: Explanation) -> np.ndarray:
    """The weight of each word."""
    return np.array([word.weight for word in one.words])


def greedy(variants: Variants, most: int) -> list[int]:
    """The best word to leave out, five times over; from the second on, of the `most` that did most the time before."""
    chosen: list[int] = []
    pool = list(range(len(variants.words)))
    while pool and len(chosen) < NAMED:
        odds = variants([[*chosen, word] for word in pool])
        order = np.argsort(odds, kind="stable").tolist()
        chosen.append(pool[order[0]])
        pool = [pool[at] for at in order[1 : most + 1]]
    return chosen


def captum_weights(predictor: Predictor, text: str, words: Sequence[Span], label: int) -> np.ndarray:
    """The attribution of each word by captum: the sum of those of its tokens."""
    import torch
    from captum.attr import LayerIntegratedGradients

    parts = predictor.exportable()
    assert parts is not None
    read = without(text, predictor.read_spans(text), [])
    starts = np.array([word.start for word in find_words(read, [(0, len(read))])])
    encoding = parts.tokenizer._tokenizer.encode(read)
    ids, special = torch.tensor([encoding.ids]), torch.tensor([encoding.special_tokens_mask]).bool()
    baseline = torch.where(special, ids, parts.tokenizer.pad_id)
    table = next(part for part in parts.module.modules() if hasattr(part, "get_input_embeddings"))
    found = LayerIntegratedGradients(parts.module, table.get_input_embeddings()).attribute(
        ids,
        baseline,
        additional_forward_args=(torch.ones_like(ids),),
        target=label,
        n_steps=CAPTUM_STEPS,
        internal_batch_size=CAPTUM_BATCH,
    )
    weights = np.zeros(len(words))
    tokens = found.sum(-1)[0].detach().numpy()
    for (start, _), weight, is_special in zip(encoding.offsets, tokens, encoding.special_tokens_mask, strict=True):
        if not is_special:
            weights[max(0, int(np.searchsorted(starts, start, side="right")) - 1)] += weight
    return weights


def words_again(run: str) -> Iterator[tuple[int, str]]:
    """The words that are named of each review that was measured."""
    predictor = load_run(WORK / run).predictor
    for number, text in reviews()[: len(measured(run))]:
        yield number, named_words(next(explain_texts(predictor, [text])))


def measured(run: str) -> list[dict[str, Any]]:
    """The raw rows of the reviews that were measured so far."""
    path = WORK / f"{run}.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def keep(runs: Sequence[str]) -> None:
    """Write the results of runs as far as they were measured, after another process has named the words again."""
    rows = []
    for run in filter(measured, runs):
        again = subprocess.run([sys.executable, __file__, "words", run], check=True, capture_output=True, text=True)
        named = json.loads(again.stdout)
        rows += [{**row, "again": named[str(row["review"])] == row["named_words"]} for row in measured(run)]
    write_rows(RESULTS / "rows.parquet", rows)
    figures_of = {run: figures([row for row in rows if row["run"] == run]) for run in runs if measured(run)}
    facts = {"figures": figures_of, "backbone": "minilm", **provenance()}
    (RESULTS / "faithfulness.json").write_text(json.dumps(facts, indent=1) + "\n")
    print(json.dumps(facts["figures"], indent=1))


def figures(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """What follows from a run's raw rows.

    Returns:
        Mean drops of the label's probability, `named_over_chance` of them, the mean over reviews of each drop's share
        of the greedy one (reviews whose greedy drop is below a hundredth have none), and the share of reviews with the
        same words.
    """

    def drops(way: str) -> np.ndarray:
        return np.array([row["probability"] - row[way] for row in rows])

    bound = drops("greedy")
    usable = bound > 0.01
    found = {
        f"{way}_drop": float(drops(way).mean()) for way in ("named", "chance", "greedy", "captum", "largest_weights")
    }
    shares = {
        f"{way}_of_greedy": float((drops(way)[usable] / bound[usable]).mean())
        for way in ("named", "captum", "largest_weights")
    }
    thorough = [row["probability"] - row["greedy_all"] for row in rows if row["greedy_all"] is not None]
    beside = [row["probability"] - row["greedy"] for row in rows if row["greedy_all"] is not None]
    return {
        "reviews": len(rows),
        **found,
        "named_over_chance": found["named_drop"] / found["chance_drop"],
        **shares,
        "greedy_of_all_words": float(np.sum(beside) / np.sum(thorough)),
        "same_words": float(np.mean([row["again"] for row in rows])),
    }


def measure_speed() -> None:
    """Seconds of each review, by each run."""
    timed = {}
    for run in RUNS:
        predictor, texts = load_run(trained(run)).predictor, [text for _, text in reviews()[: TIMED_REVIEWS + 1]]
        next(explain_texts(predictor, texts[-1:]))
        seconds = []
        for text in texts[:-1]:
            begun = time.perf_counter()
            next(explain_texts(predictor, [text]))
            seconds.append(round(time.perf_counter() - begun, 3))
        timed[run] = seconds
        print(run, f"median {np.median(seconds):.2f} s, longest {max(seconds):.2f} s", flush=True)
    facts = {"seconds": timed, "backbone": "minilm", **provenance()}
    RESULTS.mkdir(parents=True, exist_ok=True)
    (RESULTS / "speed.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main([one for one in sys.argv[1:] if one != "--most"])
