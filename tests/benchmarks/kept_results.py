"""Figures of the kept results, each as it was kept and as its raw rows give it."""

import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

import performance_page
import prompting
import summaries
from result_tables import Row, read_rows, rows_by_run
from trifold.statistics.calibration import calibration_error

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results"
# As it was kept, as it is recomputed, and by how much they may differ.
Figure = tuple[object, object, float]
# The raw rows keep six digits of a probability, and one that stands at the edge of a bin may change a calibration error.
_CALIBRATION = 1e-4


@cache
def facts(name: str) -> dict[str, Any]:
    """What `results/NAME.json` holds."""
    found: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text())
    return found


@cache
def runs(name: str) -> dict[str, list[Row]]:
    """The rows of `results/NAME.parquet` by run."""
    return rows_by_run(RESULTS / f"{name}.parquet")


def accuracy(rows: list[Row]) -> float:
    """Share of rows whose prediction is their label."""
    return float(np.mean([row["label"] == row["prediction"] for row in rows]))


def several_label_scores(rows: list[Row]) -> dict[str, float]:
    """Macro-F1 and micro-F1 of rows with several labels, and the share of rows whose labels are all right."""
    from sklearn.metrics import f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    truth, predicted = ([set(filter(None, row[name].split("|"))) for row in rows] for name in ("label", "prediction"))
    binarizer = MultiLabelBinarizer().fit(truth + predicted)
    both = [binarizer.transform(part) for part in (truth, predicted)]
    found = {f"{name}_f1": float(f1_score(*both, average=name, zero_division=0)) for name in ("macro", "micro")}
    return {**found, "exact_match": float((both[0] == both[1]).all(axis=1).mean())}


def makings(about: dict[str, Any]) -> list[dict[str, Any]]:
    """Every record of a command, commit, machine and versions that a result holds."""
    if "hardware" in about:
        return [about]
    return [one for part in about.values() if isinstance(part, dict) for one in makings(part)]


def figures(name: str) -> Iterator[Figure]:
    """Every figure of a result that follows from its raw rows."""
    group = name.split("/")[0]
    return _FIGURES[name if name in _FIGURES else group](name)


def _of_a_training(name: str) -> Iterator[Figure]:
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    metrics, run = facts(name)["metrics"], facts(name)["run"]
    rows = runs("accuracy/rows")[name.removeprefix("accuracy/")]
    truth, predicted = (np.array([row[column] for row in rows], dtype=object) for column in ("label", "prediction"))
    sure = np.array([row["probability"] for row in rows])
    if several := run.get("multi_label"):
        binarizer = MultiLabelBinarizer().fit([run["labels"]])
        truth, predicted = (
            binarizer.transform([t.split("|") if t else [] for t in part]) for part in (truth, predicted)
        )
    yield metrics["rows"], len({row["row"] for row in rows}), 0
    yield run["data"]["parts"]["test"], len(rows), 0
    yield metrics["accuracy"]["value"], accuracy_score(truth, predicted), 1e-12
    yield metrics["macro_f1"]["value"], f1_score(truth, predicted, average="macro"), 1e-9
    # Of several labels a row, that all are right may be less likely than six digits can say.
    least = 0.0 if several else 1 / len(run["labels"]) - 1e-6
    yield True, bool(((sure >= least) & (sure <= 1)).all()), 0
    if len(run["labels"]) == 2:
        # The class that was named as 0, the other as 1: all that counts is what is right.
        error = calibration_error((truth != predicted).astype(int), np.stack([sure, 1 - sure], axis=1))
        yield metrics["calibration_error"], error, _CALIBRATION


def similarity_rows(run: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True scores, cosines and predicted scores of a kept run of --task similarity."""
    rows = runs("similarity/rows")[run]
    truth, cosines, predicted = (np.array([float(row[c]) for row in rows]) for c in ("label", "cosine", "prediction"))
    return truth, cosines, predicted


def _of_similarities(name: str) -> Iterator[Figure]:
    from scipy.stats import pearsonr, spearmanr

    metrics, run = facts(name)["metrics"], facts(name)["run"]
    truth, cosines, predicted = similarity_rows(Path(name).name)
    yield run["data"]["parts"]["test"], len(truth), 0
    yield metrics["spearman"]["value"], spearmanr(truth, cosines).statistic, 1e-9
    yield metrics["pearson"]["value"], pearsonr(truth, cosines)[0], 1e-6
    yield metrics["mean_absolute_error"], np.abs(truth - predicted).mean(), 1e-5
    yield True, metrics["spearman"]["low"] < metrics["spearman"]["value"] < metrics["spearman"]["high"], 0


def _of_the_cloze(name: str) -> Iterator[Figure]:
    from sklearn.metrics import roc_auc_score

    rows = read_rows(RESULTS / f"{name}.parquet")
    yield 2_000, len(rows), 0
    yield facts(name)["cloze_auc"], roc_auc_score([r["label"] for r in rows], [r["score"] for r in rows]), 1e-4


def _of_the_gain(name: str) -> Iterator[Figure]:
    kept, rows = facts(name), read_rows(RESULTS / f"{name}.parquet")
    right = {run: float(np.mean([row[run] == row["label"] for row in rows])) for run in kept["accuracy"]}
    yield kept["accuracy"], right, 1e-9
    yield kept["gain"], np.mean([right[f"pretrained-{seed}"] - right[f"plain-{seed}"] for seed in (1, 2, 3)]), 1e-9
    yield True, kept["gain_low"] <= kept["gain"] <= kept["gain_high"], 0


def _of_books(name: str) -> Iterator[Figure]:
    kept, rows = facts(name), read_rows(RESULTS / f"{name}.parquet")
    read, packed = (sum(row[column] for row in rows) for column in ("bytes", "bzip2_bytes"))
    # Documents are joined by a line end for bzip2, which is given all of the text at once.
    yield kept["held_out"]["bytes"], read, 0.01 * read
    yield True, kept["bzip2_bits_per_byte"] < 8 * packed / read, 0
    if "bits_per_byte" in kept:
        held_out = kept["held_out"]
        bits = held_out["loss"] / np.log(2) * held_out["tokens"] / held_out["bytes"]
        yield kept["bits_per_byte"], bits, 1e-6


def _of_steps(name: str) -> Iterator[Figure]:
    rates: dict[str, list[float]] = {}
    for row in read_rows(RESULTS / f"{name}.parquet"):
        rates.setdefault(row["mode"], []).append(row["tokens"] / row["seconds"])
    yield facts(name)["tokens_per_second"], {mode: float(np.median(found)) for mode, found in rates.items()}, 1e-3


def _of_likelihoods(name: str) -> Iterator[Figure]:
    for run in facts(name)["runs"]:
        yield run["speed_up"], run["plain_seconds"] / run["shared_seconds"], 1e-9
        yield run["token_ratio"], run["plain_tokens"] / run["shared_tokens"], 1e-9


def _of_draws(name: str) -> Iterator[Figure]:
    drawn = runs("few_labels/rows")
    for method, seconds in facts(name)["fit_seconds"].items():
        for seed in range(len(seconds)):
            yield 1_000, len({row["row"] for row in drawn[f"{method}-seed{seed}"]}), 0


def _of_prompting(name: str) -> Iterator[Figure]:
    drawn = runs("prompting/rows")
    yield True, set(facts(name)["runs"]) == set(drawn), 0
    for run in facts(name)["runs"]:
        data = run.split(" ")[0]
        yield prompting.TESTED[data], len({row["row"] for row in drawn[run]}), 0
        answers = set(map(str, prompting.SETS[data][2]))
        yield True, {row[column] for row in drawn[run] for column in ("label", "prediction")} <= answers, 0


def _of_label_scoring(name: str) -> Iterator[Figure]:
    kept, rows = facts(name), read_rows(RESULTS / f"{name}.parquet")
    speed_ups = [turn["loop_seconds"] / turn["trifold_seconds"] for turn in kept["turns"]]
    yield kept["median_speed_up"], float(np.median(speed_ups)), 1e-9
    answers: dict[str, dict[int, str]] = {}
    for row in rows:
        answers.setdefault(row["run"], {})[row["row"]] = row["prediction"]
    one, other = answers.values()
    yield kept["predictions_that_differ"], sum(one[row] != other[row] for row in one), 0


def _of_imbalance(name: str) -> Iterator[Figure]:
    for rows in runs("imbalance/rows").values():
        yield [4_000, 200], [len(rows), sum(row["label"] == "0" for row in rows)], 0


def _of_long_texts(name: str) -> Iterator[Figure]:
    for run, rows in runs("long_texts/rows").items():
        yield 2_000, len({row["row"] for row in rows}), 0
        yield facts(name)["runs"][run]["accuracy"], accuracy(rows), 1e-12


def _of_pairs(name: str) -> Iterator[Figure]:
    for run, about in facts(name).items():
        rows = runs("pairs/rows")[run]
        yield about["accuracy"]["value"], accuracy(rows), 1e-12
        yield 911, len({row["row"] for row in rows}), 0


def _of_several_labels(name: str) -> Iterator[Figure]:
    for rows in runs("several_labels/rows").values():
        yield [400, facts(name)["rows"] // 5], [len({row["row"] for row in rows}), len(rows)], 0


def _of_options(name: str) -> Iterator[Figure]:
    for (_, run), right in performance_page.answers(RESULTS / f"{name}.parquet").items():
        yield {"trec": 500, "sst2": 872}[run.split("-")[0]], len(right), 0


def _of_rivals(name: str) -> Iterator[Figure]:
    for about in facts(name).values():
        for tool, right in about["accuracy"].items():
            yield right, accuracy(runs("rivals/rows")[f"{Path(name).name}/{tool}"]), 1e-12


def _of_explanations(name: str) -> Iterator[Figure]:
    """What the named words take away, as a multiple of chance and as a share of a greedy search."""
    for run, kept in facts(name).get("figures", {}).items():
        rows = runs("explanations/rows")[run]
        drops = {
            way: np.array([row["probability"] - row[way] for row in rows]) for way in ("named", "chance", "greedy")
        }
        usable = drops["greedy"] > 0.01
        yield kept["reviews"], len({row["review"] for row in rows}), 0
        for way, found in drops.items():
            yield kept[f"{way}_drop"], float(found.mean()), 1e-12
        yield kept["named_over_chance"], float(drops["named"].mean() / drops["chance"].mean()), 1e-9
        yield kept["named_of_greedy"], float((drops["named"] / drops["greedy"])[usable].mean()), 1e-9
        yield kept["same_words"], float(np.mean([row["again"] for row in rows])), 1e-12


def _of_turns(name: str) -> Iterator[Figure]:
    kept = facts(name)
    assert Path(name).name.partition("@")[0] in performance_page.TABLES
    several = {len(turns) for who, turns in kept["turns"].items() if who not in kept.get("once", ())}
    yield True, len(several) == 1 and min(several) >= 3, 0


def _of_untouched_similarity(name: str) -> Iterator[Figure]:
    from scipy.stats import spearmanr

    kept, rows = facts(name), read_rows(RESULTS / "similarity_untouched" / "rows.parquet")
    yield 1_500, len({row["row"] for row in rows}), 0
    for library, figure in kept["spearman"].items():
        yield figure, spearmanr([row["score"] for row in rows], [row[library] for row in rows]).statistic, 1e-9


def _of_search_speed(name: str) -> Iterator[Figure]:
    kept, rows = facts(name), read_rows(RESULTS / f"{name}.parquet")
    for figure in ("seconds", "peak_bytes") if Path(name).name == "build" else ():
        found = {run: np.median([row[figure] for row in rows if row["run"] == run]) for run in kept[figure]}
        yield kept[figure], found, 1e-6
    for run, value in kept.get("p50_milliseconds", {}).items():
        turns: dict[int, list[float]] = {}
        for row in rows:
            if row["run"] == run:
                turns.setdefault(row["turn"], []).append(row["milliseconds"])
        yield value, np.median([np.median(one) for one in turns.values()]), 1e-9


def _of_search_updates(name: str) -> Iterator[Figure]:
    kept, rows = facts(name), read_rows(RESULTS / f"{name}.parquet")
    yield kept["updates"], len(rows), 0
    yield kept["encoded"], sorted({row["encoded"] for row in rows}), 0
    yield kept["size_share"], rows[-1]["size_bytes"] / kept["fresh"]["size_bytes"], 1e-9
    yield kept["largest_size_share"], max(row["size_bytes"] for row in rows) / kept["fresh"]["size_bytes"], 1e-9


def _of_summaries(name: str) -> Iterator[Figure]:
    for run in summaries.RUNS:
        for part in ("all", "held_out"):
            kept, again = facts(name)[run][part], summaries.figures(run, held_out=part == "held_out")
            yield kept["rows"], again["rows"], 0
            yield kept["differ_from_first_sentences"], again["differ_from_first_sentences"], 1e-12
            for of in ("summaries", "first_sentences", "difference"):
                for figure, interval in kept[of].items():
                    for end, value in interval.items():
                        yield value, again[of][figure][end], 1e-9


def _of_searches(name: str) -> Iterator[Figure]:
    from trifold.statistics.intervals import mean_interval
    from trifold.statistics.retrieval import figures_of

    rankings, queries = facts(name)["figures"]["rankings"], {}
    for ranking, rows in runs(name).items():
        yield 300, len({row["query"] for row in rows}), 0
        found = []
        for row in rows:
            # Relevant documents are numbered, those that were not found last; all others are called 0.
            ranked = ["0"] * 100
            for number, rank in enumerate(row["ranks"], start=1):
                ranked[rank - 1] = str(number)
            found.append(figures_of(ranked, {str(1 + number): 1.0 for number in range(row["relevant"])}))
        for figure, kept in rankings[ranking].items():
            for end, value in vars(mean_interval(np.array([one[figure] for one in found]))).items():
                yield kept[end], value, 1e-9
        queries[ranking] = {row["query"]: one["ndcg@10"] for row, one in zip(rows, found, strict=True)}
    for lead in facts(name)["figures"]["leads"]:
        ahead, behind = queries[lead["ahead"]], queries[lead["behind"]]
        by = mean_interval(np.array([ahead[query] - behind[query] for query in ahead]), lowest=-1)
        for end, value in vars(by).items():
            yield lead[end], value, 1e-9


def _of_serving(name: str) -> Iterator[Figure]:
    from serving_load import percentile_of, rate_of

    kept, rows = facts(name), read_rows(RESULTS / f"{name}.parquet")
    part = name.removeprefix("serving/")
    accepted = [row for row in rows if row.get("status") == 200]
    for way, value in kept.get("p99_ms", {}).items():
        yield value, percentile_of(accepted, way, 99), 1e-9
    if part == "throughput":
        rate = {way: rate_of(rows, way) for way in kept["texts_a_second"]}
        yield kept["to_predict"], rate["serve"] / rate["predict"], 1e-9
        yield kept["to_plain"], rate["serve"] / rate["plain"], 1e-9
    elif part == "heads":
        yield kept["ratio"], rate_of(rows, "one") / rate_of(rows, "five"), 1e-9
    elif part == "memory":
        first, last = (row["resident_bytes"] for row in rows)
        yield kept["ratio"], last / first, 1e-9
    elif part == "overload":
        for way, statuses in kept["statuses"].items():
            for status, number in statuses.items():
                yield number, sum(row["way"] == way and row["status"] == int(status) for row in rows), 0
            yield 0, len(statuses.keys() - {"200", "429"}), 0
    elif part == "swap":
        yield kept["lost"], sum(row["status"] != 200 for row in rows), 0
        yield kept["of_neither"], sum(row["of"] == "[]" for row in rows), 0


_FIGURES: dict[str, Callable[[str], Iterator[Figure]]] = {
    "accuracy": _of_a_training,
    "pretrain/mlm-imdb": _of_the_cloze,
    "pretrain/then-full": _of_the_gain,
    "pretrain/books-clm": _of_books,
    "pretrain/books-mlm": _of_books,
    "pretrain/speed": _of_steps,
    "likelihoods": _of_likelihoods,
    "few_labels": _of_draws,
    "explanations": _of_explanations,
    "imbalance": _of_imbalance,
    "long_texts": _of_long_texts,
    "several_labels": _of_several_labels,
    "options": _of_options,
    "label_scoring": _of_label_scoring,
    "pairs": _of_pairs,
    "prompting": _of_prompting,
    "bfloat16": _of_options,
    "rivals": _of_rivals,
    "search/scifact-dev": _of_searches,
    "search/keywords-speed": lambda _: iter(()),
    "search_speed": _of_search_speed,
    "search_updates": _of_search_updates,
    "serving": _of_serving,
    "similarity": _of_similarities,
    "summaries": _of_summaries,
    "speed": _of_turns,
    "speed-gpu": _of_turns,
    "similarity_untouched": _of_untouched_similarity,
    # Peaks of memory alone: the bar is recomputed from them.
    "embed_memory": lambda _: iter(()),
    # Recomputed in test_near_duplicates.py.
    "near_duplicates": lambda _: iter(()),
    "near_leakage": lambda _: iter(()),
    # Timings alone: the bars are recomputed from them.
    "first_rows": lambda _: iter(()),
    "many_classes": lambda _: iter(()),
}
# Kept by the long tests themselves, whose own tests judge them.
KEPT = sorted(
    name
    for path in RESULTS.rglob("*.json")
    if not (name := path.relative_to(RESULTS).with_suffix("").as_posix()).startswith("soak/")
)
