"""Runs that tests serve, each trained once: of one label a text, of several, of pairs, and of a small encoder."""

import csv
from functools import cache
from pathlib import Path

from conftest import several_labels, write_pairs, write_reviews
from trifold.data.settings import DataSettings
from trifold.models.settings import BackboneSettings
from trifold.pipeline.finetune import finetune
from trifold.pipeline.request import Request


@cache
def films(base: Path) -> Path:
    """`tfidf` on reviews that are good or bad."""
    folder = base / "served"
    folder.mkdir(exist_ok=True)
    request = Request(write_reviews(folder / "films.csv"))
    return finetune(request, "tfidf", folder / "films", announce=False).folder


@cache
def moods(base: Path) -> Path:
    """`tfidf` on texts with any of the labels blame, cast and praise."""
    folder = base / "served"
    folder.mkdir(exist_ok=True)
    path = folder / "moods.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["text", "labels"])
        writer.writerows([text, "|".join(labels)] for text, labels in several_labels())
    return finetune(Request(path), "tfidf", folder / "moods", announce=False).folder


@cache
def pairs(base: Path) -> Path:
    """`tfidf` on pairs of sentences that are about the same or not."""
    folder = base / "served"
    folder.mkdir(exist_ok=True)
    request = Request(write_pairs(folder / "pairs.csv"), reading=DataSettings(task="pairs"))
    return finetune(request, "tfidf", folder / "pairs", announce=False).folder


def of_each_kind(base: Path) -> dict[str, Path]:
    """Name to folder: runs of one label a text, of several, and of pairs."""
    return {"films": films(base), "moods": moods(base), "pairs": pairs(base)}


@cache
def encoded(base: Path, model: Path) -> Path:
    """`features` on the reviews, with a small encoder."""
    folder = base / "served"
    folder.mkdir(exist_ok=True)
    backbone = BackboneSettings(model=str(model), cache=False, device="cpu", precision="float32")
    request = Request(write_reviews(folder / "encoded.csv"), backbone=backbone)
    return finetune(request, "features", folder / "encoded", announce=False).folder
