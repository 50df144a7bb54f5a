"""Every kept figure is recomputed from its raw rows, and every bar that the docs claim holds for them."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

RESULTS = Path(__file__).parents[2] / "benchmarks" / "results" / "accuracy"
NAMES = sorted(path.stem for path in RESULTS.glob("*.json"))
README = Path(__file__).parents[2] / "README.md"


def load(name: str) -> tuple[dict[str, Any], list[dict[str, str]]]:
    with (RESULTS / f"{name}.csv").open() as file:
        return json.loads((RESULTS / f"{name}.json").read_text()), list(csv.DictReader(file))


@pytest.mark.parametrize("name", NAMES)
def test_figures_follow_from_the_raw_rows(name: str) -> None:
    from sklearn.metrics import accuracy_score, f1_score
    from sklearn.preprocessing import MultiLabelBinarizer

    result, rows = load(name)
    truth, predicted = (np.array([row[column] for row in rows], dtype=object) for column in ("label", "prediction"))
    if result["run"].get("multi_label"):
        binarizer = MultiLabelBinarizer().fit([result["run"]["labels"]])
        truth, predicted = (
            binarizer.transform([t.split("|") if t else [] for t in part]) for part in (truth, predicted)
        )
    assert len(rows) == result["metrics"]["rows"] == result["run"]["data"]["parts"]["test"]
    assert len({row["row"] for row in rows}) == len(rows)
    assert accuracy_score(truth, predicted) == pytest.approx(result["metrics"]["accuracy"]["value"], abs=1e-12)
    assert f1_score(truth, predicted, average="macro") == pytest.approx(
        result["metrics"]["macro_f1"]["value"], abs=1e-9
    )
    # That all labels of a row are right may be less likely than six digits can say.
    least = 0.0 if result["run"].get("multi_label") else 1 / len(result["run"]["labels"]) - 1e-6
    assert all(least <= float(row["probability"]) <= 1 for row in rows)


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_quotes_the_kept_figure(name: str) -> None:
    result = load(name)[0]
    score = "macro_f1" if result["run"].get("multi_label") else "accuracy"
    value = f"{100 * result['metrics'][score]['value']:.1f} %"
    line = next(line for line in README.read_text().splitlines() if f"`{name}`" in line)
    assert value in line


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_names_its_backbone_machine_command_and_commit(name: str) -> None:
    run = load(name)[0]["run"]
    assert run["backbone"] is None or run["backbone"]["sha256"]
    assert run["hardware"]["cpu"]
    assert run["command"].startswith("trifold finetune")
    assert len(run["commit"]) == 40
    assert run["data"]["sha256"]


BARS = {
    "imdb-25000-tfidf": 0.895,
    "imdb-25000-features": 0.845,
    "imdb-25000-features-head+tail": 0.845,
    "imdb-25000-full-head+tail": 0.90,
    "imdb-25000-adapter-bottleneck-head+tail": 0.895,
    "imdb-4000-full": 0.86,
    "trec-full": 0.95,
    "sst2-full": 0.88,
}


# Missed so far, and said so in the README. Strict: when one is reached, this list must shrink.
MISSED = {
    "sst2-full": "85.6 %, three epochs at 1e-4 from 4,798 phrases",
}


@pytest.mark.parametrize(
    "bar",
    [
        pytest.param(bar, marks=[pytest.mark.xfail(reason=MISSED[bar], strict=True)] if bar in MISSED else [])
        for bar in BARS
    ],
)
def test_the_bars_hold(bar: str) -> None:
    names = [name for name in NAMES if name == bar or name.startswith(f"{bar}-seed")]
    if not names:
        pytest.skip(f"no result is kept for {bar} yet")
    figures = [load(name)[0]["metrics"]["accuracy"]["value"] for name in names]
    assert len(figures) in (1, 3)
    assert np.mean(figures) >= BARS[bar]


def test_the_adapters_of_25000_reviews_are_few_numbers_beside_the_backbone() -> None:
    run = load("imdb-25000-adapter-bottleneck-head+tail")[0]["run"]
    # The pooler is the head's, not the backbone's.
    assert run["trainable_parameters"] <= 0.03 * 22_565_376
    assert run["backbone"]["sha256"] == load("imdb-25000-full")[0]["run"]["backbone"]["sha256"]


def answers(table: str) -> dict[tuple[str, str], list[bool]]:
    """Whether each row of a run was answered rightly, by option and run."""
    right: dict[tuple[str, str], list[bool]] = {}
    with (RESULTS.parent / table).open() as file:
        for row in csv.DictReader(file):
            right.setdefault((row["option"], row["run"]), []).append(row["label"] == row["prediction"])
    return right


def option_means() -> dict[tuple[str, str, str], float]:
    """Mean accuracy of three seeds in percent, by option, method and data."""
    right = answers("options.csv")
    means = {}
    for option, run in right:
        data, method, _ = run.split("-")
        runs = [right[option, f"{data}-{method}-seed{seed}"] for seed in (1, 2, 3)]
        assert [len(one) for one in runs] == [{"trec": 500, "sst2": 872}[data]] * 3
        means[option, method, data] = 100 * float(np.mean([np.mean(one) for one in runs]))
    return means


@pytest.mark.parametrize(
    ("option", "method", "data"),
    [
        ("default", "full", "trec"),
        ("default", "full", "sst2"),
        ("default", "features", "trec"),
        ("default", "features", "sst2"),
        ("freeze-embeddings", "full", "trec"),
        ("freeze-embeddings", "full", "sst2"),
    ],
)
def test_speed_costs_no_more_than_three_tenths_of_a_point(option: str, method: str, data: str) -> None:
    means = option_means()
    assert means[option, method, data] >= means["float32", method, data] - 0.3


@pytest.mark.parametrize(("data", "rows"), [("trec", 500), ("sst2", 872)])
def test_bfloat16_costs_full_nothing_that_ten_seeds_could_show(data: str, rows: int) -> None:
    right = {key: one for key, one in answers("bfloat16.csv").items() if key[1].startswith(f"{data}-")}
    runs = [f"{data}-full-seed{seed}" for seed in range(1, 11)]
    assert {(option, run): len(one) for (option, run), one in right.items()} == {
        (option, run): rows for option in ("float32", "default") for run in runs
    }
    costs = [100 * (np.mean(right["float32", run]) - np.mean(right["default", run])) for run in runs]
    error = np.std(costs, ddof=1) / len(costs) ** 0.5
    assert np.mean(costs) + 2 * error <= 0.3
    facts = json.loads((RESULTS.parent / "bfloat16.json").read_text())["data"][data]
    assert facts["hardware"]["cpu"]
    assert len(facts["commit"]) == 40


def test_what_options_cost_names_its_machine_and_commit() -> None:
    facts = json.loads((RESULTS.parent / "options.json").read_text())
    assert all(one["hardware"]["cpu"] for one in facts["methods"].values())
    assert set(facts["methods"]) == {"full", "features"}
    assert {len(one["commit"]) for one in facts["methods"].values()} == {40}


def test_the_first_rows_of_a_comparison_come_soon() -> None:
    facts = json.loads((RESULTS.parent / "first_rows.json").read_text())
    assert facts["hardware"]["cpu"]
    assert len(facts["commit"]) == 40
    assert facts["seconds"]["tfidf"] <= 15
    assert facts["seconds"]["features"] - facts["seconds"]["tfidf"] <= 150
    seconds = (f"{facts['seconds'][method]:.0f} s" for method in ("tfidf", "features"))
    assert "after {} and {}".format(*seconds) in " ".join(README.read_text().split())


@pytest.mark.parametrize("other", ["tfidf", "features"])
def test_full_is_ahead_where_a_row_has_several_of_28_labels(other: str) -> None:
    scores = {m: load(f"goemotions-{m}")[0]["metrics"]["macro_f1"]["value"] for m in (other, "full")}
    assert scores["full"] >= 0.38
    assert scores["full"] > scores[other]


@pytest.mark.parametrize("method", ["tfidf", "features", "adapter-bottleneck", "adapter-lora", "full"])
def test_confidence_is_accuracy_within_three_points(method: str) -> None:
    from trifold.statistics.calibration import calibration_error

    result, rows = load(f"imdb-4000-{method}")
    sure = np.array([float(row["probability"]) for row in rows])
    right = np.array([row["label"] == row["prediction"] for row in rows])
    # What is right or wrong is all that counts: the class that was named as 0, the other as 1.
    error = calibration_error(1 - right.astype(int), np.stack([sure, 1 - sure], axis=1))
    # The rows keep six digits, and one that stands at the edge of a bin may change it.
    assert error == pytest.approx(result["metrics"]["calibration_error"], abs=1e-4)
    assert error <= 0.03


def test_a_shared_prefix_saves_what_its_tokens_promise() -> None:
    facts = json.loads((RESULTS.parent / "likelihoods.json").read_text())
    assert facts["hardware"]["cpu"]
    assert len(facts["commit"]) == 40
    assert (facts["texts"], facts["labels"], len(facts["runs"])) == (50, 5, 3)
    for run in facts["runs"]:
        assert run["largest_difference"] < 1e-4
        assert run["speed_up"] == pytest.approx(run["plain_seconds"] / run["shared_seconds"])
        assert run["token_ratio"] == pytest.approx(run["plain_tokens"] / run["shared_tokens"])
        assert run["speed_up"] >= 0.6 * run["token_ratio"]


def test_thousands_of_classes_are_ready_within_seconds_and_in_linear_memory() -> None:
    facts = json.loads((RESULTS.parent / "many_classes.json").read_text())
    assert facts["hardware"]["cpu"]
    assert len(facts["commit"]) == 40
    measured = facts["measured"]
    seconds = {size: np.median([one["seconds"] for one in runs]) for size, runs in measured.items()}
    memory = {size: np.median([one["bytes"] for one in runs]) for size, runs in measured.items()}
    assert {one["rows"] for one in measured["4500"]} == {45_000}
    assert seconds["4500"] < 5.0
    # Four times the rows: at most four times the memory, what the libraries take at the start included.
    assert memory["4500"] <= 4 * memory["1125"]


IMBALANCE = RESULTS.parent / "imbalance"


@pytest.mark.parametrize("method", ["tfidf", "features", "adapter-lora", "adapter-bottleneck", "full"])
def test_balancing_helps_where_one_class_is_rare(method: str) -> None:
    from sklearn.metrics import f1_score

    found = []
    for weight in ("none", "balanced"):
        with (IMBALANCE / f"{method}-{weight}.csv").open() as file:
            rows = list(csv.DictReader(file))
        truth, predicted = ([row[column] for row in rows] for column in ("label", "prediction"))
        assert len(rows) == 4_000
        assert truth.count("0") == 200
        found.append(f1_score(truth, predicted, average="macro"))
    assert json.loads((IMBALANCE / "facts.json").read_text())["hardware"]["cpu"]
    assert found[1] > found[0]


def test_eight_labelled_rows_a_class_are_enough_for_pairs() -> None:
    folder = RESULTS.parent / "few_labels"
    if not (folder / "facts.json").exists():
        pytest.skip("no result is kept for few labels yet")
    assert json.loads((folder / "facts.json").read_text())["hardware"]["cpu"]
    means = {}
    for method in ("contrastive", "features", "full"):
        draws = []
        for seed in range(10):
            with (folder / f"{method}-seed{seed}.csv").open() as file:
                rows = list(csv.DictReader(file))
            assert len({row["row"] for row in rows}) == 1_000
            draws.append(np.mean([row["label"] == row["prediction"] for row in rows]))
        means[method] = float(np.mean(draws))
    assert means["contrastive"] >= 0.78
    assert means["contrastive"] > max(means["features"], means["full"])
    assert f"contrastive {100 * means['contrastive']:.1f} %" in README.read_text()


@pytest.mark.parametrize("method", ["tfidf", "features"])
def test_a_million_rows_were_read_in_the_memory_of_ten_thousand(method: str) -> None:
    kept = json.loads((RESULTS.parent / "soak" / f"memory-{method}.json").read_text())
    assert kept["hardware"]["cpu"]
    assert kept["peak_bytes"]["1000000"] <= 1.1 * kept["peak_bytes"]["10000"]


def test_twenty_kills_left_no_trace() -> None:
    kept = json.loads((RESULTS.parent / "soak" / "kills.json").read_text())
    assert len(kept["kills"]) == 20
    assert kept["identical"]
    assert all(kept["identical"])
