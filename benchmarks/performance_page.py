"""Makes docs/performance.md from the raw times in results/speed and results/speed-gpu, and the raw rows of options.

    python benchmarks/performance_page.py

A test checks that the page is what this makes of them.
"""

import json
import statistics
from collections import defaultdict
from pathlib import Path
from typing import Any

from result_tables import read_rows

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "speed"
GPU_RESULTS = RESULTS.with_name("speed-gpu")
OPTIONS = RESULTS.with_name("options.parquet")
BFLOAT16 = RESULTS.with_name("bfloat16.parquet")
PAGE = ROOT / "docs" / "performance.md"

# Of each table: its title, the unit of its figures, and what each of ours is compared with.
TABLES: dict[str, tuple[str, str, dict[str, list[str]]]] = {
    "notebook": (
        "The classic notebook's five epochs against `features`, from process start to saved run",
        "seconds",
        {"features": ["notebook, 5 epochs"], "features, int8": ["notebook, 5 epochs"]},
    ),
    "head": (
        "A further head on texts that were read before, learning alone (the first pass once)",
        "seconds",
        {"a further head, mlp": ["first pass, all heads tried"]},
    ),
    "training": (
        "Full fine-tuning, one epoch, training alone",
        "seconds",
        {
            "full": ["Trainer, defaults", "Trainer, best settings"],
            "full, frozen embeddings": ["Trainer, defaults"],
        },
    ),
    "lora": (
        "Three epochs of LoRA on all layers against adapters in the top half over the cached prefix",
        "seconds",
        {
            "adapter-lora, top half": ["Trainer with peft"],
            "adapter-bottleneck, top half": ["Trainer with peft"],
        },
    ),
    "inference": (
        "Texts to vectors, the model loaded and warm",
        "seconds",
        {
            "trifold, torch": [
                "transformers pipeline",
                "transformers pipeline, batch 32",
                "sentence-transformers",
            ],
            "trifold, onnx": [
                "transformers pipeline",
                "transformers pipeline, batch 32",
                "sentence-transformers",
            ],
            "trifold, int8": [
                "transformers pipeline",
                "transformers pipeline, batch 32",
                "sentence-transformers",
                "sentence-transformers, ONNX int8",
            ],
        },
    ),
    "useful": (
        "A tera (10^12) of useful operations: two a multiply-add, on real tokens, twice as many on the way back",
        "seconds",
        {"encoding": ["matrix product"], "full, training": ["matrix product"]},
    ),
    "memory": (
        "Peak memory of full fine-tuning, the Trainer's batch at 32",
        "bytes",
        {"full": ["Trainer, batch 32"]},
    ),
    "startup": ("Start of the command line", "seconds", {}),
}
# What options.parquet calls them, and what they are.
SAID = {
    "float32": "single precision, PyTorch's own attention",
    "default": "as it comes: bfloat16",
    "freeze-embeddings": "`--freeze-embeddings`",
    "int8": "`--engine int8`",
    "exported": "as it comes, by `export`",
    "exported-int8": "as it comes, by `export --int8`",
}
NAMED = {"trec": "TREC's 500 test questions", "sst2": "SST-2's 872 dev sentences"}
# Tables whose contestants all did their whole training, with test rows enough to say how well.
TESTED = ("lora",)


def load(table: str, results: Path = RESULTS) -> dict[str, Any]:
    """A table's raw figures."""
    found: dict[str, Any] = json.loads((results / f"{table}.json").read_text())
    return found


def kept_tables(results: Path) -> list[str]:
    """Those there are, in the order of the page; `TABLE@MACHINE` where one is kept of another machine, too."""
    stems = sorted(path.stem for path in results.glob("*.json"))
    return [stem for table in TABLES for stem in stems if stem.partition("@")[0] == table]


def machine(result: dict[str, Any]) -> str:
    """What a table was measured on."""
    hardware, versions = result["hardware"], result["versions"]
    gpu = f"{hardware['gpu']} and " if "gpu" in hardware else ""
    return (
        f"{gpu}{hardware['cpu']}, {hardware['cores']} cores, bfloat16: {hardware['bfloat16']}; PyTorch "
        f"{versions['torch']}, transformers {versions['transformers']}"
    )


def medians(result: dict[str, Any]) -> dict[str, float]:
    """Each contestant's median over its turns."""
    figure = result["figure"]
    return {name: statistics.median(turn[figure] for turn in turns) for name, turns in result["turns"].items()}


def shown(value: float, unit: str) -> str:
    """A figure with its unit."""
    if unit == "bytes":
        return f"{value / 1e6:,.0f} MB"
    return f"{1e3 * value:,.1f} ms" if value < 0.05 else f"{value:,.2f} s" if value < 10 else f"{value:,.1f} s"


def in_words(table: str, unit: str, name: str, other: str, found: dict[str, float]) -> str:
    """How one figure of a table compares with another."""
    ratio = found[other] / found[name]
    if table == "useful":
        return f"{name} computes at **{ratio:.2f}** of the speed of a plain matrix product"
    if unit == "bytes":
        return f"{name} takes **{1 / ratio:.2f}** of the memory of {other}"
    return f"{name} is **{ratio:.2f}** times as fast as {other}"


def section(table: str, results: Path = RESULTS) -> list[str]:
    """A table of the page."""
    table_of, _, another = table.partition("@")
    title, unit, pairs = TABLES[table_of]
    title += f", on another machine: {another.replace('-', ' ')}" if another else ""
    result = load(table, results)
    found = medians(result)
    turns = max(map(len, result["turns"].values()))
    rows = f"{result['rows']:,} IMDB reviews of at most 250 tokens, " if result.get("rows") else ""
    source = f"`benchmarks/results/{results.name}/{table}.json`"
    state = f"commit {result['commit'][:9]}"
    lines = [f"## {title}", "", f"{rows}median of {turns} turns ({source}, {state}), on {machine(result)}.", ""]
    tested = table_of in TESTED
    lines += ["| | median | mean accuracy |", "|---|---|---|"] if tested else ["| | median |", "|---|---|"]
    for name, value in found.items():
        accuracy = statistics.mean(turn["accuracy"] for turn in result["turns"][name]) if tested else 0.0
        lines.append(f"| {name} | {shown(value, unit)} |" + (f" {100 * accuracy:.1f} % |" if tested else ""))
    compared = [
        f"- {in_words(table_of, unit, name, other, found)}"
        for name, others in pairs.items()
        if name in found
        for other in others
        if other in found
    ]
    cosines = [
        f"- cosine to full precision, {name}: {found['mean']:.3f} (lowest {found['lowest']:.3f})"
        for name, found in result.get("cosines", {}).items()
        if name in ("sentence-int8", "trifold-int8", "trifold-onnx", "trifold-torch")
    ]
    return [*lines, "", *compared, *cosines, *([""] if compared else [])]


def answers(table: Path) -> dict[tuple[str, str], list[bool]]:
    """Whether each row of a run was answered rightly, by option and run."""
    right: dict[tuple[str, str], list[bool]] = defaultdict(list)
    for row in read_rows(table):
        right[row["option"], row["run"]].append(row["label"] == row["prediction"])
    return right


def options() -> list[str]:
    """What each option of speed costs in accuracy."""
    right: dict[tuple[str, str, str], list[bool]] = defaultdict(list)
    for (option, run), rows in answers(OPTIONS).items():
        data, method, _ = run.split("-")
        right[method, option, data] += rows
    methods = json.loads(OPTIONS.with_suffix(".json").read_text())["methods"]
    lines = [
        "## What speed costs in accuracy",
        "",
        "Mean accuracy of three seeds, on TREC's 500 test questions and SST-2's 872 dev sentences (6,000 training",
        "phrases); `benchmarks/results/options.parquet` has every row.",
        *(f"`{method}` on {machine(facts)}." for method, facts in methods.items()),
        "",
        "| method | option | TREC | against single precision | SST-2 | against single precision |",
        "|---|---|---|---|---|---|",
    ]
    for method, option in dict.fromkeys((method, option) for method, option, _ in right):
        cells = []
        for data in ("trec", "sst2"):
            mean, plain = (100 * statistics.mean(right[method, one, data]) for one in (option, "float32"))
            cells += [f"{mean:.1f} %", "" if option == "float32" else f"{mean - plain:+.1f}"]
        lines.append(f"| `{method}` | {SAID[option]} | {' | '.join(cells)} |")
    return [*lines, "", *bfloat16(), ""]


def bfloat16_costs(data: str) -> list[float]:
    """Points of accuracy that `full` has more in bfloat16 than in single precision, seed by seed."""
    right = answers(BFLOAT16)
    runs = sorted({run for _, run in right if run.startswith(f"{data}-")})
    return [100 * (statistics.mean(right["default", run]) - statistics.mean(right["float32", run])) for run in runs]


def bfloat16() -> list[str]:
    """What three seeds do not tell."""
    lines = [
        "Three seeds do not tell 0.3 points from none. What `full` gains by bfloat16 over more of them, in pairs",
        "(`benchmarks/results/bfloat16.parquet`):",
        "",
        "| data | seeds | points | standard error | machine |",
        "|---|---|---|---|---|",
    ]
    for data, facts in json.loads(BFLOAT16.with_suffix(".json").read_text())["data"].items():
        costs = bfloat16_costs(data)
        error = statistics.stdev(costs) / len(costs) ** 0.5
        cells = (NAMED[data], len(costs), f"{statistics.mean(costs):+.2f}", f"{error:.2f}", machine(facts))
        lines.append(f"| {' | '.join(map(str, cells))} |")
    return lines


def page() -> str:
    """The whole page."""
    head = [
        "# Performance",
        "",
        "How long Trifold takes beside what people use otherwise, on the same rows, in turns, with nothing else",
        "running. Every table names its machine; ratios are of medians. The backbone is minilm. AMD EPYC without a",
        "family is a Zen 5.",
        "Raw times are in `benchmarks/results/speed`, made by `benchmarks/speed.py`; this page is made of them by",
        "`benchmarks/performance_page.py`.",
        "",
    ]
    gpu = [
        "# On a GPU",
        "",
        "A backbone of bert-base-uncased's shape with random weights: only time is asked for. When this was measured,",
        "Trifold warmed the GPU up before the clock of `training` started, and the Trainer's first step did it inside;",
        "that has been removed since, and some of the lead with it (`benchmarks/log/training-speed.md`).",
        "",
    ]
    lines = [*head, *(line for table in kept_tables(RESULTS) for line in section(table)), *options()]
    lines += [*gpu, *(line for table in kept_tables(GPU_RESULTS) for line in section(table, GPU_RESULTS))]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
