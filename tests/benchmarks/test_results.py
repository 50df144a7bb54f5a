"""Every kept figure is recomputed from its raw rows, and every bar that the docs claim holds for them."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kept_results import KEPT, RESULTS, accuracy, facts, figures, makings, runs, several_label_scores

import long_texts
import performance_page

ROOT = Path(__file__).parents[2]
ACCURACY = " ".join((ROOT / "docs" / "accuracy.md").read_text().split())
PRETRAINING = " ".join((ROOT / "docs" / "pretraining.md").read_text().split())
TRAININGS = [name.removeprefix("accuracy/") for name in KEPT if name.startswith("accuracy/")]


def metrics(training: str) -> dict[str, Any]:
    found: dict[str, Any] = facts(f"accuracy/{training}")["metrics"]
    return found


@pytest.mark.parametrize("name", KEPT)
def test_figures_follow_from_the_raw_rows_and_say_how_they_were_made(name: str) -> None:
    for kept, recomputed, tolerance in figures(name):
        assert recomputed == pytest.approx(kept, rel=0, abs=tolerance)
    made = makings(facts(name))
    assert made
    for one in made:
        assert re.fullmatch(r"[0-9a-f]{40}", one["commit"])
        assert one["hardware"]["cpu"]
        assert one["versions"]["torch"]
    assert facts(name).get("minutes_overridden") is None, "a shortened training is no result"


def test_raw_rows_hold_no_text_of_the_data() -> None:
    labels_and_names = {"run", "way", "option", "mode", "data", "planted", "label", "prediction", "with", "without"}
    allowed = {*labels_and_names, "named_words"}
    for path in RESULTS.rglob("*.parquet"):
        for row in performance_page.read_rows(path):
            assert all(name in allowed and len(value) < 120 for name, value in row.items() if isinstance(value, str))


def test_the_page_on_accuracy_quotes_every_training_with_its_figure_backbone_and_data() -> None:
    lines = (ROOT / "docs" / "accuracy.md").read_text().splitlines()
    for name in TRAININGS:
        run = facts(f"accuracy/{name}")["run"]
        score = metrics(name)["macro_f1" if run.get("multi_label") else "accuracy"]["value"]
        assert f"{100 * score:.1f} %" in next(line for line in lines if f"`{name}`" in line), name
        assert run["backbone"] is None or run["backbone"]["sha256"]
        assert run["command"].startswith("trifold finetune")
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
# Missed so far, and said so in its page. Strict: when one is reached, this list must shrink.
MISSED = {
    "sst2-full": "86.0 %, three epochs at 1e-4 from 4,798 phrases",
}


@pytest.mark.parametrize(
    "bar",
    [
        pytest.param(bar, marks=[pytest.mark.xfail(reason=MISSED[bar], strict=True)] if bar in MISSED else [])
        for bar in BARS
    ],
)
def test_the_bars_of_accuracy_hold(bar: str) -> None:
    found = [metrics(name)["accuracy"]["value"] for name in TRAININGS if name == bar or name.startswith(f"{bar}-seed")]
    assert len(found) in (1, 3)
    assert np.mean(found) >= BARS[bar]


def test_the_adapters_of_25000_reviews_are_few_numbers_beside_the_backbone() -> None:
    run = facts("accuracy/imdb-25000-adapter-bottleneck-head+tail")["run"]
    # The pooler is the head's, not the backbone's.
    assert run["trainable_parameters"] <= 0.03 * 22_565_376
    assert run["backbone"]["sha256"] == facts("accuracy/imdb-25000-full")["run"]["backbone"]["sha256"]


def test_full_is_ahead_where_a_row_has_several_of_28_labels() -> None:
    scores = {method: metrics(f"goemotions-{method}")["macro_f1"]["value"] for method in ("tfidf", "features", "full")}
    assert scores["full"] >= 0.38
    assert scores["full"] > max(scores["tfidf"], scores["features"])


@pytest.mark.parametrize("method", ["tfidf", "features", "adapter-bottleneck", "adapter-lora", "full"])
def test_confidence_is_accuracy_within_three_points(method: str) -> None:
    assert metrics(f"imdb-4000-{method}")["calibration_error"] <= 0.03


@pytest.mark.parametrize("run", facts("explanations/faithfulness")["figures"])
def test_the_words_that_are_named_decide(run: str) -> None:
    found = facts("explanations/faithfulness")["figures"][run]
    assert found["named_over_chance"] >= 3
    assert found["named_of_greedy"] >= 0.6
    assert found["named_drop"] > found["captum_drop"]
    assert found["same_words"] == 1


@pytest.mark.parametrize("name", [name for name in KEPT if name == "explanations/speed"])
def test_a_review_is_explained_within_two_seconds(name: str) -> None:
    assert all(np.median(seconds) <= 2 for seconds in facts(name)["seconds"].values())


def test_the_page_on_explanations_quotes_what_was_measured() -> None:
    found = facts("explanations/faithfulness")["figures"]["tfidf"]
    page = " ".join((ROOT / "docs" / "explanations.md").read_text().split())
    points = {way: f"{100 * found[f'{way}_drop']:.1f}" for way in ("named", "chance", "greedy", "largest_weights")}
    assert f"loses {points['named']} points of probability without the words that are named" in page
    assert f"named, {points['chance']} without as many drawn by chance" in page
    assert f"takes away {points['greedy']}, and the five largest weights" in page
    assert f"of a linear model, {points['largest_weights']}." in page


@pytest.mark.parametrize("option", ["default full", "default features", "freeze-embeddings full"])
@pytest.mark.parametrize("data", ["trec", "sst2"])
def test_speed_costs_no_more_than_three_tenths_of_a_point(option: str, data: str) -> None:
    right = performance_page.answers(RESULTS / "options.parquet")
    flag, method = option.split()
    names = [f"{data}-{method}-seed{seed}" for seed in (1, 2, 3)]
    mean, plain = (100 * np.mean([np.mean(right[one, name]) for name in names]) for one in (flag, "float32"))
    assert mean >= plain - 0.3


@pytest.mark.parametrize("data", ["trec", "sst2"])
def test_bfloat16_costs_full_nothing_that_ten_seeds_could_show(data: str) -> None:
    gains = performance_page.bfloat16_costs(data)
    assert len(gains) == 10
    assert np.mean(gains) - 2 * np.std(gains, ddof=1) / len(gains) ** 0.5 >= -0.3


def test_the_first_rows_of_a_comparison_come_soon() -> None:
    seconds = facts("first_rows")["seconds"]
    assert seconds["tfidf"] <= 15
    assert seconds["features"] - seconds["tfidf"] <= 150
    assert f"after {seconds['tfidf']:.0f} s and {seconds['features']:.0f} s" in ACCURACY


def test_a_shared_prefix_saves_what_its_tokens_promise() -> None:
    kept = facts("likelihoods")
    assert (kept["texts"], kept["labels"], len(kept["runs"])) == (50, 5, 3)
    for run in kept["runs"]:
        assert run["largest_difference"] < 1e-4
        assert run["speed_up"] >= 0.6 * run["token_ratio"]


def test_thousands_of_classes_are_ready_within_seconds_and_in_linear_memory() -> None:
    measured = facts("many_classes")["measured"]
    assert {one["rows"] for one in measured["4500"]} == {45_000}
    assert np.median([one["seconds"] for one in measured["4500"]]) < 5.0
    # Four times the rows: at most four times the memory, what the libraries take at the start included.
    few, many = (np.median([one["bytes"] for one in measured[size]]) for size in ("1125", "4500"))
    assert many <= 4 * few


@pytest.mark.parametrize("method", ["tfidf", "features", "adapter-lora", "adapter-bottleneck", "full"])
def test_balancing_helps_where_one_class_is_rare(method: str) -> None:
    from sklearn.metrics import f1_score

    plain, balanced = (
        f1_score([row["label"] for row in rows], [row["prediction"] for row in rows], average="macro")
        for rows in (runs("imbalance/rows")[f"{method}-{weight}"] for weight in ("none", "balanced"))
    )
    assert balanced > plain


def test_thresholds_from_few_rows_serve_rare_labels_and_common_ones() -> None:
    drawn = runs("several_labels/rows")
    means: dict[str, dict[str, float]] = {}
    for rule in ("per-label", "common", "0.1"):
        scores = [several_label_scores(drawn[f"features-{rule}-seed{seed}"]) for seed in (1, 2, 3)]
        means[rule] = {name: float(np.mean([one[name] for one in scores])) for name in scores[0]}
    chosen = means["per-label"]
    assert (chosen["macro_f1"] >= 0.30, chosen["micro_f1"] >= 0.43, chosen["exact_match"] >= 0.13) == (True, True, True)
    assert chosen["macro_f1"] > max(means["common"]["macro_f1"], means["0.1"]["macro_f1"])


@pytest.mark.skipif(not long_texts.RESULTS.is_dir(), reason="benchmarks/long_texts.py was not run yet")
def test_the_page_on_methods_quotes_what_long_texts_showed() -> None:
    lines = (ROOT / "docs" / "methods.md").read_text().splitlines()
    assert [row for row in long_texts.table() if row not in lines] == []


def test_eight_labelled_rows_a_class_are_enough_for_pairs() -> None:
    draws = runs("few_labels/rows")
    means = {
        method: np.mean([accuracy(draws[f"{method}-seed{seed}"]) for seed in range(10)])
        for method in ("contrastive", "features", "full")
    }
    assert means["contrastive"] >= 0.78
    assert means["contrastive"] > max(means["features"], means["full"])
    assert f"contrastive {100 * means['contrastive']:.1f} %" in ACCURACY


def test_pretraining_on_reviews_teaches_praise_from_blame_and_helps_few_labels() -> None:
    masked, labelled = facts("pretrain/mlm-imdb"), facts("pretrain/then-full")
    assert masked["cloze_auc"] >= 0.65
    assert masked["metrics"]["accuracy"] >= 0.30
    assert masked["run"]["data"]["excluded"] > 0
    assert f"it names {100 * masked['metrics']['accuracy']:.1f} % of the masked words first" in PRETRAINING
    assert f"area under the curve {masked['cloze_auc']:.3f}" in PRETRAINING
    value, low, high = (100 * labelled[name] for name in ("gain", "gain_low", "gain_high"))
    assert f"{value:.1f} points (95 % interval {low:.1f} to {high:.1f})" in PRETRAINING


def test_models_of_books_from_scratch_pack_better_than_bzip2() -> None:
    following, masked = facts("pretrain/books-clm"), facts("pretrain/books-mlm")
    bits, packed = following["bits_per_byte"], following["bzip2_bits_per_byte"]
    assert bits <= 2.1
    assert bits < packed
    assert max(following["unknown_share"], masked["unknown_share"]) <= 0.001
    assert f"{bits:.2f} bits per byte on held-out books (bzip2 -9: {packed:.2f})" in PRETRAINING
    assert f"It names {100 * masked['metrics']['accuracy']:.1f} % of the hidden words" in PRETRAINING
    assert f"a loss of {masked['metrics']['loss']:.2f} nats" in PRETRAINING


@pytest.mark.parametrize(("peer", "bar"), [("defaults", 3), ("best", 1.5)])
def test_masked_words_are_learned_faster_than_by_the_trainer(peer: str, bar: float) -> None:
    rates = facts("pretrain/speed")["tokens_per_second"]
    assert rates["ours"] / rates[peer] >= bar
    assert f"({rates['ours'] / rates[peer]:.2f} times" in PRETRAINING


@pytest.mark.parametrize("method", ["tfidf", "features"])
def test_a_million_rows_were_read_in_the_memory_of_ten_thousand(method: str) -> None:
    kept = facts(f"soak/memory-{method}")
    assert kept["hardware"]["cpu"]
    assert kept["peak_bytes"]["1000000"] <= 1.1 * kept["peak_bytes"]["10000"]


def test_twenty_kills_left_no_trace() -> None:
    kept = facts("soak/kills")
    assert len(kept["kills"]) == 20
    assert kept["identical"]
    assert all(kept["identical"])


def test_similarity_is_learned_to_the_bar_and_its_page_quotes_every_training() -> None:
    page = (ROOT / "docs" / "similarity.md").read_text()
    found: dict[str, list[float]] = {}
    for name in (name for name in KEPT if name.startswith("similarity/")):
        value = facts(name)["metrics"]["spearman"]["value"]
        short = name.removeprefix("similarity/")
        lines = [line for line in page.splitlines() if line.startswith(f"| `{short}` |")]
        assert any(f"{value:.4f}" in line for line in lines), name
        found.setdefault(short.partition("-seed")[0], []).append(value)
    assert len(found["features"]) == 3
    assert np.mean(found["features"]) >= 0.87


def test_updates_of_an_index_encode_what_changed_and_keep_the_folder_small() -> None:
    kept = facts("search_updates/updates")
    assert (kept["updates"], kept["encoded"]) == (100, [kept["changed"]])
    assert kept["changed"] == kept["documents"] // 100
    assert kept["largest_size_share"] <= 1.2
    assert kept["same_answers"] == 1.0
