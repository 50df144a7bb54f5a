"""Made-up data for the recipes: sentences put together from the grammars beside this file.

    python docs/recipes/make_data.py tickets|spam|topics|departments|contracts|german|logbook [SHARE]

Writes NAME.csv (columns `text` and `label`) into the current folder; departments are split into
departments.csv, with eight rows of each label, and departments-test.csv; the logbook comes with
logbook.txt, unlabelled entries. SHARE, such as 0.2, makes less of each.
"""

import csv
import random
import re
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

GRAMMARS = Path(__file__).parent / "grammars"
ROWS_A_CLASS = 8
Grammar = dict[str, Any]
Row = tuple[str, str]


def main(name: str, share: float = 1.0) -> None:
    """Write the files of one recipe."""
    grammar = tomllib.loads((GRAMMARS / f"{name}.toml").read_text(encoding="utf-8"))
    rng = random.Random(0)
    rows = drawn(name, grammar, int(share * grammar["rows"]), rng)
    rows = mislabelled(rows, grammar.get("mislabelled", 0), rng)
    if name == "departments":
        first, rest = split_by_label(rows)
        write(Path("departments.csv"), first)
        write(Path("departments-test.csv"), rest)
        return
    rng.shuffle(rows)
    write(Path(f"{name}.csv"), rows)
    if unlabelled := int(share * grammar.get("unlabelled", 0)):
        entries = [text for text, _ in drawn(name, grammar, unlabelled, rng)]
        Path(f"{name}.txt").write_text("\n".join(entries) + "\n", encoding="utf-8")


def drawn(name: str, grammar: Grammar, count: int, rng: random.Random) -> list[Row]:
    """So many rows; a text that was there before is drawn again, as long as another is found soon."""
    rows: dict[str, str] = {}
    for number in range(count):
        for _ in range(50):
            text, label = ROWS[name](grammar, rng, number)
            if text not in rows:
                rows[text] = label
                break
    return list(rows.items())


def one_class(grammar: Grammar, rng: random.Random, number: int) -> Row:
    """A text of one class: each as often as its `share` says, or all alike."""
    labels = list(grammar["classes"])
    label = rng.choices(labels, grammar["share"].values())[0] if "share" in grammar else labels[number % len(labels)]
    sentence = rng.choice(grammar["classes"][label])
    return filled(grammar["pattern"], {**grammar["slots"], "sentence": [sentence]}, rng), label


def ticket(grammar: Grammar, rng: random.Random, number: int) -> Row:
    """A request about a thing; the intent names both."""
    pairs = [(request, thing) for request in grammar["requests"] for thing in grammar["things"]]
    request, thing = pairs[number % len(pairs)]
    slots = {**grammar["slots"], "request": grammar["requests"][request], "thing": grammar["things"][thing]}
    return filled(grammar["pattern"], slots, rng), f"{thing}_{request}"


def several(grammar: Grammar, rng: random.Random, _number: int) -> Row:
    """Sentences of any number of topics among others, and the topics' names."""
    topics = [topic for topic, share in grammar["share"].items() if rng.random() < share]
    sentences = [*(rng.choice(grammar["classes"][topic]) for topic in topics), "{other}"]
    return filled(" ".join(rng.sample(sentences, len(sentences))), grammar["slots"], rng), "|".join(topics)


def contract(grammar: Grammar, rng: random.Random, number: int) -> Row:
    """Paragraphs, near whose end stands the clause that tells the class."""
    label = list(grammar["classes"])[number % len(grammar["classes"])]
    first, *others = grammar["filler"]["paragraphs"]
    paragraphs = [first, *rng.sample(others, grammar["paragraphs"] - 1)]
    paragraphs.insert(-grammar["clause_before_end"], rng.choice(grammar["classes"][label]))
    return filled("\n\n".join(paragraphs), grammar["slots"], rng), label


ROWS: dict[str, Callable[[Grammar, random.Random, int], Row]] = {
    "tickets": ticket,
    "spam": one_class,
    "topics": several,
    "departments": one_class,
    "contracts": contract,
    "german": one_class,
    "logbook": one_class,
}


def filled(template: str, slots: Mapping[str, list[str]], rng: random.Random) -> str:
    """The template with each `{slot}` filled in by one of its texts, which may have slots of their own."""
    while "{" in template:
        template = re.sub(r"\{(\w+)\}", lambda found: rng.choice(slots[found[1]]), template)
    return template


def mislabelled(rows: list[Row], share: float, rng: random.Random) -> list[Row]:
    """The rows, a share of them with another row's label: people err."""
    labels = [label for _, label in rows]
    return [(text, rng.choice(labels) if rng.random() < share else label) for text, label in rows]


def split_by_label(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
    """The first rows of each label, and all others."""
    seen: dict[str, int] = {}
    parts: tuple[list[Row], list[Row]] = ([], [])
    for text, label in rows:
        seen[label] = seen.get(label, 0) + 1
        parts[seen[label] > ROWS_A_CLASS].append((text, label))
    return parts


def write(path: Path, rows: list[Row]) -> None:
    """Write a CSV of texts and labels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "label"])
        writer.writerows(rows)
    print(f"{path}: {len(rows):,} rows")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in ROWS:
        raise SystemExit(__doc__)
    main(sys.argv[1], *map(float, sys.argv[2:]))
