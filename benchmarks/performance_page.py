"""Makes docs/performance.md from the raw times in results/speed: `python benchmarks/performance_page.py`.

A test checks that the page is what this makes of them.
"""

import json
import statistics
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "speed"
PAGE = ROOT / "docs" / "performance.md"

# Of each table: its title, what its figure is, and whose figure each of ours is divided into, with the bar.
TABLES: dict[str, tuple[str, str, dict[str, list[tuple[str, float]]]]] = {
    "notebook": (
        "The classic notebook's five epochs against `features`, from process start to saved run",
        "seconds",
        {"features": [("notebook, 5 epochs", 18.0)], "features, int8": [("notebook, 5 epochs", 24.0)]},
    ),
    "head": (
        "A further head on texts that were read before, learning alone (the first pass once)",
        "seconds",
        {"a further head, mlp": [("first pass, all heads tried", 50.0)]},
    ),
    "training": (
        "Full fine-tuning, one epoch, training alone",
        "seconds",
        {
            "full": [("Trainer, defaults", 3.0), ("Trainer, best settings", 1.5)],
            "full, frozen embeddings": [("Trainer, defaults", 4.0)],
        },
    ),
    "lora": (
        "Three epochs of LoRA on all layers against adapters in the top half over the cached prefix",
        "seconds",
        {
            "adapter-lora, top half": [("Trainer with peft", 5.0)],
            "adapter-bottleneck, top half": [("Trainer with peft", 5.0)],
        },
    ),
    "inference": (
        "Texts to vectors, the model loaded and warm",
        "seconds",
        {
            "trifold, torch": [],
            "trifold, onnx": [
                ("transformers pipeline", 2.0),
                ("transformers pipeline, batch 32", 2.0),
                ("sentence-transformers", 2.0),
            ],
            "trifold, int8": [
                ("transformers pipeline", 2.0),
                ("transformers pipeline, batch 32", 2.0),
                ("sentence-transformers", 2.0),
                ("sentence-transformers, ONNX int8", 1.0),
            ],
        },
    ),
    "useful": (
        "A tera (10^12) of useful operations: two a multiply-add, on real tokens, twice as many on the way back",
        "seconds",
        {"encoding": [("matrix product", 0.60)], "full, training": [("matrix product", 0.45)]},
    ),
    "memory": (
        "Peak memory of full fine-tuning, the Trainer's batch at 32",
        "bytes",
        {"full": [("Trainer, batch 32", 2.0)]},
    ),
    "startup": ("Start of the command line", "seconds", {}),
}
# Said of a table that was measured on a machine without native bfloat16, while the others had one with it.
OLDER = ", on an earlier machine of two cores without native bfloat16"
# Tables whose contestants all did their whole training, with test rows enough to say how well.
TESTED = ("lora",)


def load(table: str) -> dict[str, Any]:
    """A table's raw figures."""
    found: dict[str, Any] = json.loads((RESULTS / f"{table}.json").read_text())
    return found


def first_hardware() -> dict[str, Any]:
    """The machine of the page."""
    found: dict[str, Any] = load(next(table for table in TABLES if (RESULTS / f"{table}.json").exists()))["hardware"]
    return found


def medians(result: dict[str, Any]) -> dict[str, float]:
    """Each contestant's median over its turns."""
    figure = result["figure"]
    return {name: statistics.median(turn[figure] for turn in turns) for name, turns in result["turns"].items()}


def shown(value: float, unit: str) -> str:
    """A figure with its unit."""
    return f"{value / 1e6:,.0f} MB" if unit == "bytes" else f"{value:,.2f} s" if value < 10 else f"{value:,.1f} s"


def section(table: str) -> list[str]:
    """A table of the page."""
    title, unit, bars = TABLES[table]
    result = load(table)
    elsewhere = "" if result["hardware"]["bfloat16"] == first_hardware()["bfloat16"] else OLDER
    found = medians(result)
    turns = max(map(len, result["turns"].values()))
    rows = f"{result['rows']:,} IMDB reviews of at most 250 tokens, " if result.get("rows") else ""
    source = f"`benchmarks/results/speed/{table}.json`"
    lines = [f"## {title}", "", f"{rows}median of {turns} turns ({source}){elsewhere}.", ""]
    tested = table in TESTED
    lines += ["| | median | mean accuracy |", "|---|---|---|"] if tested else ["| | median |", "|---|---|"]
    for name, value in found.items():
        accuracy = statistics.mean(turn["accuracy"] for turn in result["turns"][name]) if tested else 0.0
        lines.append(f"| {name} | {shown(value, unit)} |" + (f" {100 * accuracy:.1f} % |" if tested else ""))
    verdicts = [
        f"- {name} against {other}: **{found[other] / found[name]:.2f}x** (wanted: {bar:g}x, "
        f"{'reached' if found[other] / found[name] >= bar else 'missed'})"
        for name, others in bars.items()
        for other, bar in others
        if other in found
    ]
    cosines = [
        f"- cosine to full precision, {name}: {found['mean']:.3f} (lowest {found['lowest']:.3f})"
        for name, found in result.get("cosines", {}).items()
        if name in ("sentence-int8", "trifold-int8", "trifold-onnx")
    ]
    return [*lines, "", *verdicts, *cosines, *([""] if verdicts else [])]


def page() -> str:
    """The whole page."""
    tables = [table for table in TABLES if (RESULTS / f"{table}.json").exists()]
    hardware, versions = (load(tables[0])[name] for name in ("hardware", "versions"))
    head = [
        "# Performance",
        "",
        "Made by `benchmarks/performance_page.py` from the raw times of `benchmarks/speed.py`. Ratios are of medians,",
        "measured side by side, in turns, with nothing else running. Backbone: minilm.",
        "",
        f"Machine: {hardware['cpu']}, {hardware['cores']} cores, bfloat16: {hardware['bfloat16']}; PyTorch "
        f"{versions['torch']}, transformers {versions['transformers']}.",
        "",
    ]
    if hardware["bfloat16"] == "no":
        head += [
            "This processor has neither native bfloat16 nor an 8-bit dot product, and much of what is wanted below was",
            "reckoned for one that has: in single precision, peers and Trifold share one ceiling, the matrix product.",
            "",
        ]
    return "\n".join([*head, *(line for table in tables for line in section(table))]).rstrip() + "\n"


if __name__ == "__main__":
    PAGE.write_text(page())
