"""Planted near-duplicates: precision, recall and time of the search.

    python benchmarks/near_duplicates.py DATA            about two minutes on two cores
    python benchmarks/near_duplicates.py DATA --tuning   other texts, to choose settings on

DATA is a folder with ag_news/train.parquet, imdb/*.parquet and gutenberg/books.parquet. 80,000 texts of one to five
sentences, and 20,000 copies of 20,000 of them, 4,000 of each kind of edit. The texts themselves are put aside first
where they are alike, by another measure than the one that is tested (the cosine of their words' TF-IDF), so that what
is found beside the planted pairs is a mistake; another 5,000 texts are made of halves of two others, which are no copy
of either. Keeps results/near_duplicates/pairs.parquet (every planted and every found pair) and facts.json.
"""

import argparse
import json
import random
import resource
import string
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from provenance import provenance
from trifold.documents.duplicates.duplicates import find_duplicates
from trifold.documents.duplicates.settings import DuplicateSettings
from trifold.documents.language.sentences import split_sentences

RESULTS = Path(__file__).parent / "results" / "near_duplicates"
ORIGINALS, COPIES_A_KIND, HALVES = 75_000, 4_000, 5_000
# Cosine of word TF-IDF from which on two of the texts that we start from count as alike.
ALIKE = 0.6
LETTERS = string.ascii_lowercase


def typos(words: list[str], rng: random.Random, _: list[str]) -> list[str]:
    """A letter in 4 % of the words is exchanged, doubled, left out or swapped with the next; at least one."""
    words = list(words)
    for place in rng.sample(range(len(words)), max(1, round(0.04 * len(words)))):
        word, at = words[place], rng.randrange(len(words[place]))
        words[place] = rng.choice(
            [
                word[:at] + rng.choice(LETTERS) + word[at + 1 :],
                word[:at] + word[at] + word[at:],
                word[:at] + word[at + 1 :] or "a",
                word[:at] + word[at + 1 : at + 2] + word[at] + word[at + 2 :],
            ]
        )
    return words


def swaps(words: list[str], rng: random.Random, _: list[str]) -> list[str]:
    """4 % of the words are left out, and as many change places with the next; at least one of either."""
    words = list(words)
    for _number in range(max(1, round(0.04 * len(words)))):
        at = rng.randrange(len(words) - 1)
        words[at], words[at + 1] = words[at + 1], words[at]
        del words[rng.randrange(len(words))]
    return words


def typography(words: list[str], rng: random.Random, _: list[str]) -> list[str]:
    """Upper or lower case, other punctuation, more spaces."""
    change = rng.choice([str.upper, str.lower, str.title])
    words = [change(word) if rng.random() < 0.7 else word for word in words]
    return [
        word.strip(".,;:!?\"'") or word if rng.random() < 0.5 else word + rng.choice(["", "", ",", " ", "!"])
        for word in words
    ]


def added(words: list[str], rng: random.Random, others: list[str]) -> list[str]:
    """A short sentence before or behind, of at most a fifth of the text's length and at least three words."""
    extra = rng.choice(others).split()[: max(3, len(words) // 5)]
    return [*extra, *words] if rng.random() < 0.5 else [*words, *extra]


def reworded(words: list[str], rng: random.Random, others: list[str]) -> list[str]:
    """Sentences in another order, where there are several; else 5 % of the words are other words."""
    sentences = [sentence.text for sentence in split_sentences(" ".join(words))]
    if len(sentences) > 1:
        order = list(range(len(sentences)))
        while order == sorted(order):
            rng.shuffle(order)
        return " ".join(sentences[place] for place in order).split()
    words = list(words)
    for place in rng.sample(range(len(words)), max(1, round(0.05 * len(words)))):
        words[place] = rng.choice(rng.choice(others).split())
    return words


EDITS: dict[str, Callable[[list[str], random.Random, list[str]], list[str]]] = {
    "typos": typos, "swaps": swaps, "typography": typography, "added": added, "reworded": reworded,
}  # fmt: skip


def passages(data: Path, rng: random.Random) -> list[str]:
    """Passages of one to five sentences and 15 to 120 words, from news, reviews and books."""
    found = []
    for path in ("ag_news/train.parquet", "imdb/train.parquet", "imdb/unlabelled.parquet", "gutenberg/books.parquet"):
        for text in pq.read_table(data / path, columns=["text"])["text"].to_pylist():
            sentences = [one.text for one in split_sentences(text.replace("<br />", " ")[:6_000])]
            start = 0
            for _ in range(2):
                count = rng.randint(1, 5)
                passage = " ".join(" ".join(sentences[start : start + count]).split())
                start += count
                if 15 <= len(passage.split()) <= 120:
                    found.append(passage)
    rng.shuffle(found)
    return found


def unlike(texts: list[str], count: int) -> list[str]:
    """The first texts that are like none before them, by the cosine of their words."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    vectors = TfidfVectorizer(dtype=np.float32, min_df=2, max_df=0.02).fit_transform(texts)
    left_out: set[int] = set()
    for start in range(0, len(texts), 2_000):
        block = (vectors[start : start + 2_000] @ vectors[: start + 2_000].T).tocoo()
        above = (block.data >= ALIKE) & (start + block.row > block.col)
        left_out.update((start + block.row[above]).tolist())
    return [text for number, text in enumerate(texts) if number not in left_out][:count]


def planted(data: Path, seed: int) -> tuple[list[str], list[tuple[int, int, str]]]:
    """The texts in random order, and the planted pairs: positions of both, and the kind of edit."""
    rng = random.Random(seed)
    found = passages(data, rng)
    texts = unlike(found[: int(1.25 * ORIGINALS)], ORIGINALS)
    assert len(texts) == ORIGINALS, len(texts)
    pairs = []
    for number, (kind, edit) in enumerate(EDITS.items()):
        for original in range(number * COPIES_A_KIND, (number + 1) * COPIES_A_KIND):
            pairs.append((original, len(texts), kind))
            texts.append(" ".join(edit(texts[original].split(), rng, found[-5_000:])))
    for _ in range(HALVES):
        first, second = (rng.choice(texts[:ORIGINALS]).split() for _ in range(2))
        texts.append(" ".join([*first[: len(first) // 2], *second[len(second) // 2 :]]))
    place = list(range(len(texts)))
    rng.shuffle(place)
    shuffled = [""] * len(texts)
    for number, there in enumerate(place):
        shuffled[there] = texts[number]
    return shuffled, [(place[one], place[other], kind) for one, other, kind in pairs]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--tuning", action="store_true", help="another seed; nothing is kept")
    parser.add_argument("--threshold", type=float, default=DuplicateSettings.threshold)
    chosen = parser.parse_args()
    texts, pairs = planted(chosen.data, 1 if chosen.tuning else 0)
    begun = time.perf_counter()
    clusters = find_duplicates(texts, DuplicateSettings(threshold=chosen.threshold))
    seconds = time.perf_counter() - begun
    found = {
        tuple(sorted((one, other)))
        for cluster in clusters
        for members in [(cluster.first, *(copy.position for copy in cluster.copies))]
        for number, one in enumerate(members)
        for other in members[:number]
    }
    rows = [(*sorted((one, other)), kind, tuple(sorted((one, other))) in found) for one, other, kind in pairs]
    true = {row[:2] for row in rows}
    rows += [(*pair, "", True) for pair in sorted(found - true)]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"{len(texts):,} texts, {seconds:.1f} s, peak {peak / 1e6:,.0f} MB")
    print(f"precision {len(found & true) / len(found):.4f}, recall {len(found & true) / len(true):.4f}")
    for kind in EDITS:
        of_kind = [row for row in rows if row[2] == kind]
        print(f"  {kind:<12}{sum(row[3] for row in of_kind) / len(of_kind):.4f}")
    if chosen.tuning:
        for one, other in sorted(found - true)[:10]:
            print("-", texts[one][:300], "\n+", texts[other][:300])
        return
    RESULTS.mkdir(parents=True, exist_ok=True)
    first, second, kinds, are_found = zip(*rows, strict=True)
    table = pa.table(
        {
            "first": pa.array(first, pa.int32()),
            "second": pa.array(second, pa.int32()),
            "planted": pa.array(kinds).dictionary_encode(),
            "found": pa.array(are_found),
        }
    )
    pq.write_table(table, RESULTS / "pairs.parquet", compression="zstd")
    facts = {**provenance(), "rows": len(texts), "threshold": chosen.threshold, "seconds": seconds, "peak_bytes": peak}
    (RESULTS / "facts.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
