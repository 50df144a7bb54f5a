"""Peak memory of `trifold embed`: 10,000 and 1,000,000 distinct texts of 5 to 10 words, with a tiny encoder.

    python benchmarks/embed_memory.py [ROWS ...]

Each file is embedded twice into .npy and twice into .parquet, each time by a command of its own. Keeps
results/embed_memory.json: the peak of every command, with command, commit, machine and versions. Half an hour.
"""

import csv
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from provenance import provenance

RESULTS = Path(__file__).parent / "results"
ROWS, TURNS, FORMATS = (10_000, 1_000_000), 2, ("npy", "parquet")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def make_model(folder: Path, words: list[str]) -> None:
    """A BERT of one layer and width 32 with random weights, and a word for each of some words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    vocabulary = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {"unk_token": "[UNK]", "pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, mask_token="[MASK]", **names).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64,
        max_position_embeddings=64, pad_token_id=0,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)


def make_texts(path: Path, rows: int, words: list[str]) -> None:
    """Distinct texts of 5 to 10 words; each begins with words that count the rows."""
    rng = random.Random(rows)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["id", "text"])
        for row in range(rows):
            counting = [words[row // len(words) % len(words)], words[row % len(words)]]
            writer.writerow([row, " ".join(counting + rng.choices(words, k=rng.randint(3, 8)))])


def peak_of(command: list[str]) -> tuple[int, float]:
    """Peak memory in bytes and seconds of a command, which must succeed."""
    begun = time.perf_counter()
    process = subprocess.Popen([sys.executable, "-m", "trifold", *command], stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(said)
    return usage.ru_maxrss * 1024, time.perf_counter() - begun


def main() -> None:
    """Embed every file in turn."""
    sizes = tuple(map(int, sys.argv[1:])) or ROWS
    rng = random.Random(0)
    words = ["".join(rng.choices(_LETTERS, k=6)) for _ in range(2_000)]
    peaks: list[dict[str, object]] = []
    made = provenance()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        make_model(folder / "model", words)
        for rows in sizes:
            make_texts(folder / f"{rows}.csv", rows, words)
        for turn in range(TURNS):
            for rows in sizes:
                for kind in FORMATS:
                    output = folder / f"out.{kind}"
                    command = ["embed", str(folder / "model"), str(folder / f"{rows}.csv"), "--output", str(output)]
                    peak, seconds = peak_of(command)
                    output.unlink()
                    peaks.append(
                        {"rows": rows, "format": kind, "turn": turn, "peak_bytes": peak, "seconds": round(seconds, 1)}
                    )
                    print(peaks[-1], flush=True)
                    if sizes == ROWS:
                        facts = {
                            **made,
                            "texts": "distinct, 5 to 10 words",
                            "backbone": "BERT, 1 layer, width 32",
                            "peaks": peaks,
                        }
                        (RESULTS / "embed_memory.json").write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()
