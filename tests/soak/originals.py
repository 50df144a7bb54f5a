"""Intact inputs of every kind, made once with the command line itself, and then damaged copy by copy."""

import csv
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from conftest import write_reviews
from soak.answers import good_reply
from soak.listener import Listener

ROWS = 60
PROMPT = """\
task = "Text: {text}\\nLabel:"
role = "You label texts."
instructions = ["Praise is good.", "Blame is bad."]

[output]
format = "One word."
labels = { good = "good", bad = "bad" }

[variables]
text = "A review."

[[examples]]
text = "A superb film."
output = "good"
"""
CONFIG = """\
epochs = 1
batch-size = 8
learning-rate = 1e-3
seed = 7
text-column = "text"
label-column = "label"
max-length = 32
class-weight = "balanced"
"""
SAVE = """
import csv, sys
from trifold import TextClassifier
source, target, model = sys.argv[1:]
with open(source, newline="") as file:
    rows = list(csv.DictReader(file))
classifier = TextClassifier(method="features", model=model).fit([row["text"] for row in rows], [row["label"] for row in rows])
classifier.save(target)
"""
_SMALL = ("--max-length", 32, "--epochs", 1, "--lr", "1e-3")
_SHORT = ("--block-size", 32, "--documents", "line", "--epochs", 1, "--batch-size", 8, "--validations", 1)


@dataclass(frozen=True)
class Originals:
    """What is damaged.

    Attributes:
        reviews: CSV of `ROWS` labelled reviews.
        others: As many others.
        story: Text for language models.
        prompt: A prompt file.
        config: A file for `finetune --config`.
        encoder: Folder of a small BERT.
        decoder: Folder of a small Llama that answers prompts.
        runs: Name to run folder of everything that labels.
        asked: Base URL of the server that the run `asking` was made with.
        language_models: Name to run folder of what names words: `mlm`, `clm`, `answering`.
        compared: A comparison's folder.
        stopped: Folder of a training that was stopped and can go on.
        cache: A cache folder with something of everything in it.
        log: Prompts and answers of a language model.
    """

    reviews: Path
    others: Path
    story: Path
    prompt: Path
    config: Path
    encoder: Path
    decoder: Path
    runs: dict[str, Path]
    asked: str
    language_models: dict[str, Path]
    compared: Path
    stopped: Path
    cache: Path
    log: Path


# What `compare --resume` and `finetune --resume` are given again.
COMPARING = ("--methods", "tfidf,features", "--max-length", "32")
STOPPED = ("--method", "full", "--max-length", "32", "--epochs", "40", "--patience", "40", "--save-steps", "1")


def make_originals(folder: Path, encoder: Path, decoder: Path, trifold: Callable[..., object]) -> Originals:
    """Make everything below `folder`.

    Args:
        folder: Exists and is empty.
        encoder: A model.
        decoder: A model that answers prompts.
        trifold: Runs the command line with these words and returns the finished process.
    """

    def run(*words: object) -> None:
        done = trifold(*words)
        assert done.returncode == 0, f"{words}: {done.stderr}"

    reviews, others = (
        write_reviews(folder / f"{name}.csv", ROWS, seed) for seed, name in enumerate(("reviews", "others"))
    )
    story, prompt, config = folder / "story.txt", folder / "label.toml", folder / "settings.toml"
    with reviews.open(newline="", encoding="utf-8") as file:
        story.write_text("".join(f"{row['text']}.\n" for row in csv.DictReader(file)), encoding="utf-8")
    prompt.write_text(PROMPT)
    config.write_text(CONFIG)
    runs = {}
    for name, flags in {
        "tfidf": (),
        "features": (),
        "full": _SMALL,
        "adapter-lora": _SMALL,
        "adapter-bottleneck": _SMALL,
        "contrastive": ("--max-length", 32, "--precision", "float32"),
        "prompt": ("--llm", f"hf:{decoder}", "--prompt", prompt, "--shots", 2, "--log", folder / "log.sqlite"),
    }.items():
        runs[name] = folder / name
        model = ("--model", encoder) if name not in ("tfidf", "prompt") else ()
        run("finetune", reviews, "--method", name, *model, *flags, "--output-dir", runs[name])
    runs["merged"] = folder / "merged"
    flags = ("--method", "adapter-lora", "--merge-adapter", "--model", encoder, *_SMALL)
    run("finetune", reviews, *flags, "--output-dir", runs["merged"])
    runs["exported"] = folder / "exported"
    run("export", runs["full"], "--output-dir", runs["exported"])
    runs["saved"] = folder / "saved"
    subprocess.run([sys.executable, "-c", SAVE, str(reviews), str(runs["saved"]), str(encoder)], check=True)
    runs["asking"] = folder / "asking"
    server = Listener()
    server.begin(good_reply("good"))
    llm = ("--llm", f"openai:{server.url}#soak", "--prompt", prompt, "--log", folder / "asked.sqlite")
    run("finetune", reviews, "--method", "prompt", *llm, "--output-dir", runs["asking"])
    server.close()
    words = {name: folder / name for name in ("mlm", "clm", "answering")}
    run("pretrain", story, *_SHORT, "--model", encoder, "--output-dir", words["mlm"])
    scratch = (
        "--objective",
        "clm",
        "--from-scratch",
        "--vocab-size",
        300,
        "--layers",
        1,
        "--hidden-size",
        32,
        "--heads",
        2,
    )
    run("pretrain", story, *scratch, *_SHORT, "--output-dir", words["clm"])
    task = (
        "--task",
        "generate",
        "--text-column",
        "text",
        "--target-column",
        "label",
        "--method",
        "adapter-lora",
        "--model",
        words["clm"],
    )
    run("finetune", reviews, *task, *_SMALL, "--output-dir", words["answering"])
    compared, stopped = folder / "compared", folder / "stopped"
    run("compare", reviews, *COMPARING, "--model", encoder, "--output-dir", compared)
    _stop_in_training(
        ["finetune", str(reviews), *STOPPED, "--model", str(encoder), "--output-dir", str(stopped)], stopped
    )
    with closing(sqlite3.connect(folder / "log.sqlite")) as log:
        # What was written lies beside the file until then.
        log.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    cache = Path(os.environ["TRIFOLD_CACHE"])
    return Originals(
        reviews, others, story, prompt, config, encoder, decoder, runs, server.url, words, compared, stopped, cache,
        folder / "log.sqlite",
    )  # fmt: skip


def _stop_in_training(words: list[str], folder: Path) -> None:
    """Leave behind the state of a training that is not done."""
    with subprocess.Popen([sys.executable, "-m", "trifold", *words], stderr=subprocess.DEVNULL) as process:
        while not list(folder.glob("state/step-*")):
            assert process.poll() is None, "the training that was to be stopped ended by itself"
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
    assert process.returncode == 128 + signal.SIGTERM
    assert json.loads(next(folder.glob("state/step-*/state.json")).read_text())
